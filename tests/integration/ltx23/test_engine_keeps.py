"""What an engine keeps: a final goes on from its draft, and the pictures are those it would have made anyway."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.ltx_jobs import taken
from support.ltx_plans import planned, replanned

from interchange.model.directive import JobKind, Quality
from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.ltx23.engine import LtxEngine
from sidecar.pipelines.ltx23.limits import TINY_LIMITS
from sidecar.pipelines.ltx23.recipes import RECIPES
from sidecar.pipelines.resources import EngineResources

RECIPE = RECIPES["two-stage"]


def _engine(folder: Path, checkpoint: Checkpoint, *, cache_bytes: int) -> LtxEngine:
    folders = EngineFolders.below(folder, EngineResources("cpu", cache_bytes=cache_bytes))
    engine = LtxEngine(TINY_LIMITS, folders, find_checkpoint=lambda _name: checkpoint)
    engine.load(lambda *_: None)
    return engine


def _forwards(engine: LtxEngine) -> int:
    """As the take's notes say it."""
    found = [remark for remark in engine.remarks if " forwards of " in remark]
    return int(found[0].split()[0]) if found else 0


@pytest.mark.parametrize("kind", [JobKind.GENERATE, JobKind.RETAKE])
def test_a_final_goes_on_from_its_draft_and_is_the_one_made_without(
    tmp_path: Path, tiny_checkpoint: Checkpoint, kind: JobKind
) -> None:
    assert RECIPE.second is not None
    final = replanned(planned(kind), quality=Quality.FINAL)
    draft = replanned(final, quality=Quality.DRAFT)
    plain = _engine(tmp_path / "plain", tiny_checkpoint, cache_bytes=0)
    expected = taken(plain, final)
    assert _forwards(plain) == RECIPE.forwards
    assert not (tmp_path / "plain" / "cache").exists()

    first = _engine(tmp_path / "kept", tiny_checkpoint, cache_bytes=10**9)
    taken(first, draft)
    assert _forwards(first) == RECIPE.first.forwards
    later = _engine(tmp_path / "kept", tiny_checkpoint, cache_bytes=10**9)  # after a restart
    found = taken(later, final)
    assert _forwards(later) == RECIPE.second.forwards
    assert all(np.array_equal(mine, other) for mine, other in zip(found, expected, strict=True))

    again = taken(later, final)
    assert _forwards(later) == 0
    assert "Its latents were made before and kept." in later.remarks
    assert all(np.array_equal(mine, other) for mine, other in zip(again, expected, strict=True))


def test_another_seed_or_prompt_is_made_anew(tmp_path: Path, tiny_checkpoint: Checkpoint) -> None:
    engine = _engine(tmp_path, tiny_checkpoint, cache_bytes=10**9)
    job = replanned(planned(JobKind.GENERATE), quality=Quality.DRAFT)
    made = [taken(engine, job)]
    for changed in ({"seed": job.request.seed + 1}, {"prompt": "something else"}):
        made.append(taken(engine, replanned(job, **changed)))
        assert _forwards(engine) == RECIPE.first.forwards
        assert not np.array_equal(made[0][0], made[-1][0])
