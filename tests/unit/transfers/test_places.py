"""Whose files a request may name, and by which words: places of this machine, uploads and the spool."""

import hashlib
import itertools
from pathlib import Path

import pytest

from interchange.errors import BridgeError, NotAllowedError, NotFoundError, Reason
from interchange.model.caller import LOCAL_CALLER, Caller, Role
from sidecar.filesystem import FileSystem
from sidecar.media.paths import PathPolicy
from sidecar.transfers.places import Places
from sidecar.transfers.store import UploadStore

EDITOR = Caller("anna", Role.EDITOR)
OPERATOR = Caller("olaf", Role.OPERATOR)
OWNERS = (
    "anna",
    "Anna",
    "ANNA ",
    "../anna",
    "anna/../ben",
    "/",
    "..",
    ".",
    "",
    "CON",
    "a\0b",
    "ä",
    "a" * 5000,
)


@pytest.fixture
def store(tmp_path):
    return UploadStore(tmp_path / "state" / "uploads", filesystem=FileSystem())


@pytest.fixture
def media(tmp_path):
    folder = tmp_path.resolve() / "media"
    folder.mkdir()
    (folder / "a.mov").write_bytes(b"local")
    return folder


@pytest.fixture
def places(tmp_path, media, store):
    def make(*, remote_paths=False):
        return Places(
            PathPolicy([media]),
            uploads=store,
            spool=tmp_path / "state" / "spool",
            remote_paths=remote_paths,
        )

    return make


def sent(store, caller, content=b"1234"):
    digest = hashlib.sha256(content).hexdigest()
    upload = store.create(caller=caller, file_name="a.mov", size_bytes=len(content), sha256=digest)
    writer = store.open_writer(upload.upload_id, caller=caller, offset_bytes=0)
    writer.append(0, content)
    return store.close_writer(writer)


@pytest.mark.parametrize("caller", [EDITOR, OPERATOR])
def test_another_machine_names_its_uploads_and_the_spool_and_nothing_else(
    places, store, media, caller
):
    seen = places().seen_by(caller)
    assert seen.source(sent(store, caller).name).read_bytes() == b"1234"
    assert seen.output_directory("spool").parent.name == "spool"
    for ask in (seen.source, seen.output_directory):
        for path in (str(media / "a.mov"), str(media), "/", "/etc/passwd", ""):
            with pytest.raises(NotAllowedError) as caught:
                ask(path)
            assert caught.value.reason is Reason.PATH_OUTSIDE_ROOTS


@pytest.mark.parametrize("caller", [EDITOR, OPERATOR])
def test_with_remote_paths_it_may_name_what_this_machine_may(places, media, caller):
    seen = places(remote_paths=True).seen_by(caller)
    assert seen.source(str(media / "a.mov")) == media / "a.mov"
    assert seen.output_directory(str(media)) == media
    with pytest.raises(BridgeError):
        seen.source("/etc/passwd")


@pytest.mark.parametrize("remote_paths", [False, True])
@pytest.mark.parametrize("caller", [EDITOR, OPERATOR, LOCAL_CALLER])
def test_nobody_names_another_owners_upload(places, store, caller, remote_paths):
    others = sent(store, Caller("ben", Role.EDITOR))
    with pytest.raises(NotFoundError) as caught:
        places(remote_paths=remote_paths).seen_by(caller).source(others.name)
    assert caught.value.reason is Reason.UPLOAD_NOT_FOUND


@pytest.mark.parametrize("remote_paths", [False, True])
@pytest.mark.parametrize("caller", [EDITOR, LOCAL_CALLER])
def test_what_only_looks_like_an_upload_or_the_spool_is_refused(
    places, store, caller, remote_paths
):
    own = sent(store, caller)
    name, digits = own.name, own.upload_id
    wide = "".join(chr(0xFF10 + int(d)) if d.isdigit() else d for d in digits)
    seen = places(remote_paths=remote_paths).seen_by(caller)
    for text in (
        "uploads/../x",
        f"{name}/../../",
        f"{name}/../{digits}",
        f"{name}/upload.json",
        f"{name}/",
        f"{name}\n",
        f"{name}\0",
        f" {name}",
        f"./{name}",
        f"/{name}",
        name.upper(),
        f"Uploads/{digits}",
        f"uploads/{digits.upper()}",
        f"uploads/{wide}",
        f"uploads\\{digits}",
        f"uploads//{digits}",
        f"uploads/{digits[:-1]}",
        f"uploads/{digits}0",
        "uploads/",
        "spool",
        "spool/..",
    ):
        with pytest.raises(BridgeError):
            seen.source(text)
    for text in ("spool/..", "spool/../x", "spool/", "Spool", "SPOOL", "spool\n", "./spool", "\N{FULLWIDTH LATIN SMALL LETTER S}pool",
                 "spool/" + "0" * 32, name, "uploads"):  # fmt: skip
        with pytest.raises(BridgeError):
            seen.output_directory(text)


@pytest.mark.parametrize("owner", OWNERS)
def test_an_owners_spool_is_one_plain_folder_in_the_spool(places, tmp_path, owner):
    folder = places().seen_by(Caller(owner, Role.EDITOR)).output_directory("spool")
    assert folder.parent == (tmp_path / "state" / "spool").resolve()
    assert len(folder.name) == 32
    assert set(folder.name) <= set("0123456789abcdef")


def test_no_two_owners_share_a_spool(places):
    def spool(owner: str) -> Path:
        return places().seen_by(Caller(owner, Role.EDITOR)).output_directory("spool")

    for one, other in itertools.combinations((*OWNERS, "local"), 2):
        assert spool(one) != spool(other)
    local = places().seen_by(LOCAL_CALLER).output_directory("spool")
    assert local not in {spool(owner) for owner in OWNERS}
