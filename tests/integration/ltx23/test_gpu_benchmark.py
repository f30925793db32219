"""The GPU benchmark on the processor with the tiny model: as on a bare machine, killed half-way, and taken up again."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import distribution, packages_distributions
from pathlib import Path
from types import ModuleType

import av
import numpy as np
import pytest
import torch

GPU = Path(__file__).resolve().parents[3] / "benchmarks" / "gpu"
PARTS = 11


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """`measure`, `report`, ... as the benchmark's own scripts import them."""
    monkeypatch.syspath_prepend(str(GPU))
    before = set(sys.modules)
    yield importlib
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(GPU)):
            del sys.modules[name]


def bare(folder: Path) -> dict[str, str]:
    """An environment in which only torch, what torch needs and the carried wheels can be imported."""
    wheels = _wheels()
    carried = {_plain(name) for name in wheels.NAMES} | _needed_by("torch") | {"numpy"}
    lacking = sorted(
        module
        for module, owners in packages_distributions().items()
        if module.isidentifier()
        and not carried & {_plain(owner) for owner in owners}
        and "ltxbridge" not in owners
    )
    assert {"av", "cv2", "click", "grpc"} <= set(lacking)
    hook = folder / "sitecustomize.py"
    hook.write_text(f"import sys\nsys.modules.update(dict.fromkeys({lacking!r}))\n")
    return os.environ | {"PYTHONPATH": str(folder), "OMP_NUM_THREADS": "1"}


def _wheels() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wheels", GPU / "wheels.py")
    assert spec is not None
    assert spec.loader is not None
    wheels = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(wheels)
    return wheels


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _needed_by(name: str, seen: frozenset[str] = frozenset()) -> set[str]:
    needed = {_plain(name)}
    for requirement in distribution(name).requires or ():
        other = _plain(re.split(r"[^\w.-]", requirement)[0])
        if "extra ==" not in requirement and other not in seen:
            try:
                needed |= _needed_by(other, seen | needed)
            except ModuleNotFoundError:  # of another platform
                continue
    return needed


def test_all_parts_run_on_a_bare_machine_and_go_on_after_a_kill(tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = [sys.executable, str(GPU / "run.py"), "--all", "--tiny", "--device", "cpu"]
    command += ["--out", str(out)]
    environment = bare(tmp_path)
    with subprocess.Popen(
        command, env=environment, start_new_session=True, stdout=subprocess.DEVNULL
    ) as run:
        while not (out / "part-02.json").exists():
            assert run.poll() is None
            time.sleep(0.05)
        os.killpg(run.pid, signal.SIGKILL)
    finished = {path: path.stat().st_mtime_ns for path in sorted(out.glob("part-*.json"))}
    assert 2 <= len(finished) < PARTS
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    results = [json.loads((out / f"part-{n:02}.json").read_text()) for n in range(1, PARTS + 1)]
    rows = [row for result in results for row in result["rows"]]
    assert not [row for row in rows if row["met"] is False]
    assert [row for row in rows if row["note"].startswith("skipped")] == [
        row for row in rows if row["what"].startswith("encode")
    ]
    forwards = [row["note"].split(";")[0] for row in results[4]["rows"]]
    assert forwards == ["8 forwards", "8 forwards", "24 forwards"]
    table = (out / "table.md").read_text()
    assert table in done.stdout
    assert "Not run" not in table
    assert all(row["what"] in table for row in rows)


def test_a_result_of_other_code_is_not_taken_for_this_one(tmp_path: Path) -> None:
    path = tmp_path / "part-02.json"
    path.write_text('{"settings": {"tiny": true, "device": "cpu", "code": "other"}, "rows": []}')
    (tmp_path / "part-03.json").write_text("{")
    run = _script("run")
    options = run._options(["--all", "--tiny", "--device", "cpu", "--out", str(tmp_path)])
    assert run._missing(options) == list(range(1, PARTS + 1))
    options.code = "other"
    assert 2 not in run._missing(options)


def _script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, GPU / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


@pytest.mark.parametrize(("seconds", "met"), [(1.30, "yes"), (1.40, "**no**")])
def test_goals_are_told_from_the_numbers(module: ModuleType, seconds: float, met: str) -> None:
    measure, report = (module.import_module(name) for name in ("measure", "report"))
    row = measure.within_limit(
        measure.Row("DiT", seconds, tflop=790.0, rate=790e12, peak_bytes=40 * 10**9), 1.35
    )
    result = {"machine": {"device": "a card"}, "rows": [row.document()]}
    text = report.table([result], missing=["32 GB"], tiny=False)
    share = f"{1 / seconds:.0%}"
    assert f"| DiT | {seconds:.3f} | 790 | 1.000 | {share} | 40.0 |" in text
    assert f"| at most 1.35 x the limit | {met} |" in text
    assert "Not run: 32 GB." in text


def test_the_full_architecture_is_the_one_that_memory_is_planned_for(module: ModuleType) -> None:
    from accelerate import init_empty_weights

    from sidecar.pipelines.ltx23.sizes import FULL_SIZE

    model = module.import_module("random_model")
    counts = {}
    for name, made in model.full_architecture().items():
        with init_empty_weights(include_buffers=False):
            empty = made()
        if hasattr(empty, "tie_weights"):
            empty.tie_weights()
        counts[name] = sum(weight.numel() for weight in empty.parameters())
    assert counts["transformer"] == FULL_SIZE.transformer.parameters == 18_988_838_144
    assert counts["connectors"] == FULL_SIZE.connectors
    assert counts["latent_upsampler"] == FULL_SIZE.upsampler
    assert counts["text_encoder"] == FULL_SIZE.text_encoder
    assert 0 <= FULL_SIZE.vae - counts["vae"] < 1000  # statistics are counted there


def test_random_weights_are_whole_and_the_same_each_time(module: ModuleType) -> None:
    model = module.import_module("random_model")
    cpu = torch.device("cpu")
    first, second = (
        model.build(
            model.tiny_architecture(), "transformer", device=cpu, home=cpu, dtype=torch.bfloat16
        ).state_dict()
        for _ in range(2)
    )
    for key, weight in first.items():
        assert torch.equal(weight, second[key])
        assert torch.isfinite(weight).all()


def test_pictures_are_written_where_there_is_something_to_write_them_with(
    module: ModuleType, tmp_path: Path
) -> None:
    encoding = module.import_module("encoding")
    pictures = [np.full((64, 128, 3), 40 * index, np.uint8) for index in range(5)]
    for _ in range(2):  # a second run finds the first one's file
        encoding.encode(pictures, tmp_path / "take.mov")
    with av.open(tmp_path / "take.mov") as movie:
        assert sum(1 for _ in movie.decode(video=0)) == 5
