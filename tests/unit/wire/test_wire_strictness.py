"""Whatever is missing or impossible is refused, and the complaint names the field."""

import pytest
from support.model_examples import example_engine, example_job, example_request

from interchange.errors import InvalidInputError, NotFoundError, Reason
from ltxbridge import wire
from ltxbridge.v1 import generation_service_pb2, request_pb2
from sidecar.pipelines.registry import engine_limits

SPAN = "request.retake.source"


def _unset(path):
    def spoil(message):
        *parents, name = path.split(".")
        for parent in parents:
            message = getattr(message, parent)
        message.ClearField(name)

    return spoil


def _set(path, value):
    def spoil(message):
        *parents, name = path.split(".")
        for parent in parents:
            message = getattr(message, parent)
        setattr(message, name, value)

    return spoil


def _name_references(message, count):
    """The last one lacks its path."""
    for _ in range(count):
        message.references.add().CopyFrom(message.retake.source)
    message.references[-1].ClearField("path")


@pytest.mark.parametrize(
    ("field", "spoil"),
    [
        ("request.record_range", _unset("record_range")),
        ("request.record_range.rate", _unset("record_range.rate")),
        ("request.record_range.rate.numerator", _set("record_range.rate.numerator", 0)),
        ("request.record_range.rate.denominator", _set("record_range.rate.denominator", -1)),
        ("request.record_range.length_frames", _set("record_range.length_frames", 0)),
        ("request.record_range.length_frames", _set("record_range.length_frames", -1)),
        ("request.raster", _unset("raster")),
        ("request.raster.width_px", _set("raster.width_px", 0)),
        ("request.raster.height_px", _set("raster.height_px", 70_000)),
        ("request.raster.pixel_aspect.denominator", _set("raster.pixel_aspect.numerator", 1)),
        ("request.raster.pixel_aspect.numerator", _set("raster.pixel_aspect.denominator", 1)),
        ("request.colour", _unset("colour")),
        ("request.colour.matrix", _set("colour.matrix", 256)),
        ("request.output", _unset("output")),
        ("request.output.directory", _unset("output.directory")),
        ("request.output.codec", _set("output.codec", 99)),
        ("request.head_handle_frames", _set("head_handle_frames", -1)),
        ("request.tail_handle_frames", _set("tail_handle_frames", -1)),
        ("request.timecode_start_frame", _set("timecode_start_frame", -1)),
        ("request.drop_frame", _set("drop_frame", True)),
        ("request.quality", _set("quality", 3)),
        ("request.shot", _unset("shot")),
        ("request.shot", _set("shot", "../../etc/passwd")),
        ("request.shot", _set("shot", "a\\b")),
        ("request.shot", _set("shot", ".hidden")),
        ("request.prompt", _set("prompt", "x" * 16_385)),
        ("request.reel", _set("reel", "a\0b")),
        ("request.spec", _unset("retake")),
        (SPAN, _unset("retake.source")),
        (f"{SPAN}.path", _unset("retake.source.path")),
        (f"{SPAN}.media_rate", _unset("retake.source.media_rate")),
        (f"{SPAN}.record_range", _unset("retake.source.record_range")),
        (f"{SPAN}.record_range.rate", _set("retake.source.record_range.rate.numerator", 25)),
        (f"{SPAN}.first_frame.denominator", _set("retake.source.first_frame.denominator", 0)),
        (f"{SPAN}.step", _unset("retake.source.step")),
        (f"{SPAN}.colour", _unset("retake.source.colour")),
        (f"{SPAN}.size_bytes", _set("retake.source.size_bytes", -1)),
        ("request.retake.audio", _set("retake.audio", 4)),
        ("request.retake.box.width_px", _set("retake.box.x_px", 1)),
        ("request.regenerate.strength", _set("regenerate.strength", 1.5)),
        ("request.regenerate.strength", _set("regenerate.strength", float("nan"))),
        ("request.bridge.outgoing", _set("bridge.cut_frame", 1)),
        ("request.extend.source", _set("extend.edge", 1)),
        ("request.generate.image_path", _set("generate.image_path", "\0")),
        ("request.restyle.source", _set("restyle.matte_path", "/media/m.png")),
        ("request.reframe.aspect", _set("reframe.source.path", "/a")),
        ("request.references", lambda message: _name_references(message, 5)),
        ("request.references[1].path", lambda message: _name_references(message, 2)),
    ],
)
def test_spoilt_request_is_refused_with_the_field(field, spoil):
    message = wire.request_to_proto(example_request())
    spoil(message)
    with pytest.raises(InvalidInputError) as caught:
        wire.request_from_proto(message)
    assert caught.value.metadata == {"field": field}
    assert field in caught.value.message


