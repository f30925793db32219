"""What a document may name, and every way around it we know of."""

import os
import sys

import pytest

from interchange.errors import InvalidInputError, NotAllowedError, NotFoundError, Reason
from sidecar.media.paths import PathMapping, PathPolicy


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "media"
    folder.mkdir()
    (folder / "a b#1?.mov").write_bytes(b"x")
    (folder / "clip.mov").write_bytes(b"x")
    (tmp_path / "secret.mov").write_bytes(b"x")
    return folder.resolve()


def test_source_plain_path_is_found(root):
    assert PathPolicy([root]).source(str(root / "clip.mov")) == root / "clip.mov"


@pytest.mark.parametrize(
    "prefix", ["file://", "file://localhost", "FILE://", "file://LOCALHOST", "file:"]
)
def test_source_file_url_forms_are_found(root, prefix):
    url = f"{prefix}{root}/a%20b%231%3F.mov"
    assert PathPolicy([root]).source(url) == root / "a b#1?.mov"


def test_source_file_url_with_unescaped_marks_is_found(root):
    assert PathPolicy([root]).source(f"file://{root}/a b#1?.mov") == root / "a b#1?.mov"


@pytest.mark.parametrize(
    "text",
    [
        "http://example.com/clip.mov",
        "https://example.com/clip.mov",
        "rtmp://example.com/x",
        "concat:/etc/passwd|/etc/hosts",
        "data:video/mp4;base64,AAAA",
        "pipe:0",
        "smb://server/share/clip.mov",
        r"\\server\share\clip.mov",
        "//server/share/clip.mov",
        "file://server/share/clip.mov",
        "file:////server/share/clip.mov",
        "/etc/passwd",
        "/proc/self/environ",
        "file:///etc/passwd",
    ],
)
def test_source_elsewhere_is_refused(root, text):
    with pytest.raises(NotAllowedError) as caught:
        PathPolicy([root]).source(text)
    assert caught.value.reason is Reason.PATH_OUTSIDE_ROOTS


@pytest.mark.parametrize(
    "climb",
    ["{root}/../secret.mov", "{root}/x/../../secret.mov", "file://{root}/%2e%2e/secret.mov"],
)
def test_source_climbing_out_is_refused(root, climb):
    with pytest.raises(NotAllowedError):
        PathPolicy([root]).source(climb.format(root=root))


def test_source_percent_is_decoded_once_only(root):
    with pytest.raises(NotFoundError):
        PathPolicy([root]).source(f"file://{root}/%252e%252e/secret.mov")


def test_source_sibling_with_the_root_as_prefix_is_refused(root):
    sibling = root.with_name("media2")
    sibling.mkdir()
    (sibling / "clip.mov").write_bytes(b"x")
    with pytest.raises(NotAllowedError):
        PathPolicy([root]).source(str(sibling / "clip.mov"))


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_source_link_out_of_the_root_is_refused(root):
    (root / "link.mov").symlink_to(root.parent / "secret.mov")
    (root / "folder").symlink_to(root.parent)
    (root / "loop.mov").symlink_to(root / "loop.mov")
    for name in ("link.mov", "folder/secret.mov"):
        with pytest.raises(NotAllowedError):
            PathPolicy([root]).source(str(root / name))
    with pytest.raises((NotAllowedError, NotFoundError)):
        PathPolicy([root]).source(str(root / "loop.mov"))


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
def test_source_link_inside_the_root_is_resolved(root):
    (root / "link.mov").symlink_to(root / "clip.mov")
    assert PathPolicy([root]).source(str(root / "link.mov")) == root / "clip.mov"


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders there")
@pytest.mark.timeout(10)
def test_source_pipe_or_folder_is_refused(root):
    os.mkfifo(root / "pipe.mov")
    for name in ("pipe.mov", ""):
        with pytest.raises(InvalidInputError):
            PathPolicy([root]).source(str(root / name))


