"""The cache of tensors: what it keeps, what it drops, and that nothing it meets can fail a job."""

import errno
import hashlib
import os
import subprocess
import sys
import time

import pytest
import torch
from support.faulty_filesystem import FaultyFileSystem

from sidecar.filesystem import FileSystem
from sidecar.pipelines.ltx23.cache import SUFFIX, TensorCache, key_of

KEY = key_of("test", number=1)


def _cache(folder, *, limit_bytes=10**6, filesystem=None):
    return TensorCache(folder, limit_bytes=limit_bytes, filesystem=filesystem or FileSystem())


def _tensors(number=1, size=1000):
    return {
        "a": torch.full((size,), float(number)),
        "b": torch.tensor([number], dtype=torch.bfloat16),
    }


def _same(found, expected):
    assert found is not None
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name], tensor)


def test_what_was_put_comes_back_in_another_process_too(tmp_path):
    _cache(tmp_path).put(KEY, _tensors())
    _same(_cache(tmp_path).get(KEY), _tensors())


def test_what_was_never_put_is_not_there(tmp_path):
    cache = _cache(tmp_path / "never-made")
    assert cache.get(KEY) is None
    assert not (tmp_path / "never-made").exists()


def test_a_view_is_kept_whole_and_alone(tmp_path):
    whole = torch.arange(1000.0)
    _cache(tmp_path).put(KEY, {"part": whole[::2], "again": whole[:10]})
    _same(_cache(tmp_path).get(KEY), {"part": whole[::2], "again": whole[:10]})
    assert (tmp_path / f"{KEY}{SUFFIX}").stat().st_size < 4000


def test_keys_depend_on_kind_and_every_part():
    keys = {
        key_of("a", x=1),
        key_of("b", x=1),
        key_of("a", x=2),
        key_of("a", x="1"),
        key_of("a", y=1),
        key_of("a", x=1, y=None),
    }
    assert len(keys) == 6
    assert key_of("a", x=1, y=2) == key_of("a", y=2, x=1)


@pytest.mark.parametrize("place", [0, 70, 200, -1])
def test_a_damaged_entry_is_a_miss_and_gone(tmp_path, place):
    _cache(tmp_path).put(KEY, _tensors())
    path = tmp_path / f"{KEY}{SUFFIX}"
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert _cache(tmp_path).get(KEY) is None
    assert not path.exists()


@pytest.mark.parametrize("length", [0, 63, 64, 100])
def test_a_cut_entry_is_a_miss_and_gone(tmp_path, length):
    _cache(tmp_path).put(KEY, _tensors())
    path = tmp_path / f"{KEY}{SUFFIX}"
    path.write_bytes(path.read_bytes()[:length])
    assert _cache(tmp_path).get(KEY) is None
    assert not path.exists()


def test_an_entry_with_a_right_digest_and_a_wrong_content_is_a_miss(tmp_path):
    body = b"no safetensors"
    path = tmp_path / f"{KEY}{SUFFIX}"
    path.write_bytes(hashlib.sha256(body).hexdigest().encode() + body)
    assert _cache(tmp_path).get(KEY) is None
    assert not path.exists()


def test_the_least_recently_used_goes(tmp_path):
    cache = _cache(tmp_path, limit_bytes=4 * 4400)
    keys = [key_of("test", number=number) for number in range(6)]
    for number in range(4):
        cache.put(keys[number], _tensors(number))
        then = time.time_ns() - (10 - number) * 10**9
        os.utime(tmp_path / f"{keys[number]}{SUFFIX}", ns=(then, then))
    assert cache.get(keys[0]) is not None  # used now
    cache.put(keys[4], _tensors(4))
    assert cache.get(keys[1]) is None
    assert all(cache.get(keys[number]) is not None for number in (0, 2, 3, 4))
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 4 * 4400


def test_what_is_larger_than_the_limit_is_not_kept_and_drives_nothing_out(tmp_path):
    cache = _cache(tmp_path, limit_bytes=10_000)
    cache.put(KEY, _tensors())
    large = key_of("test", number=2)
    cache.put(large, _tensors(2, size=5000))
    assert cache.get(large) is None
    assert cache.get(KEY) is not None


