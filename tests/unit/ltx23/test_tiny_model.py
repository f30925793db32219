"""The tiny LTX-2.3: the same bytes every time, whole or not at all, and something to look at."""

from __future__ import annotations

import multiprocessing
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from interchange.errors import Reason, UnavailableError
from sidecar.filesystem import FileSystem
from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.ltx23 import tiny
from sidecar.pipelines.ltx23.components import Components


def _numpy_state() -> bytes:
    return np.random.get_state()[1].tobytes()  # noqa: NPY002 - the legacy state is what must stay


def test_tiny_is_the_same_every_time_and_leaves_randomness_alone(
    tiny_checkpoint: Checkpoint, tmp_path: Path
) -> None:
    """Twice under different global states; the first was built by whoever came first."""
    torch.manual_seed(99)
    before = torch.get_rng_state(), random.getstate(), _numpy_state()
    tiny.build_tiny(tmp_path)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), _numpy_state()) == before[1:]
    again = {
        file.relative_to(tmp_path).as_posix(): FileSystem().sha256(file)
        for file in tmp_path.rglob("*")
        if file.is_file()
    }
    assert {(file.name, file.sha256) for file in tiny_checkpoint.files} < set(again.items())
    assert again.keys() - {file.name for file in tiny_checkpoint.files} == {
        "model_index.json",
        "scheduler/scheduler_config.json",
    }


def test_tiny_pictures_are_finite_visible_and_follow_their_latents(
    tiny_components: Components,
) -> None:
    vae = tiny_components.vae
    generator = torch.Generator().manual_seed(1)
    noise = torch.randn(2, 16, 3, 4, 4, generator=generator)
    std, mean = vae.latents_std.view(1, -1, 1, 1, 1), vae.latents_mean.view(1, -1, 1, 1, 1)
    pictures = vae.decode(noise * std + mean).sample
    assert torch.isfinite(pictures).all()
    assert pictures.shape == (2, 3, 17, 128, 128)
    assert 0.2 < pictures.std() < 0.8
    assert pictures.abs().gt(1).float().mean() < 0.1
    assert (pictures[0] - pictures[1]).abs().mean() > 0.2
    assert pictures.std(dim=2).mean() > 0.05  # it moves
    # Shapes, not only noise: a pixel resembles its neighbour.
    step = pictures[..., 1:] - pictures[..., :-1]
    assert step.std() < pictures.std()


def test_tiny_encoder_gives_latents_of_about_unit_size(tiny_components: Components) -> None:
    vae = tiny_components.vae
    generator = torch.Generator().manual_seed(2)
    pictures = torch.rand(1, 3, 17, 128, 128, generator=generator) * 2 - 1
    std, mean = vae.latents_std.view(1, -1, 1, 1, 1), vae.latents_mean.view(1, -1, 1, 1, 1)
    latents = (vae.encode(pictures).latent_dist.mode() - mean) / std
    assert 0.3 < latents.std() < 3


def test_tiny_sound_is_finite_and_audible(tiny_components: Components) -> None:
    generator = torch.Generator().manual_seed(3)
    mel = 0.5 * torch.randn(1, 2, 40, 16, generator=generator) - 0.2  # about what its decoder gives
    wave = tiny_components.vocoder(mel)
    assert wave.shape == (1, 2, 40 * 480)
    assert torch.isfinite(wave).all()
    assert 0.005 < wave.std() < 0.5
    assert wave.abs().max() < 1


def _built(cache: Path) -> str:
    return tiny.tiny_checkpoint(cache, FileSystem()).identity


def test_two_processes_may_build_at_once(tmp_path: Path, tiny_checkpoint: Checkpoint) -> None:
    with multiprocessing.get_context("fork").Pool(
        2, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        assert set(pool.map(_built, [tmp_path, tmp_path])) == {tiny_checkpoint.identity}
    assert [path.name for path in (tmp_path / "ltx-tiny").iterdir() if path.is_dir()] == [
        tiny_checkpoint.path.name
    ]


@pytest.mark.parametrize("harm", ["change", "remove", "add", "manifest"])
def test_a_damaged_tiny_is_built_again(
    tmp_path: Path, tiny_checkpoint: Checkpoint, harm: str
) -> None:
    shutil.copytree(tiny_checkpoint.path, tmp_path / "ltx-tiny" / tiny_checkpoint.path.name)
    folder = tmp_path / "ltx-tiny" / tiny_checkpoint.path.name
    weights = folder / "vae" / "diffusion_pytorch_model.safetensors"
    match harm:
        case "change":
            content = bytearray(weights.read_bytes())
            content[-1] ^= 1
            weights.write_bytes(content)
        case "remove":
            weights.unlink()
        case "add":
            (folder / "vae" / "diffusion_pytorch_model-00002.safetensors").touch()
        case _:
            (folder / "manifest.json").write_text("{", encoding="utf-8")
    assert _built(tmp_path) == tiny_checkpoint.identity
    assert (
        weights.read_bytes()
        == (tiny_checkpoint.path / "vae" / "diffusion_pytorch_model.safetensors").read_bytes()
    )
    assert sorted(path.name for path in (tmp_path / "ltx-tiny").iterdir()) == [
        folder.name,
        "build.lock",
    ]


class _Killed(BaseException):
    """The end of the process, as far as the code under test can see."""


class _KilledBefore(FileSystem):
    def __init__(self, operation: str) -> None:
        self._operation = operation

    def before(self, operation: str, path: Path) -> None:  # noqa: ARG002
        if operation == self._operation:
            raise _Killed


@pytest.mark.parametrize("operation", ["fsync_file", "rename", "open_new"])
def test_a_kill_while_building_leaves_nothing_that_is_taken_for_whole(
    tmp_path: Path, tiny_checkpoint: Checkpoint, operation: str
) -> None:
    with pytest.raises(_Killed):
        tiny.tiny_checkpoint(tmp_path, _KilledBefore(operation))
    assert not (tmp_path / "ltx-tiny" / tiny_checkpoint.path.name).exists()
    assert _built(tmp_path) == tiny_checkpoint.identity


def test_a_cache_that_is_deleted_while_building_is_a_reason_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = tiny.build_tiny

    def swept(folder: Path) -> None:
        build(folder)
        shutil.rmtree(tmp_path)

    monkeypatch.setattr(tiny, "build_tiny", swept)
    with pytest.raises(UnavailableError, match="could not be built") as caught:
        tiny.tiny_checkpoint(tmp_path, FileSystem())
    assert caught.value.reason is Reason.STORAGE_UNAVAILABLE
    monkeypatch.undo()
    assert tiny.tiny_checkpoint(tmp_path, FileSystem()).files


def test_building_says_nothing_and_connects_to_nothing(tmp_path: Path) -> None:
    """Warnings are errors, and so is a socket."""
    code = (
        "import socket, sys\n"
        "from pathlib import Path\n"
        "def refuse(*arguments): raise SystemExit('a connection')\n"
        "socket.socket.connect = refuse\n"
        "from sidecar.pipelines.ltx23.tiny import build_tiny\n"
        "build_tiny(Path(sys.argv[1]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(tmp_path)],
        capture_output=True,
        check=False,
        text=True,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
