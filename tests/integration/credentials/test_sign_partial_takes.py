"""Signed and read back: takes that are in part the source's, sound alone, references and remarks."""

from __future__ import annotations

from pathlib import Path

from support.credential_examples import facts_of, request_of

from interchange.model.request import GenerationRequest
from sidecar.credentials.facts import SoundOrigin
from sidecar.credentials.identity import SigningIdentity
from sidecar.credentials.sign import sign_take
from sidecar.credentials.statement import CredentialReport
from sidecar.credentials.verify import verify_file
from sidecar.filesystem import FileSystem


def signed(
    take: Path,
    path: Path,
    request: GenerationRequest,
    identity: SigningIdentity,
    **facts: object,
) -> CredentialReport:
    """Sign a take as what a request asked for, and read it back."""
    sign_take(
        take,
        destination=path,
        manifest_path=path.with_suffix(".c2pa"),
        facts=facts_of(request, **facts),
        identity=identity,
        filesystem=FileSystem(),
    )
    return verify_file(path)


def test_what_is_in_part_the_sources_and_what_the_engine_said_are_read_back(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    request = request_of("restyle by a matte", a=str(take_mov))
    remarks = ("Made in two windows.", "A second try was needed.")
    report = signed(take_mov, tmp_path / "take.mov", request, identity, remarks=remarks)
    (run,) = report.synthetic_runs
    assert (run.in_part, run.first_frame, run.end_frame) == (True, 0, 6)
    assert "Synthetic frames: 0-5 in part (record in" in report.summary
    assert report.generation is not None
    assert (report.generation.remarks, report.generation.sound) == (remarks, "none")


def test_sound_alone_says_that_no_frame_is_synthetic_and_the_sound_is(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    request = request_of("retake of sound alone", a=str(take_mov))
    report = signed(take_mov, tmp_path / "take.mov", request, identity, sound=SoundOrigin.SYNTHETIC)
    assert report.synthetic_runs == ()
    assert "Synthetic frames: none; synthetic sound; made by animatic as retake." in report.summary


def test_a_reference_brings_its_own_credentials_along(
    take_mov: Path, tmp_path: Path, identity: SigningIdentity
) -> None:
    reference = tmp_path / "reference.mov"
    signed(take_mov, reference, request_of("generate"), identity)
    request = request_of("retake with references", a=str(take_mov), b=str(reference))
    report = signed(take_mov, tmp_path / "take.mov", request, identity)
    found = {i.title: (i.relationship, i.has_credentials) for i in report.ingredients}
    assert found == {take_mov.name: ("parentOf", False), "reference.mov": ("inputTo", True)}