def test_negative_length_has_its_own_reason():
    message = wire.request_to_proto(example_request())
    message.record_range.length_frames = -5
    with pytest.raises(InvalidInputError) as caught:
        wire.request_from_proto(message)
    assert caught.value.reason is Reason.RANGE_INVALID


def test_unspecified_choices_take_the_stated_defaults():
    message = wire.request_to_proto(example_request())
    message.ClearField("quality")
    message.output.ClearField("codec")
    message.retake.ClearField("audio")
    assert wire.request_from_proto(message) == example_request()


@pytest.mark.parametrize(
    ("field", "spoil"),
    [
        ("job.request", _unset("request")),
        ("job.geometry", _unset("geometry")),
        ("job.geometry.deliver_raster", _unset("geometry.deliver_raster")),
        ("job.progress", _unset("progress")),
        ("job.progress.fraction", _set("progress.fraction", 1.01)),
        ("job.progress.preview", _set("progress.preview", bytes(65_537))),
        ("job.state", _unset("state")),
        ("job.state", _set("state", 42)),
        ("job.revision", _set("revision", -1)),
        ("job.name", _set("name", "jobs/../../x")),
        ("job.attempt_count", _set("attempt_count", -1)),
        ("job.create_time", _set("create_time.seconds", 2**60)),
        ("job.take.record_range", _set("take.path", "/out/x.mov")),
    ],
)
def test_spoilt_job_is_refused_with_the_field(field, spoil):
    message = wire.job_to_proto(example_job())
    spoil(message)
    with pytest.raises(InvalidInputError) as caught:
        wire.job_from_proto(message)
    assert caught.value.metadata == {"field": field}


def test_what_a_newer_engine_can_do_is_left_out():
    message = wire.engine_to_proto(example_engine())
    for names in ("kinds", "audio_policies", "starts", "qualities", "seeded_kinds"):
        getattr(message.limits, names).append("dance")
    assert wire.engine_from_proto(message) == example_engine()
    newer = wire.engine_to_proto(example_engine())
    newer.digital_source_type = "dreamt"
    assert wire.engines_from_proto([newer, message]) == (example_engine(),)


@pytest.mark.parametrize(
    ("field", "spoil"),
    [
        ("engine.limits", _unset("limits")),
        ("engine.state", _unset("state")),
        ("engine.digital_source_type", _set("digital_source_type", "magic")),
        ("engine.limits.frame_grid_step", _unset("limits.frame_grid_step")),
    ],
)
def test_spoilt_engine_is_refused_with_the_field(field, spoil):
    message = wire.engine_to_proto(example_engine())
    spoil(message)
    with pytest.raises(InvalidInputError) as caught:
        wire.engine_from_proto(message)
    assert caught.value.metadata == {"field": field}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "jobs/",
        "jobs/../../x",
        "jobs/0123456789ABCDEF0123456789ABCDEF",
        "jobs/0123456789abcdef0123456789abcdef\n",
        "jobs/0123456789abcdef0123456789abcde",
        "engines/0123456789abcdef0123456789abcdef",
        "jobs/" + "0" * 33,
    ],
)
def test_job_name_off_the_pattern_is_refused(name):
    with pytest.raises(InvalidInputError):
        wire.job_id_from_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "animatic",
        "engines/",
        "engines/..",
        "engines/../x",
        "engines/a/b",
        "engines/A",
        "engines/a\n",
    ],
)
def test_engine_name_off_the_pattern_is_unknown(name):
    with pytest.raises(NotFoundError):
        wire.engine_from_name(name)


@pytest.mark.parametrize("engine", engine_limits())
def test_every_engine_there_is_has_a_name_that_is_read(engine):
    assert wire.engine_from_name(wire.engine_name(engine)) == engine


@pytest.mark.parametrize("request_id", ["x", "0" * 32, "6BA7B810-9DAD-11D1-80B4-00C04FD430C8"])
def test_request_id_that_is_no_uuid_is_refused(request_id):
    with pytest.raises(InvalidInputError):
        wire.check_request_id(request_id)


def test_request_id_is_a_uuid_or_nothing():
    assert wire.check_request_id("") == ""
    uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    assert wire.check_request_id(uuid) == uuid


def test_unknown_state_filter_is_refused():
    with pytest.raises(InvalidInputError):
        wire.states_from_proto([generation_service_pb2.Job.STATE_QUEUED, 77])


def test_empty_message_is_refused_not_guessed():
    with pytest.raises(InvalidInputError):
        wire.request_from_proto(request_pb2.GenerationRequest())