@pytest.mark.parametrize(
    "text", ["", "   ", "clip.mov", "./clip.mov", "~/clip.mov", "/a\0b", "file:///a%00b"]
)
def test_source_no_full_path_is_refused(root, text):
    with pytest.raises(InvalidInputError):
        PathPolicy([root]).source(text)


@pytest.mark.skipif(sys.platform == "win32", reason="a drive is local there")
@pytest.mark.parametrize(
    "text", ["C:\\Media\\clip.mov", "file:///C:/Media/clip.mov", "c:/media/clip.mov"]
)
def test_source_windows_path_needs_a_mapping(root, text):
    with pytest.raises(NotAllowedError, match="--map"):
        PathPolicy([root]).source(text)
    mapping = PathMapping.parse(f"C:\\Media={root}")
    assert PathPolicy([root], [mapping]).source(text) == root / "clip.mov"


def test_source_share_can_be_mapped(root):
    mapping = PathMapping.parse(f"\\\\server\\share={root}")
    assert PathPolicy([root], [mapping]).source("file://server/share/clip.mov") == root / "clip.mov"


def test_source_mapping_is_applied_before_the_check(root):
    out = PathMapping.parse(f"/Volumes/SAN={root.parent}")
    with pytest.raises(NotAllowedError):
        PathPolicy([root], [out]).source("/Volumes/SAN/secret.mov")
    assert PathPolicy([root], [out]).source("/Volumes/SAN/media/clip.mov") == root / "clip.mov"


def test_mapping_matches_whole_folder_names_only():
    mapping = PathMapping.parse("/Volumes/SAN=/mnt/san")
    assert mapping.apply("/Volumes/SAN2/clip.mov") is None
    assert mapping.apply("/Volumes/SAN/clip.mov") == "/mnt/san/clip.mov"
    assert mapping.apply("/Volumes/SAN") == "/mnt/san"


@pytest.mark.parametrize("text", ["", "/a", "=/b", "/a="])
def test_mapping_with_one_side_is_refused(text):
    with pytest.raises(InvalidInputError, match="--map"):
        PathMapping.parse(text)


def test_source_missing_inside_is_not_found(root):
    with pytest.raises(NotFoundError) as caught:
        PathPolicy([root]).source(str(root / "gone.mov"))
    assert caught.value.reason is Reason.MEDIA_NOT_FOUND


def test_source_refusal_names_path_roots_and_option(root):
    with pytest.raises(NotAllowedError) as caught:
        PathPolicy([root]).source("/elsewhere/clip.mov")
    message = str(caught.value)
    assert "/elsewhere/clip.mov" in message
    assert str(root) in message
    assert "--media-root" in message


def test_output_directory_may_not_exist_yet(root):
    wanted = root / "out" / "takes"
    assert PathPolicy([], output_roots=[root]).output_directory(str(wanted)) == wanted
    assert not wanted.exists()


def test_output_directory_outside_or_under_a_file_is_refused(root):
    policy = PathPolicy([], output_roots=[root])
    with pytest.raises(NotAllowedError):
        policy.output_directory(str(root.parent / "other"))
    with pytest.raises(InvalidInputError):
        policy.output_directory(str(root / "clip.mov" / "takes"))


def test_path_mapped_once_is_not_mapped_again():
    """The client maps before it asks, and the sidecar has the same settings."""
    mapping = PathMapping.parse("/media=/media/inner")
    assert mapping.apply("/media/a.mov") == "/media/inner/a.mov"
    assert mapping.apply("/media/inner/a.mov") == "/media/inner/a.mov"
    assert mapping.apply("/media/innermost/a.mov") == "/media/inner/innermost/a.mov"


def test_a_url_whose_host_is_none_is_refused(root):
    with pytest.raises(InvalidInputError, match="Relink"):
        PathPolicy((root,)).source("file://[x/clip.mov")
