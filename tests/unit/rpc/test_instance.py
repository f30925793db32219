import json
import sys
from pathlib import Path

import pytest

from interchange.errors import NotAllowedError
from sidecar.filesystem import FileSystem
from sidecar.instance import (
    LONGEST_SOCKET_PATH,
    Discovery,
    create_token,
    discovery_path,
    make_private_folder,
    read_discovery,
    socket_path,
    token_path,
    write_discovery,
)

DISCOVERY = Discovery(
    "unix:/r/s.sock", 12, "0.1", temporary=True, media_roots=("/m",), maps_paths=False
)
posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such modes")


def test_token_is_secret_long_and_new_each_time(tmp_path):
    first = create_token(tmp_path, filesystem=FileSystem())
    second = create_token(tmp_path, filesystem=FileSystem())
    assert first != second
    assert len(bytes.fromhex(second)) == 32
    assert token_path(tmp_path).read_text() == second
    if sys.platform != "win32":
        assert token_path(tmp_path).stat().st_mode & 0o777 == 0o600


def test_discovery_is_read_back(tmp_path):
    write_discovery(tmp_path, DISCOVERY, filesystem=FileSystem())
    assert read_discovery(tmp_path) == DISCOVERY


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"address": 1, "pid": "x"}'])
def test_damaged_discovery_counts_as_none(tmp_path, content):
    assert read_discovery(tmp_path) is None
    discovery_path(tmp_path).write_bytes(content)
    assert read_discovery(tmp_path) is None


def test_discovery_holds_no_secret(tmp_path):
    token = create_token(tmp_path, filesystem=FileSystem())
    write_discovery(tmp_path, DISCOVERY, filesystem=FileSystem())
    assert token not in json.dumps(json.loads(discovery_path(tmp_path).read_text()))


@posix
def test_socket_path_is_one_per_state_folder_and_never_too_long():
    short = socket_path(Path("/s/a"), Path("/run/user/1/ltxbridge"))
    assert short.parent == Path("/run/user/1/ltxbridge")
    assert short != socket_path(Path("/s/b"), Path("/run/user/1/ltxbridge"))
    long = socket_path(Path("/s/a"), Path("/" + "ä" * 50))
    assert len(bytes(long)) <= LONGEST_SOCKET_PATH
    assert long.name == short.name


def test_private_folder_is_made_with_its_parents(tmp_path):
    folder = tmp_path / "a" / "b"
    make_private_folder(folder)
    make_private_folder(folder)
    assert folder.is_dir()
    if sys.platform != "win32":
        assert folder.stat().st_mode & 0o777 == 0o700


@posix
def test_folder_others_may_enter_is_refused_with_the_remedy(tmp_path):
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o750)
    with pytest.raises(NotAllowedError, match="chmod 700"):
        make_private_folder(folder)


@posix
def test_link_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with pytest.raises(NotAllowedError, match="is a link"):
        make_private_folder(tmp_path / "link")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotAllowedError):
        make_private_folder(tmp_path / "file")


@posix
def test_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr("os.getuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(NotAllowedError, match="belongs to another user"):
        make_private_folder(folder)
