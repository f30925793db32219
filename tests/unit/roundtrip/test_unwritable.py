"""A take its codec cannot hold is a problem of its mark; every other mark goes on."""

from dataclasses import replace

from support.marked import OPTIONS, clip, engines, facts, segment, sequence

from interchange.errors import Reason
from interchange.model.media import Raster
from interchange.model.segment import Reading
from interchange.plan import plan_reading
from ltxbridge.roundtrip import timeline as roundtrip

A = clip("shot A", start=1000, length=100)
B = clip("shot B", start=1100, length=40)


def test_mark_with_a_picture_its_codec_cannot_hold_stops_no_other():
    odd = segment("LTX: retake len=20 takes=2", A, at=1010, segment_id="odd")
    fit = segment("LTX: regenerate", B, segment_id="fit")
    plan = plan_reading(
        Reading((sequence(),), (odd, fit), ()),
        facts_of=lambda _link: facts(),
        engines=engines(),
        options=OPTIONS,
    )
    takes = tuple(
        replace(take, request=replace(take.request, raster=Raster(1919, 1080)))
        if take.segment is odd
        else take
        for take in plan.takes
    )
    writable = roundtrip._without_unwritable(replace(plan, takes=takes))
    assert [take.segment.segment_id for take in writable.takes] == ["fit"]
    (problem,) = writable.problems  # one, although there are two takes
    assert (problem.segment_id, problem.text) == ("odd", "LTX: retake len=20 takes=2")
    assert problem.error.reason is Reason.TARGET_UNSUPPORTED
    assert "--codec dnxhrhqx" in str(problem.error)
