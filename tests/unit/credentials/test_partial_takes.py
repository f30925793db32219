"""Takes that are in part the source's: pixels outside a matte, the middle of a new frame, every picture."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.credential_examples import START, facts_of, request_of, span

from interchange.model.directive import Aspect, AudioPolicy, Box
from interchange.model.request import ReframeSpec, RestyleSpec, RetakeSpec
from sidecar.credentials.facts import FrameOrigin, SoundOrigin, frame_runs
from sidecar.credentials.manifest import GENERATION_LABEL, draft_manifest
from sidecar.credentials.schema import find_faults

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SOURCE = span("/media/Client X/a.mov", 0, 20)
BOX = Box(8, 6, 40, 30)
IN_PART = {
    "retake in a box": RetakeSpec(SOURCE, box=BOX),
    "retake by a matte": RetakeSpec(SOURCE, matte="/mattes/Client X/m.png"),
    "restyle in a box": RestyleSpec(SOURCE, box=BOX),
    "restyle by a matte": RestyleSpec(SOURCE, matte="/mattes/Client X/m.png"),
    "reframe": ReframeSpec(SOURCE, Aspect(9, 16)),
}


def drafted(spec, *, handles=False, references=(), **facts):
    kind = "retake" if handles else "retake without handles"
    request = replace(request_of(kind), spec=spec, references=references)
    draft = draft_manifest(facts_of(request, **facts), title="t.mov", media_type="video/quicktime")
    assert list(find_faults(draft.definition)) == []
    data = {a["label"]: a["data"] for a in draft.definition["assertions"]}
    return draft, data["c2pa.actions.v2"]["actions"], data[GENERATION_LABEL]


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("handles", [False, True])
@pytest.mark.parametrize("what", IN_PART)
def test_a_take_that_keeps_pixels_is_its_source_edited(what, handles, trained):
    draft, actions, data = drafted(IN_PART[what], handles=handles, trained=trained)
    assert [a["action"] for a in actions] == ["c2pa.opened", "c2pa.edited", "c2pa.transcoded"]
    mixed = "compositeWithTrainedAlgorithmicMedia" if trained else "composite"
    assert actions[1]["digitalSourceType"] == IPTC + mixed
    (change,) = actions[1]["changes"]
    assert "in part kept from the source, in part made by" in change["description"]
    origins = [run["origin"] for run in data["runs"]]
    assert origins == (["kept", "composite", "kept"] if handles else ["composite"])
    (composite,) = [run for run in data["runs"] if run["origin"] == "composite"]
    # Record frames START + 6 to START + 12 show the same frames of the source.
    assert (composite["sourceFirstFrame"], composite["sourceEndFrame"]) == (6, 12)
    source = draft.definition["ingredients"][0]
    assert (source["label"], source["relationship"]) == ("source", "parentOf")
    assert source["metadata"]["regionOfInterest"]["description"] == "frames kept, whole or in part"
    assert len(source["metadata"]["regionOfInterest"]["region"]) == len(origins)


def test_the_part_that_is_new_is_named():
    _, _, data = drafted(IN_PART["retake in a box"])
    assert data["madeInside"] == {"xPx": 8, "yPx": 6, "widthPx": 40, "heightPx": 30}
    draft, actions, data = drafted(IN_PART["restyle by a matte"])
    assert "madeInside" not in data
    assert actions[1]["parameters"]["ingredientIds"] == ["input-1"]
    assert [i["title"] for i in draft.definition["ingredients"]] == ["a.mov", "m.png"]


@pytest.mark.parametrize("trained", [False, True])
def test_a_whole_restyle_has_no_pixel_of_its_source(trained):
    draft, actions, data = drafted(RestyleSpec(SOURCE), trained=trained)
    assert [a["action"] for a in actions] == ["c2pa.created"]
    assert [run["origin"] for run in data["runs"]] == ["synthetic"]
    assert draft.definition["ingredients"][0]["relationship"] == "inputTo"


@pytest.mark.parametrize("handles", [False, True])
@pytest.mark.parametrize("trained", [False, True])
def test_only_sound_states_that_every_picture_is_the_sources(trained, handles):
    spec = RetakeSpec(SOURCE, audio=AudioPolicy.ONLY)
    _, actions, data = drafted(spec, handles=handles, trained=trained, sound=SoundOrigin.SYNTHETIC)
    assert [a["action"] for a in actions] == ["c2pa.opened", "c2pa.edited", "c2pa.transcoded"]
    (change,) = actions[1]["changes"]
    first = 3 if handles else 0
    assert change["description"].startswith(f"sound over frames {first} to {first + 5} of the file")
    assert [run["origin"] for run in data["runs"]] == ["kept"]
    assert data["runs"][0]["endFrame"] == data["frameCount"]
    assert data["sound"] == "synthetic"


def test_references_are_inputs_and_never_shown():
    beside = (span("/media/Client X/b.mov", 30, 40), span("/media/c.mov", 50, 60))
    draft, actions, data = drafted(
        RetakeSpec(SOURCE), handles=True, references=beside, trained=True,
        digests={"/media/c.mov": "cd" * 32},
    )  # fmt: skip
    assert actions[1]["parameters"]["ingredientIds"] == ["reference-1", "reference-2", "model"]
    named = {i["label"]: i for i in draft.definition["ingredients"]}
    for label in ("reference-1", "reference-2"):
        assert named[label]["relationship"] == "inputTo"
        region = named[label]["metadata"]["regionOfInterest"]
        assert region["description"] == "frames the engine could look at"
    assert draft.sources == {
        "source": "/media/Client X/a.mov",
        "reference-1": "/media/Client X/b.mov",
        "reference-2": "/media/c.mov",
    }
    assert [(r["label"], r["title"]) for r in data["references"]] == [
        ("reference-1", "b.mov"),
        ("reference-2", "c.mov"),
    ]
    assert data["references"][1]["sha256"] == "cd" * 32
    assert [run["origin"] for run in data["runs"]] == ["kept", "synthetic", "kept"]


def test_remarks_are_carried_and_bounded():
    _, _, data = drafted(RetakeSpec(SOURCE), remarks=("It was seen twice.",))
    assert data["remarks"] == ["It was seen twice."]
    _, _, data = drafted(RetakeSpec(SOURCE), remarks=("x" * 5000,) * 99)
    assert [len(remark) for remark in data["remarks"]] == [500] * 16
    _, _, data = drafted(RetakeSpec(SOURCE))
    assert not {"remarks", "references", "madeInside"} & data.keys()


def test_runs_of_a_take_in_part_cover_its_file_once():
    for spec in IN_PART.values():
        request = replace(request_of("retake"), spec=spec)
        runs = frame_runs(request)
        assert [f for run in runs for f in run.record_range.frames] == list(
            request.file_range.frames
        )
        made = [run for run in runs if run.made]
        assert [(run.origin, run.source) for run in made] == [(FrameOrigin.COMPOSITE, 0)]
        assert made[0].record_range.start == START + 6
