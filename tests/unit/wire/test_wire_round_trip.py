from dataclasses import replace

import pytest
from hypothesis import given
from support import model_strategies
from support.model_examples import example_request

from interchange.errors import BridgeError, InvalidInputError, Reason
from interchange.model.directive import JobKind
from interchange.timebase import FrameRate
from ltxbridge import wire
from ltxbridge.v1 import engine_service_pb2, generation_service_pb2, request_pb2


def _facts(error: BridgeError | None) -> object:
    return error and (type(error), error.message, error.reason, error.metadata)


@given(model_strategies.requests())
def test_request_of_any_kind_survives_the_wire(request):
    sent = wire.request_to_proto(request).SerializeToString()
    assert wire.request_from_proto(request_pb2.GenerationRequest.FromString(sent)) == request


@given(model_strategies.jobs)
def test_job_survives_the_wire(job):
    sent = wire.job_to_proto(job).SerializeToString()
    received = wire.job_from_proto(generation_service_pb2.Job.FromString(sent))
    assert replace(received, error=None) == replace(job, error=None)
    assert _facts(received.error) == _facts(job.error)


@given(model_strategies.engine_statuses)
def test_engine_survives_the_wire(status):
    sent = wire.engine_to_proto(status).SerializeToString()
    assert wire.engine_from_proto(engine_service_pb2.Engine.FromString(sent)) == status


def test_strategy_makes_every_kind_the_contract_has():
    """Guards the round trip above against a kind nobody thought of."""
    oneof = request_pb2.GenerationRequest.DESCRIPTOR.oneofs_by_name["spec"]
    kinds = {field.name for field in oneof.fields}
    assert kinds == {kind.value for kind in JobKind}


def test_number_too_large_for_its_field_is_refused_in_words():
    with pytest.raises(InvalidInputError, match="request holds a value that cannot be sent"):
        wire.request_to_proto(example_request(seed=2**63))


def test_path_that_is_not_unicode_is_refused_in_words():
    request = example_request()
    output = replace(request.output, directory="/out/\udcff")
    with pytest.raises(InvalidInputError, match="cannot be sent"):
        wire.request_to_proto(replace(request, output=output))


def test_range_at_another_rate_than_the_take_is_refused():
    with pytest.raises(InvalidInputError, match="planned at 25") as caught:
        wire.request_to_proto(example_request(frame_rate=FrameRate(25)))
    assert caught.value.reason is Reason.RANGE_INVALID
