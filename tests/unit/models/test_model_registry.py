"""The list of checkpoints: exact, atomic, shared by processes, and clear about what is not as it was."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from interchange.errors import ConflictError, InvalidInputError, NotFoundError
from sidecar.filesystem import FileSystem
from sidecar.models.checkpoint import Checkpoint, Form, identity_of
from sidecar.models.digests import check_unchanged
from sidecar.models.layout import Found
from sidecar.models.registry import ModelRegistry

ENGINE = "ltx-2.3"


def _weights(folder: Path, content: bytes = b"weights") -> Found:
    folder.mkdir(parents=True, exist_ok=True)
    files = {"vae/config.json": folder / "config.json", "vae/weights": folder / "weights"}
    files["vae/config.json"].write_bytes(b"{}")
    files["vae/weights"].write_bytes(content)
    return Found(folder, Form.FOLDER, "distilled", "by its name", tuple(sorted(files.items())))


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry(tmp_path / "models", FileSystem())


def _added(registry: ModelRegistry, folder: Path, name: str = "one") -> Checkpoint:
    return registry.add(_weights(folder), name=name, engine=ENGINE)


def test_an_empty_registry_says_what_to_do(registry: ModelRegistry) -> None:
    assert registry.checkpoints() == ()
    with pytest.raises(NotFoundError, match="ltxbridge models pull"):
        registry.current(ENGINE)
    with pytest.raises(NotFoundError, match="installed: none"):
        registry.get("nobody")
    assert not registry.folder.exists()


def test_the_first_checkpoint_is_used_and_another_only_when_told(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = _added(registry, tmp_path / "1")
    two = registry.add(_weights(tmp_path / "2", b"others"), name="two", engine=ENGINE)
    other = _added(registry, tmp_path / "3", "another-engines").engine
    assert other == ENGINE
    again = ModelRegistry(registry.folder, FileSystem())
    assert again.current(ENGINE) == one
    assert registry.use("two") == two
    assert again.current(ENGINE) == two
    assert [each.name for each in again.checkpoints()] == ["another-engines", "one", "two"]


def test_a_checkpoint_comes_back_as_it_was(registry: ModelRegistry, tmp_path: Path) -> None:
    added = _added(registry, tmp_path / "1")
    assert registry.get("one") == added
    assert added.size_bytes == len(b"{}") + len(b"weights")
    assert added.identity == identity_of((file.name, file.sha256) for file in added.files)


def test_identity_is_of_names_and_contents_and_not_of_places(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = _added(registry, tmp_path / "1")
    shutil.copytree(tmp_path / "1", tmp_path / "2")
    assert _added(registry, tmp_path / "2", "two").identity == one.identity
    changed = registry.add(_weights(tmp_path / "3", b"weightz"), name="three", engine=ENGINE)
    assert changed.identity != one.identity
    swapped = [(file.name, file.sha256) for file in one.files]
    swapped = [(swapped[0][0], swapped[1][1]), (swapped[1][0], swapped[0][1])]
    assert identity_of(swapped) != one.identity


def test_other_weights_never_take_a_name_silently(registry: ModelRegistry, tmp_path: Path) -> None:
    _added(registry, tmp_path / "1")
    assert _added(registry, tmp_path / "2").path == tmp_path / "2"  # the same ones, moved
    with pytest.raises(ConflictError, match="models remove one"):
        registry.add(_weights(tmp_path / "3", b"others"), name="one", engine=ENGINE)


@pytest.mark.parametrize("name", ["", "../x", ".hidden", "a b", "a/b", "x" * 65, "ü"])
def test_names_are_plain(registry: ModelRegistry, tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be a checkpoint's name"):
        _added(registry, tmp_path / "1", name)


def test_removing_takes_it_off_the_list_and_leaves_the_files(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    removed = _added(registry, tmp_path / "1")
    assert registry.remove("one") == removed
    assert registry.checkpoints() == ()
    with pytest.raises(NotFoundError):
        registry.current(ENGINE)
    assert (tmp_path / "1" / "weights").read_bytes() == b"weights"


def _age(path: Path) -> None:
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))


def test_loading_notices_every_change_that_time_or_length_gives_away(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    checkpoint = _added(registry, tmp_path / "1")
    weights = tmp_path / "1" / "weights"
    check_unchanged(checkpoint)
    _age(weights)  # touched, the same bytes
    check_unchanged(checkpoint)
    weights.write_bytes(b"wEights")
    _age(weights)
    with pytest.raises(InvalidInputError, match="SHA-256") as caught:
        check_unchanged(checkpoint)
    assert str(weights) in str(caught.value)
    assert caught.value.metadata["expected"].endswith(checkpoint.files[1].sha256)
    weights.write_bytes(b"longer than before")
    with pytest.raises(InvalidInputError, match="should be 7 bytes, and there is 18 bytes"):
        check_unchanged(checkpoint)
    weights.unlink()
    with pytest.raises(InvalidInputError, match="there is no file"):
        check_unchanged(checkpoint)


def test_unchanged_files_are_not_digested_again(registry: ModelRegistry, tmp_path: Path) -> None:
    """46 GB would take minutes before every job."""
    checkpoint = _added(registry, tmp_path / "1")
    heard: list[str] = []
    check_unchanged(checkpoint, lambda name, _done, _total: heard.append(name))
    assert heard == []
    _age(tmp_path / "1" / "weights")
    check_unchanged(checkpoint, lambda name, _done, _total: heard.append(name))
    assert heard == ["vae/weights"]


def test_verify_reads_every_byte(registry: ModelRegistry, tmp_path: Path) -> None:
    checkpoint = _added(registry, tmp_path / "1")
    weights = tmp_path / "1" / "weights"
    before = weights.stat()
    weights.write_bytes(b"wEights")
    os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))  # nothing to be seen outside
    check_unchanged(checkpoint)
    heard: list[tuple[str, int, int]] = []
    faults = registry.verify("one", lambda *step: heard.append(step))
    assert [(fault.name, fault.path) for fault in faults] == [("vae/weights", weights)]
    assert checkpoint.files[1].sha256 in faults[0].expected
    assert heard == [("vae/config.json", 2, 9), ("vae/weights", 9, 9)]


def test_verify_spares_the_next_load_what_was_only_touched(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    before = _added(registry, tmp_path / "1")
    _age(tmp_path / "1" / "weights")
    assert registry.verify("one") == ()
    after = registry.get("one")
    assert after.identity == before.identity
    heard: list[str] = []
    check_unchanged(after, lambda name, _done, _total: heard.append(name))
    assert heard == []


def test_commands_at_once_lose_nothing(registry: ModelRegistry, tmp_path: Path) -> None:
    names = [f"model-{index}" for index in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: _added(registry, tmp_path / name, name), names))
    assert [each.name for each in registry.checkpoints()] == names


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"version":1,"value":{"type":"Job"}}', "\udcff"]
)
def test_a_broken_list_is_said_and_kept(registry: ModelRegistry, content: str) -> None:
    registry.folder.mkdir()
    registry.path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InvalidInputError, match="cannot be read") as caught:
        registry.checkpoints()
    assert str(registry.path) in str(caught.value)
    assert registry.path.exists()


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="this system has none")
def test_a_list_without_an_end_is_not_read_to_it(registry: ModelRegistry) -> None:
    registry.folder.mkdir()
    registry.path.symlink_to("/dev/zero")
    with pytest.raises(InvalidInputError, match="more than 32 MB"):
        registry.checkpoints()


def test_a_file_whose_name_no_disk_can_have_is_missing(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    one = _added(registry, tmp_path / "1")
    long = str(one.files[0].path.with_name("a" * 5000))
    listed = registry.path.read_text().replace(str(one.files[0].path), long)
    registry.path.write_text(listed)
    with pytest.raises(InvalidInputError, match="is not whole"):
        registry.describe(one.engine)
    assert registry.verify(one.name)[0].found == "no file"


class _Full(FileSystem):
    def before(self, operation: str, path: Path) -> None:
        if operation == "replace":
            raise OSError(28, "No space left on device", str(path))


def test_a_full_disk_leaves_the_list_as_it_was(registry: ModelRegistry, tmp_path: Path) -> None:
    one = _added(registry, tmp_path / "1")
    with pytest.raises(Exception, match="is full"):
        _added(ModelRegistry(registry.folder, _Full()), tmp_path / "2", "two")
    assert registry.checkpoints() == (one,)
    assert sorted(path.name for path in registry.folder.iterdir()) == [
        "registry.json",
        "registry.lock",
    ]
