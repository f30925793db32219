"""Checkpoints of `ltx-2.3` under a running sidecar: none, one, another without a restart, one that is damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file
from support.command import ltxbridge
from support.delivered import read_delivered
from support.ltx_cases import Studio

from interchange.errors import Reason
from interchange.model.job import Job, JobState
from interchange.model.request import GenerateSpec, RestyleSpec
from sidecar.credentials.verify import verify_file

ENGINE = "ltx-2.3"
TRANSFORMER = "transformer/diffusion_pytorch_model.safetensors"


@pytest.fixture
def weights(studio: Studio) -> Path:
    """A folder with the tiny model three times, of other weights each."""
    studio.made(studio.request(GenerateSpec(), (0, 1)))  # builds it
    (tiny,) = (studio.state / "cache" / "ltx-tiny").glob("[0-9]*")
    folder = studio.folder / "weights"
    for number, name in enumerate(("one", "two", "three")):
        shutil.copytree(tiny, folder / name, ignore=shutil.ignore_patterns("manifest.json"))
        tensors = load_file(folder / name / TRANSFORMER)
        tensors["proj_out.weight"] *= 1 + 0.1 * number
        save_file(tensors, folder / name / TRANSFORMER, {"format": "pt"})
    return folder


def models(studio: Studio, *arguments: str | Path, expect: int = 0) -> str:
    """`ltxbridge models`, as a user runs it beside the sidecar."""
    return ltxbridge("models", *arguments, folder=studio.folder, expect=expect).stdout


def generated(studio: Studio) -> Job:
    return studio.ended(studio.request(GenerateSpec(), (0, 9), engine=ENGINE))


def identity(studio: Studio, job: Job) -> str:
    """Which weights made a take: in the take, in its credentials and in what the sidecar says of its engine."""
    assert job.error is None, job.error
    assert job.state is JobState.SUCCEEDED
    stated = verify_file(Path(job.take.path), identity_folder=studio.state).generation
    assert stated.model_identity == job.take.model_identity
    assert studio.engine(ENGINE).model_identity == job.take.model_identity
    return job.take.model_identity


def failed(job: Job, reason: Reason) -> str:
    assert (job.state, job.error.reason) == (JobState.FAILED, reason)
    return job.error.message


def test_checkpoints_are_added_swapped_and_checked_while_the_sidecar_runs(
    studio: Studio, weights: Path
) -> None:
    message = failed(generated(studio), Reason.FILE_NOT_FOUND)
    assert "ltxbridge models pull" in message
    assert "ltxbridge models add" in message

    for name in ("one", "two", "three"):
        models(studio, "add", weights / name, "--variant", "distilled")
    first = generated(studio)
    first_identity = identity(studio, first)
    models(studio, "use", "two")
    second = generated(studio)
    assert identity(studio, second) != first_identity
    pictures = [set(read_delivered(Path(job.take.path)).packets) for job in (first, second)]
    assert not pictures[0] & pictures[1]
    models(studio, "use", "one")
    again = generated(studio)
    assert identity(studio, again) == first_identity
    assert set(read_delivered(Path(again.take.path)).packets) == pictures[0]

    restyle = studio.request(RestyleSpec(studio.shot().span(end=9)), (0, 9), engine=ENGINE)
    assert "preset=restyle" in failed(studio.ended(restyle), Reason.ENGINE_LIMIT)

    spoilt, lost = weights / "two" / TRANSFORMER, weights / "three" / TRANSFORMER
    content = bytearray(spoilt.read_bytes())
    content[-1] ^= 1
    spoilt.write_bytes(content)
    lost.unlink()
    for name, file in (("two", spoilt), ("three", lost)):
        models(studio, "use", name)
        job = generated(studio)
        assert job.state is JobState.FAILED
        assert str(file) in job.error.message
        said = models(studio, "verify", name, expect=1)
        assert str(file) in said
    models(studio, "use", "one")
    assert identity(studio, generated(studio)) == first_identity
