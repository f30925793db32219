"""Sign small real movies of every job kind; read them back with our verifier and with another author's."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from errno import ENOSPC
from pathlib import Path

import pytest
from c2pa import C2paError
from support.credential_examples import (
    KINDS,
    boxes,
    facts_of,
    flip_byte,
    packet_digests,
    request_of,
    verify_independently,
    write_take,
)
from support.faulty_filesystem import FaultyFileSystem

from interchange.errors import (
    BridgeError,
    ExhaustedError,
    InternalError,
    InvalidInputError,
    NotFoundError,
    Reason,
    UnsupportedError,
)
from sidecar.credentials.identity import SigningIdentity, load_or_create_identity
from sidecar.credentials.sign import _translated, sign_take
from sidecar.credentials.statement import CredentialReport, CredentialState
from sidecar.credentials.verify import verify_file
from sidecar.filesystem import FileSystem


@pytest.fixture(autouse=True)
def _quiet_verifier(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ENCYPHER_C2PA_TELEMETRY", "off")
    monkeypatch.setenv("ENCYPHER_C2PA_CONFIG_DIR", str(tmp_path / "encypher"))


@pytest.fixture(scope="module", params=[".mov", ".mp4"])
def take(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    codec = {".mov": "prores", ".mp4": "h264"}[request.param]
    return write_take(tmp_path_factory.mktemp("takes") / f"raw{request.param}", codec=codec)


def sign(
    source: Path,
    destination: Path,
    identity: SigningIdentity,
    *,
    kind: str = "retake",
    a: str | None = None,
    **options: object,
) -> tuple[str, ...]:
    """Sign; the sources are the unsigned take itself unless `a` names another."""
    request = request_of(kind, a=a or str(source), b=str(source))
    return sign_take(
        source,
        destination=destination,
        manifest_path=destination.with_suffix(".c2pa"),
        facts=facts_of(request, **options),
        identity=identity,
        filesystem=FileSystem(),
    )


@pytest.mark.parametrize("engine", ["algorithm", "weights"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_accepted_by_both_verifiers(
    kind: str, engine: str, take_mov: Path, tmp_path: Path, identity_folder: Path
) -> None:
    identity = load_or_create_identity(identity_folder)
    signed = tmp_path / "SHOT_LTX_v001.mov"
    assert sign(take_mov, signed, identity, kind=kind, trained=engine == "weights") == ()

    report = verify_file(signed, identity_folder=identity_folder)
    assert report.state is CredentialState.SIGNED_HERE
    assert report.found == "embedded"
    assert report.title == "SHOT_LTX_v001.mov"
    assert report.generation is not None
    assert report.generation.kind == kind.split(maxsplit=1)[0]
    assert report.generation.seed == 41
    stranger = verify_independently(signed, root_pem=identity.root_pem)
    assert stranger["validation_state"] == "Trusted"
    assert not stranger["validation_results"]["failure"]


def test_the_bitstream_and_the_source_file_are_untouched(
    take: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    source, suffix = take, take.suffix
    before, stat = source.read_bytes(), source.stat()
    signed = tmp_path / f"take{suffix}"
    sign(source, signed, identity)
    assert packet_digests(signed) == packet_digests(source) != []
    assert source.read_bytes() == before
    assert source.stat().st_mtime_ns == stat.st_mtime_ns
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"take{suffix}", "take.c2pa"][::-1]
    assert verify_independently(signed, root_pem=identity.root_pem)["validation_state"] == "Trusted"


@pytest.mark.parametrize("box", [b"mdat", b"moov"])
def test_a_flipped_byte_fails_both_verifiers(
    box: bytes, take: Path, tmp_path: Path, identity_folder: Path
) -> None:
    identity = load_or_create_identity(identity_folder)
    signed = tmp_path / f"take{take.suffix}"
    sign(take, signed, identity)
    start, end = boxes(signed)[box]
    flip_byte(signed, (start + end) // 2)
    with pytest.raises(InvalidInputError, match="The file was changed after signing") as caught:
        verify_file(signed, identity_folder=identity_folder)
    assert caught.value.reason is Reason.CREDENTIALS_INVALID
    assert str(signed) in caught.value.message
    stranger = verify_independently(signed, root_pem=identity.root_pem)
    assert stranger["validation_state"] == "Invalid"


def test_no_flipped_byte_anywhere_fails_otherwise_or_changes_what_is_said(
    take: Path, tmp_path: Path, identity: SigningIdentity, identity_folder: Path
) -> None:
    """C2PA leaves free space, the file type and its own padding out of the hash; nothing else may pass."""
    signed = tmp_path / f"take{take.suffix}"
    sign(take, signed, identity)
    honest = verify_file(signed, identity_folder=identity_folder)
    open_boxes = [
        span for kind, span in boxes(signed).items() if kind in {b"ftyp", b"free", b"uuid"}
    ]
    raw = signed.read_bytes()
    refused = 0
    for position in range(0, len(raw), 61):
        flip_byte(signed, position)
        try:
            report = verify_file(signed, identity_folder=identity_folder)
        except BridgeError:
            refused += 1
        else:
            assert any(start <= position < end for start, end in open_boxes), position
            assert report == honest
        signed.write_bytes(raw)
    assert refused > len(raw) / 61 / 2


@pytest.mark.parametrize("damage", ["box size", "cut off", "something added", "credentials"])
def test_a_file_with_broken_structure_counts_as_changed(
    damage: str, take_mov: Path, tmp_path: Path, identity: SigningIdentity, identity_folder: Path
) -> None:
    signed = tmp_path / "take.mov"
    sign(take_mov, signed, identity)
    raw = signed.read_bytes()
    match damage:
        case "box size":
            flip_byte(signed, boxes(signed)[b"moov"][0] + 3)
        case "cut off":
            signed.write_bytes(raw[:-20])
        case "something added":
            signed.write_bytes(raw + b"junkjunkjunk")
        case "credentials":
            flip_byte(signed, boxes(signed)[b"uuid"][0] + 50)
    with pytest.raises(InvalidInputError, match="changed after signing") as caught:
        verify_file(signed, identity_folder=identity_folder)
    assert caught.value.reason is Reason.CREDENTIALS_INVALID


def test_the_manifest_beside_serves_where_the_embedded_one_is_lost(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity, identity_folder: Path
) -> None:
    signed = tmp_path / "take.mov"
    sign(take_mov, signed, identity)
    manifest = (tmp_path / "take.c2pa").read_bytes()
    # Removing the box shifts every sample, which is a change; turning it into free space is none.
    start, _ = boxes(signed)[b"uuid"]
    raw = bytearray(signed.read_bytes())
    raw[start + 4 : start + 8] = b"free"
    signed.write_bytes(raw)
    report = verify_file(signed, identity_folder=identity_folder)
    assert report.signed_here
    assert report.found == str(tmp_path / "take.c2pa")
    stranger = verify_independently(signed, root_pem=identity.root_pem, manifest=manifest)
    assert stranger["validation_state"] == "Trusted"

    (tmp_path / "take.c2pa").rename(tmp_path / "other.c2pa")
    with pytest.raises(NotFoundError) as missing:
        verify_file(signed, identity_folder=identity_folder)
    assert missing.value.reason is Reason.CREDENTIALS_NOT_FOUND
    (tmp_path / "other.c2pa").rename(tmp_path / "take.mov.c2pa")
    assert verify_file(signed, identity_folder=identity_folder).signed_here

    another = tmp_path / "another.mov"
    another.write_bytes(take_mov.read_bytes())
    (tmp_path / "another.c2pa").write_bytes(manifest)
    with pytest.raises(InvalidInputError, match="belongs to another file"):
        verify_file(another, identity_folder=identity_folder)


def test_another_installation_reads_it_as_intact_but_unrecognised(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    signed = tmp_path / "take.mov"
    sign(take_mov, signed, identity)
    elsewhere = tmp_path / "their state"
    load_or_create_identity(elsewhere)
    for folder in (elsewhere, None, tmp_path / "empty"):
        report = verify_file(signed, identity_folder=folder)
        assert report.state is CredentialState.SIGNED_ELSEWHERE
        assert "does not recognise" in report.summary
        assert "signingCredential.untrusted" in report.codes
    assert "identity not verified" in report.signer


def test_what_is_synthetic_is_stated_frame_by_frame_and_the_prompt_is_not(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity, identity_folder: Path
) -> None:
    signed = tmp_path / "take.mov"
    source = tmp_path / "Client X" / "a.mov"
    source.parent.mkdir()
    source.write_bytes(take_mov.read_bytes())
    sign(take_mov, signed, identity, a=str(source), digests={str(source): "12" * 32})
    report = verify_file(signed, identity_folder=identity_folder)
    assert report.actions == ("c2pa.opened", "c2pa.edited", "c2pa.transcoded")
    assert report.source_types == ("composite",)
    generation = report.generation
    assert generation is not None
    assert [(r.synthetic, r.first_frame, r.end_frame) for r in generation.runs] == [
        (False, 0, 3), (True, 3, 9), (False, 9, 12),
    ]  # fmt: skip
    assert (report.synthetic_runs[0].record_in, report.synthetic_runs[0].record_out) == (
        "01:00:00:06", "01:00:00:12",
    )  # fmt: skip
    assert "3-8 (record in 01:00:00:06, out 01:00:00:12)" in report.summary
    assert [(i.title, i.relationship, i.has_credentials) for i in report.ingredients] == [
        ("a.mov", "parentOf", False)
    ]
    raw = signed.read_bytes() + (tmp_path / "take.c2pa").read_bytes()
    assert b"secret prompt" not in raw
    assert b"Client X" not in raw
    assert b"12" * 32 in raw
    assert generation.prompt_sha256 == hashlib.sha256(b"a very secret prompt").hexdigest()


def chain(
    take: Path, folder: Path, identity: SigningIdentity, *, beside: bool, tamper: bool
) -> tuple[tuple[str, ...], CredentialReport]:
    """Sign a take, then a retake of that take."""
    parent, child = folder / "parent.mov", folder / "child.mov"
    sign(take, parent, identity, kind="generate")
    if beside:
        start, _ = boxes(parent)[b"uuid"]
        raw = bytearray(parent.read_bytes())
        raw[start + 4 : start + 8] = b"free"
        parent.write_bytes(raw)
    if tamper:
        start, end = boxes(parent)[b"mdat"]
        flip_byte(parent, (start + end) // 2)
    notes = sign(take, child, identity, kind="retake", a=str(parent))
    stranger = verify_independently(child, root_pem=identity.root_pem)
    assert stranger["validation_state"] == "Trusted"
    return notes, verify_file(child)


@pytest.mark.parametrize("where", ["embedded", "beside"])
def test_a_source_with_credentials_is_carried_on(
    where: str, take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    notes, report = chain(take_mov, tmp_path, identity, beside=where == "beside", tamper=False)
    assert notes == ()
    (parent,) = report.ingredients
    assert (parent.title, parent.has_credentials, parent.failures) == ("parent.mov", True, ())
    assert report.warnings == ()


@pytest.mark.parametrize("where", ["embedded", "beside"])
def test_a_tampered_source_is_said_when_signing_and_when_verifying(
    where: str, take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    notes, report = chain(take_mov, tmp_path, identity, beside=where == "beside", tamper=True)
    assert "parent.mov had been changed after signing" in notes[0]
    assert report.ingredients[0].failures == ("assertion.bmffHash.mismatch",)
    assert report.warnings == notes
    assert notes[0] in report.summary


def test_a_tampered_grandparent_is_still_said(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    chain(take_mov, tmp_path, identity, beside=False, tamper=True)
    grandchild = tmp_path / "grandchild.mov"
    notes = sign(take_mov, grandchild, identity, a=str(tmp_path / "child.mov"))
    assert "parent.mov had been changed" in notes[0]
    report = verify_file(grandchild)
    assert [(i.title, i.is_direct, bool(i.failures)) for i in report.ingredients] == [
        ("child.mov", True, False), ("parent.mov", False, True),
    ]  # fmt: skip


def test_a_source_with_unreadable_credentials_is_signed_without_them_and_said(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    parent, child = tmp_path / "parent.mov", tmp_path / "child.mov"
    sign(take_mov, parent, identity)
    flip_byte(parent, boxes(parent)[b"uuid"][0] + 50)
    notes = sign(take_mov, child, identity, a=str(parent))
    assert "credentials of the source parent.mov cannot be read" in notes[0]
    assert verify_file(child).ingredients[0].has_credentials is False


def test_a_failure_leaves_nothing_and_says_the_disk_is_full(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    for operation, number in [("open_new", 1), ("write", 1), ("fsync_file", 1), ("replace", 2)]:
        with pytest.raises(ExhaustedError) as caught:
            sign_take(
                take_mov,
                destination=tmp_path / "take.mov",
                manifest_path=tmp_path / "take.c2pa",
                facts=facts_of(request_of("generate")),
                identity=identity,
                filesystem=FaultyFileSystem(operation, errno=ENOSPC, number=number),
            )
        assert caught.value.reason is Reason.DISK_FULL
        assert list(tmp_path.iterdir()) == []


def test_a_full_temporary_folder_is_told_apart_from_a_fault_of_ours() -> None:
    """The library keeps large files there; the message is its own, from a real full disk."""
    error = _translated(C2paError("Io: No space left on device (os error 28)"))
    assert isinstance(error, ExhaustedError)
    assert error.reason is Reason.DISK_FULL
    assert "temporary folder" in error.message
    assert isinstance(_translated(C2paError("Other: \x1b[2J")), InternalError)


def test_a_file_that_does_not_verify_is_never_delivered(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    """The disk loses a byte between the library's writing and our reading."""

    class LosingFileSystem(FileSystem):
        def before(self, operation: str, path: Path) -> None:
            if operation == "close":
                start, end = boxes(path)[b"mdat"]
                flip_byte(path, (start + end) // 2)

    with pytest.raises(InternalError, match="does not verify"):
        sign_take(
            take_mov,
            destination=tmp_path / "take.mov",
            manifest_path=tmp_path / "take.c2pa",
            facts=facts_of(request_of("generate")),
            identity=identity,
            filesystem=LosingFileSystem(),
        )
    assert list(tmp_path.iterdir()) == []


def test_a_source_that_is_gone_or_no_movie_does_not_stop_the_signing(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    (note,) = sign(take_mov, tmp_path / "t.mov", identity, a=str(tmp_path / "gone.mov"))
    assert "gone.mov was not searched for credentials" in note
    still = tmp_path / "a.png"
    still.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    assert sign(take_mov, tmp_path / "t.mov", identity, a=str(still)) == ()


def test_a_key_that_is_not_the_certificate_s_signs_nothing(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    other = load_or_create_identity(tmp_path / "other")
    with pytest.raises(InternalError, match="could not be signed"):
        sign(take_mov, tmp_path / "take.mov", replace(identity, key_pem=other.key_pem))
    assert list(tmp_path.glob("*.mov")) == []


def test_a_file_is_never_signed_onto_itself(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    copy = tmp_path / "take.mov"
    copy.write_bytes(take_mov.read_bytes())
    with pytest.raises(InternalError, match="onto itself"):
        sign(copy, copy, identity)
    assert copy.read_bytes() == take_mov.read_bytes()


def test_files_without_credentials_or_of_another_kind_are_told_apart(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    with pytest.raises(NotFoundError) as bare:
        verify_file(take_mov)
    assert bare.value.reason is Reason.CREDENTIALS_NOT_FOUND
    cut = tmp_path / "cut.mov"
    cut.write_bytes(take_mov.read_bytes()[:-9])
    with pytest.raises(NotFoundError) as damaged:
        verify_file(cut)
    assert damaged.value.reason is Reason.CREDENTIALS_NOT_FOUND
    with pytest.raises(NotFoundError) as gone:
        verify_file(tmp_path / "gone.mov")
    assert gone.value.reason is Reason.FILE_NOT_FOUND
    text = tmp_path / "notes.txt"
    text.write_text("not a movie at all")
    with pytest.raises(UnsupportedError):
        verify_file(text)
    with pytest.raises(UnsupportedError):
        sign(text, tmp_path / "out.mov", identity)


def test_a_hostile_name_is_shown_harmless(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    signed = tmp_path / "take.mov"
    sign_take(
        take_mov,
        destination=signed,
        manifest_path=tmp_path / "take.c2pa",
        facts=facts_of(request_of("generate")),
        identity=identity,
        filesystem=FileSystem(),
        title="\x1b[2J\u202egpj.mov",
    )
    assert verify_file(signed).title == "[2Jgpj.mov"


def test_the_working_name_is_not_the_title(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    working = tmp_path / "take.mov.part"
    sign_take(
        take_mov,
        destination=working,
        manifest_path=tmp_path / "take.c2pa.part",
        facts=facts_of(request_of("generate")),
        identity=identity,
        filesystem=FileSystem(),
        title="take.mov",
    )
    working.rename(tmp_path / "take.mov")
    assert verify_file(tmp_path / "take.mov").title == "take.mov"