def test_no_room_at_all_keeps_nothing(tmp_path):
    cache = _cache(tmp_path / "cache", limit_bytes=0)
    cache.put(KEY, _tensors())
    assert cache.get(KEY) is None
    assert not (tmp_path / "cache").exists()


def test_what_a_kill_left_half_written_goes_when_it_is_old(tmp_path):
    young, old = tmp_path / ".x.1.part", tmp_path / ".y.2.part"
    for path in (young, old):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    _cache(tmp_path).put(KEY, _tensors())
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize(
    "operation",
    ["make_folder", "open_new", "write", "close", "fsync_file", "fsync_folder", "replace"],
)
def test_a_full_disk_fails_no_job_and_leaves_no_half_entry(tmp_path, operation):
    filesystem = FaultyFileSystem(operation, errno=errno.ENOSPC, sticky=True)
    folder = tmp_path / "cache"
    _cache(folder, filesystem=filesystem).put(KEY, _tensors())
    assert filesystem.failed
    found = _cache(folder).get(KEY)
    if operation == "fsync_folder":  # the file is whole already
        _same(found, _tensors())
    else:
        assert found is None


@pytest.mark.parametrize("operation", ["set_modified", "unlink"])
def test_a_cache_that_may_only_be_read_still_serves(tmp_path, operation):
    _cache(tmp_path).put(KEY, _tensors())
    read_only = FaultyFileSystem(operation, errno=errno.EROFS, sticky=True)
    _same(_cache(tmp_path, filesystem=read_only).get(KEY), _tensors())


def test_the_folder_may_be_deleted_at_any_time(tmp_path):
    folder = tmp_path / "cache"
    cache = _cache(folder)
    cache.put(KEY, _tensors())
    FileSystem().remove_tree(folder)
    assert cache.get(KEY) is None
    cache.put(KEY, _tensors())
    assert cache.get(KEY) is not None


def test_two_processes_at_once_leave_whole_entries_within_the_limit(tmp_path):
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from sidecar.filesystem import FileSystem\n"
        "from sidecar.pipelines.ltx23.cache import TensorCache, key_of\n"
        "cache = TensorCache(Path(sys.argv[1]), limit_bytes=30_000, filesystem=FileSystem())\n"
        "for number in list(range(12)) * 8:\n"
        "    key = key_of('test', number=number)\n"
        "    found = cache.get(key)\n"
        "    assert found is None or torch.equal(found['a'], torch.full((1000,), float(number)))\n"
        "    cache.put(key, {'a': torch.full((1000,), float(number))})\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stderr=subprocess.PIPE)
        for _ in range(2)
    ]
    for writer in writers:
        _, said = writer.communicate(timeout=120)
        assert writer.returncode == 0, said.decode()
    entries = list(tmp_path.glob(f"*{SUFFIX}"))
    assert not list(tmp_path.glob(".*"))
    # Each looks before it writes, so that two at once may pass the limit by what one of them wrote.
    assert 0 < sum(path.stat().st_size for path in entries) <= 30_000 + 5_000


def test_an_entry_that_is_too_large_to_be_ours_is_not_read(tmp_path):
    path = tmp_path / f"{KEY}{SUFFIX}"
    path.write_bytes(bytes(2 * 10**6))
    assert _cache(tmp_path).get(KEY) is None
    assert path.exists(), "it was not even read; the next entry drives it out"
    _cache(tmp_path).put(key_of("test", number=2), _tensors())
    assert not path.exists()


def test_memory_that_runs_out_while_keeping_fails_no_job(tmp_path, monkeypatch):
    def full(_tensors):
        raise MemoryError

    monkeypatch.setattr("sidecar.pipelines.ltx23.cache.save", full)
    _cache(tmp_path).put(KEY, _tensors())
    assert _cache(tmp_path).get(KEY) is None
