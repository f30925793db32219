"""What is stated, for each kind: pure values, nothing signed."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.credential_examples import KINDS, RATE, START, facts_of, request_of

from interchange.errors import InternalError
from interchange.model.request import ExtendSpec, RetakeSpec
from interchange.timebase import FrameRate
from sidecar.credentials.facts import SoundOrigin, frame_runs, request_digest
from sidecar.credentials.ingredients import npt
from sidecar.credentials.manifest import GENERATION_LABEL, NAMESPACE, draft_manifest
from sidecar.credentials.schema import find_faults

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"


def draft(kind: str, **options: object) -> dict:
    drafted = draft_manifest(
        facts_of(request_of(kind), **options), title="t.mov", media_type="video/quicktime"
    )
    return drafted.definition


def assertion(definition: dict, label: str) -> dict:
    (data,) = [a["data"] for a in definition["assertions"] if a["label"] == label]
    return data


def actions(definition: dict) -> list[dict]:
    return assertion(definition, "c2pa.actions.v2")["actions"]


@pytest.mark.parametrize("trained", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_no_kind_breaks_a_rule(kind, trained):
    definition = draft(kind, trained=trained)
    assert list(find_faults(definition)) == []
    json.dumps(definition)


@pytest.mark.parametrize(
    ("kind", "expected", "algorithm", "weights", "relationships"),
    [
        ("retake", "opened edited transcoded", "composite",
         "compositeWithTrainedAlgorithmicMedia", ["parentOf"]),
        ("retake without handles", "created", "algorithmicMedia", "trainedAlgorithmicMedia", ["inputTo"]),
        ("regenerate", "created", "algorithmicMedia", "trainedAlgorithmicMedia", ["inputTo"]),
        ("bridge", "created", "algorithmicMedia", "trainedAlgorithmicMedia", ["inputTo"] * 2),
        ("bridge with handles", "created placed placed edited", "composite",
         "compositeWithTrainedAlgorithmicMedia", ["componentOf"] * 2),
        ("extend", "created", "algorithmicMedia", "trainedAlgorithmicMedia", ["inputTo"]),
        ("generate", "created", "algorithmicMedia", "trainedAlgorithmicMedia", ["inputTo"]),
        ("restyle", "created", "algorithmicMedia", "trainedAlgorithmicMedia", ["inputTo"]),
        ("restyle by a matte", "opened edited transcoded", "composite",
         "compositeWithTrainedAlgorithmicMedia", ["parentOf", "inputTo"]),
        ("reframe", "opened edited transcoded", "composite",
         "compositeWithTrainedAlgorithmicMedia", ["parentOf"]),
        ("retake of sound alone", "opened edited transcoded", "composite",
         "compositeWithTrainedAlgorithmicMedia", ["parentOf"]),
        ("retake with references", "opened edited transcoded", "composite",
         "compositeWithTrainedAlgorithmicMedia", ["parentOf", "inputTo"]),
    ],
)  # fmt: skip
def test_actions_source_types_and_ingredients_fit_the_kind(
    kind, expected, algorithm, weights, relationships
):
    for trained, source_type in ((False, algorithm), (True, weights)):
        definition = draft(kind, trained=trained)
        made = actions(definition)
        assert [a["action"] for a in made] == [f"c2pa.{name}" for name in expected.split()]
        by_engine = [a for a in made if "softwareAgent" in a]
        assert [a["digitalSourceType"] for a in by_engine] == [IPTC + source_type]
        assert by_engine[0]["parameters"][f"{NAMESPACE}.seed"] == 41
        named = [i["relationship"] for i in definition["ingredients"] if i["label"] != "model"]
        assert named == relationships
        assert ("model" in {i["label"] for i in definition["ingredients"]}) is trained
        labels = {a["label"] for a in definition["assertions"]}
        assert ("c2pa.ai-disclosure" in labels) is trained
        assert {a["when"] for a in made} == {"2026-11-20T12:00:00Z"}


def test_a_composition_by_weights_says_that_generative_ai_is_in_it():
    made = actions(draft("bridge with handles", trained=True))
    assert made[0]["digitalSourceType"] == IPTC + "compositeSynthetic"
    assert actions(draft("bridge with handles"))[0]["digitalSourceType"] == IPTC + "composite"


def test_a_retake_states_its_window_in_file_time_frames_and_timecode():
    definition = draft("retake")
    edited = actions(definition)[1]
    (change,) = edited["changes"]
    assert change["region"] == [
        {"type": "temporal", "time": {"type": "npt", "start": "0.125125", "end": "0.375375"}}
    ]
    assert change["description"] == "frames 3 to 8 of the file, made by animatic"
    data = assertion(definition, GENERATION_LABEL)
    assert data["frameRate"] == "24000/1001"
    assert data["frameCount"] == 12
    assert data["runs"] == [
        {"origin": "kept", "firstFrame": 0, "endFrame": 3, "recordIn": "01:00:00:03",
         "recordOut": "01:00:00:06", "source": "source", "sourceFirstFrame": 3, "sourceEndFrame": 6},
        {"origin": "synthetic", "firstFrame": 3, "endFrame": 9, "recordIn": "01:00:00:06",
         "recordOut": "01:00:00:12"},
        {"origin": "kept", "firstFrame": 9, "endFrame": 12, "recordIn": "01:00:00:12",
         "recordOut": "01:00:00:15", "source": "source", "sourceFirstFrame": 12, "sourceEndFrame": 15},
    ]  # fmt: skip
    (source,) = data["sources"]
    assert source["title"] == "a.mov"
    assert (source["availableFirstFrame"], source["availableEndFrame"]) == (0, 20)
    kept = definition["ingredients"][0]["metadata"]["regionOfInterest"]["region"]
    assert [r["time"]["start"] for r in kept] == [npt(3, RATE), npt(12, RATE)]


def test_a_bridge_names_the_frames_it_could_look_at():
    outgoing, incoming = draft("bridge")["ingredients"]
    assert [outgoing["label"], incoming["label"]] == ["outgoing", "incoming"]
    times = [i["metadata"]["regionOfInterest"]["region"][0]["time"] for i in (outgoing, incoming)]
    assert [(t["start"], t["end"]) for t in times] == [
        ("0", "0.375375"),
        ("0.375375", npt(20, RATE)),
    ]


def test_neither_prompt_nor_folders_are_in_any_manifest():
    for kind in KINDS:
        text = json.dumps(draft(kind))
        assert "secret" not in text
        assert "/media" not in text
        assert "Client X" not in text
        assert "promptSha256" in text
    request = replace(request_of("retake"), prompt="")
    silent = draft_manifest(facts_of(request), title="t", media_type="video/mp4").definition
    assert "promptSha256" not in json.dumps(silent)


def test_windows_paths_lose_their_folders_too():
    request = request_of("regenerate", a=r"D:\Client X\a.mov")
    drafted = draft_manifest(facts_of(request), title="t", media_type="video/mp4")
    assert drafted.definition["ingredients"][0]["title"] == "a.mov"


rates = st.sampled_from(
    [FrameRate(n, d) for n, d in [(24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1),
                                  (60000, 1001), (120000, 1001), (7, 3)]]
)  # fmt: skip


@given(rates, st.integers(0, 10**7))
def test_normal_play_time_names_exactly_its_frame(rate, frame):
    text = npt(frame, rate)
    assert rate.frame_at(Fraction(text)) == frame
    assert Fraction(text) - rate.seconds(frame) < Fraction(1, 10**9)
    assert not text.endswith((".", ".0"))


@given(head=st.integers(0, 40), tail=st.integers(0, 40), keep=st.booleans())
def test_every_frame_of_the_file_is_in_exactly_one_run(head, tail, keep):
    request = replace(
        request_of("retake"), head_handle_frames=head, tail_handle_frames=tail, keep_handles=keep
    )
    runs = frame_runs(request)
    assert [f for run in runs for f in run.record_range.frames] == list(request.file_range.frames)
    synthetic = {f for run in runs if run.made for f in run.record_range.frames}
    assert synthetic == set((request.record_range if keep else request.file_range).frames)
    counted = [f for run in runs for f in run.file_range(request.file_range).frames]
    assert counted == list(range(request.file_range.length))


def test_source_frames_follow_speed_and_rate_and_are_held_outside():
    spec = request_of("retake").spec
    assert isinstance(spec, RetakeSpec)
    half = replace(spec.source, step=Fraction(-1, 2), first_frame=Fraction(30))
    request = replace(request_of("retake"), spec=RetakeSpec(source=half))
    drafted = draft_manifest(facts_of(request), title="t", media_type="video/mp4").definition
    kept = assertion(drafted, GENERATION_LABEL)["runs"][0]
    # Record frames 3, 4, 5 show floor(30 - n / 2): 28, 28, 27.
    assert (kept["sourceFirstFrame"], kept["sourceEndFrame"]) == (27, 29)


def test_the_request_digest_is_stable_and_sees_every_field():
    request = request_of("retake")
    # Pinned: takes that were signed by an earlier version must still be matched to their requests.
    assert request_digest(request).startswith("892d9e766e1e1ab1")
    for other in (
        replace(request, references=request.sources),
        replace(request, seed=42),
        replace(request, prompt="a very secret prompt."),
        replace(request, spec=ExtendSpec(source=request.spec.source)),
        replace(request, start_frame=START),
    ):
        assert request_digest(other) != request_digest(request)


@pytest.mark.parametrize("sound", list(SoundOrigin))
def test_sound_is_stated_as_what_it_is(sound):
    request = request_of("retake")
    drafted = draft_manifest(facts_of(request, sound=sound), title="t", media_type="video/mp4")
    assert assertion(drafted.definition, GENERATION_LABEL)["sound"] == sound.value


def test_a_time_of_making_without_zone_is_refused():
    with pytest.raises(InternalError, match="time zone"):
        replace(facts_of(request_of("retake")), created=datetime(2026, 1, 1))  # noqa: DTZ001
