"""Which pictures a mark is judged by, to the frame, and what becomes of the words."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from support.command import ltxbridge
from support.cutting_room import TAG_A, TAG_B, Edit, write_edit
from support.numbered import numbered_picture, read_number

from interchange.directive import parse_directive
from interchange.errors import BridgeError, ExhaustedError, Reason
from interchange.model.directive import JobKind
from interchange.model.request import GenerateSpec
from interchange.model.segment import Problem
from interchange.plan import Plan, PlanOptions, plan_reading
from interchange.timebase import FrameRate
from ltxbridge.roundtrip.originals import Originals
from ltxbridge.roundtrip.plates import plate_limits
from ltxbridge.roundtrip.suggestions import Suggestion, suggest_prompts
from ltxbridge.roundtrip.timeline import open_timeline
from sidecar.filesystem import FileSystem
from sidecar.media.paths import PathPolicy
from sidecar.media.stills import read_still
from sidecar.pipelines.base import Picture
from sidecar.readers.box import ReaderBox


@dataclass
class Looking:
    """An engine that says what it was shown."""

    answer: str = "a prompt"
    asked: list[tuple[JobKind, str, str | None, tuple[Picture, ...]]] = field(default_factory=list)

    def suggest(
        self, pictures: tuple[Picture, ...], *, kind: JobKind, words: str, device: str | None
    ) -> str:
        self.asked.append((kind, words, device, pictures))
        return self.answer


@pytest.fixture(scope="module")
def edit(tmp_path_factory: pytest.TempPathFactory) -> Edit:
    return write_edit(
        tmp_path_factory.mktemp("edit").resolve(), rate=FrameRate(24000, 1001), engine="animatic"
    )


def planned(edit: Edit, box: ReaderBox) -> Plan:
    limits = plate_limits(12)
    policy = PathPolicy((edit.path.parent,), (), beside=edit.path.parent)
    originals = Originals(policy, filesystem=FileSystem(), box=box)
    reading = open_timeline(edit.path, box=box).reading
    segments = tuple(
        replace(segment, directive=replace(segment.directive, engine=None))
        for segment in reading.segments
    )
    plan = plan_reading(
        replace(reading, segments=segments),
        facts_of=originals.facts_of,
        engines={limits.engine: limits},
        options=PlanOptions(output_directory=str(edit.path.parent), engine=limits.engine),
        path_of=originals.path_of,
    )
    assert not plan.problems
    return plan


def test_a_mark_is_judged_by_the_kept_pictures_next_to_it(edit: Edit) -> None:
    engine = Looking()
    with ReaderBox() as box:
        results = list(suggest_prompts(planned(edit, box), engine, box=box, device="cpu"))
    assert all(isinstance(result, Suggestion) for result in results)
    shown = {
        (kind, *(read_number(picture) for picture in pictures))
        for kind, _, _, pictures in engine.asked
    }
    assert shown == {
        (JobKind.RETAKE, (TAG_A, 30)),
        (JobKind.BRIDGE, (TAG_A, 59), (TAG_B, 30)),
        (JobKind.BRIDGE, (TAG_A, 41), (TAG_B, 14)),
        (JobKind.REGENERATE, (TAG_B, 30)),
        (JobKind.EXTEND, (TAG_B, 49)),
        (JobKind.GENERATE,),
    }
    assert {words for _, words, _, _ in engine.asked} == {"", "wider", "storm"}
    assert {device for _, _, device, _ in engine.asked} == {"cpu"}


def test_a_still_comes_through_the_box_as_it_is(edit: Edit, tmp_path: Path) -> None:
    still = tmp_path.resolve() / "still.png"
    cv2.imwrite(str(still), (numbered_picture(77, size=(3000, 500))[..., ::-1] * 255).round())
    engine = Looking()
    with ReaderBox() as box:
        plan = planned(edit, box)
        chosen = next(take for take in plan.takes if take.request.kind is JobKind.GENERATE)
        spec = GenerateSpec(image=str(still))
        with_image = replace(chosen, request=replace(chosen.request, spec=spec))
        list(suggest_prompts(Plan((with_image,), ()), engine, box=box))
        layout, codes = box.still_image(still, long_side_px=4096)
    ((_, _, _, (picture,)),) = engine.asked
    assert picture.shape == (341, 2048, 3)
    assert read_number(picture) == (1, 77)
    whole = np.frombuffer(codes, np.uint8).reshape(layout.height_px, layout.width_px, 3)
    assert np.array_equal(whole, (read_still(still) * 255).round().astype(np.uint8))


def test_a_mark_without_pictures_and_words_has_nothing_to_go_by(edit: Edit) -> None:
    engine = Looking()
    with ReaderBox() as box:
        plan = planned(edit, box)
        chosen = next(take for take in plan.takes if take.request.kind is JobKind.GENERATE)
        wordless = replace(chosen, request=replace(chosen.request, prompt=" "))
        (result,) = suggest_prompts(Plan((wordless,), ()), engine, box=box)
    assert isinstance(result, Problem)
    assert "nothing to look at" in result.error.message
    assert not engine.asked


def test_media_that_changed_stop_only_their_own_mark(edit: Edit) -> None:
    with ReaderBox() as box:
        plan = planned(edit, box)
        lost = plan.takes[0].request
        gone = replace(
            lost, spec=replace(lost.spec, source=replace(lost.spec.source, size_bytes=1))
        )
        takes = (replace(plan.takes[0], request=gone), *plan.takes[1:])
        results = list(suggest_prompts(Plan(takes, ()), Looking(), box=box))
    problems = [result for result in results if isinstance(result, Problem)]
    assert [problem.error.reason for problem in problems] == [Reason.MEDIA_CHANGED]
    assert len(results) == len(plan.takes)


def test_an_engine_that_says_nothing_makes_a_problem(edit: Edit) -> None:
    with ReaderBox() as box:
        results = list(suggest_prompts(planned(edit, box), Looking(answer=""), box=box))
    assert results
    assert all(isinstance(result, Problem) for result in results)


def test_an_engine_that_cannot_work_ends_it(edit: Edit) -> None:
    class Full(Looking):
        def suggest(self, *_: object, **__: object) -> str:
            raise ExhaustedError("full", reason=Reason.MEMORY_FULL)

    with ReaderBox() as box, pytest.raises(BridgeError, match="full"):
        list(suggest_prompts(planned(edit, box), Full(), box=box))


def test_an_engine_that_cannot_look_is_refused_before_anything_is_read(
    edit: Edit, tmp_path: Path
) -> None:
    done = ltxbridge("suggest", edit.path, folder=tmp_path, expect=2)
    assert "animatic cannot look at pictures" in done.stderr
    done = ltxbridge("suggest", edit.path, "--engine", "animatik", folder=tmp_path, expect=2)
    assert "Did you mean animatic?" in done.stderr


def test_a_real_engine_proposes_what_can_be_pasted_the_same_each_time(
    edit: Edit, tmp_path: Path
) -> None:
    command = ("suggest", edit.path, "--engine", "ltx-tiny")
    printed = ltxbridge(*command, folder=tmp_path).stdout
    one_only = ("--shot", "B002_four", "--device", "cpu", "--json")
    (found,) = json.loads(ltxbridge(*command, *one_only, folder=tmp_path).stdout)["suggestions"]
    assert printed.count('prompt="') == 6
    assert f"  where     {found['where']}\n  {found['paste']}\n" in printed
    mark = parse_directive(f"LTX: {found['kind']} {found['paste']}")
    assert mark is not None
    assert mark.prompt == found["prompt"] != ""
    done = ltxbridge(*command, "--shot", "B002_fuor", folder=tmp_path, expect=2)
    assert "Did you mean B002_four?" in done.stderr
