import pytest
from google.rpc import code_pb2, error_details_pb2, status_pb2
from hypothesis import given
from support import model_strategies

from interchange.errors import BridgeError, InternalError, InvalidInputError, Reason
from ltxbridge import wire
from ltxbridge.v1 import error_reason_pb2

LEAVES = BridgeError.__subclasses__()


def test_reasons_and_contract_are_the_same_set():
    names = set(error_reason_pb2.ErrorReason.keys()) - {"ERROR_REASON_UNSPECIFIED"}
    assert names == {f"ERROR_REASON_{reason.value}" for reason in Reason}
    assert all(reason.name == reason.value for reason in Reason)


def test_every_error_class_has_a_code_of_its_own():
    codes = {wire.code_of(kind("x")) for kind in LEAVES}
    assert len(codes) == len(LEAVES)
    assert code_pb2.OK not in codes
    assert {wire.error_class_of(wire.code_of(kind("x"))) for kind in LEAVES} == set(LEAVES)


def test_every_code_but_ok_has_an_error_class():
    for code in code_pb2.Code.values():
        if code != code_pb2.OK:
            assert wire.error_class_of(code) in LEAVES


def test_subclass_of_a_leaf_travels_as_the_leaf():
    class HandlesTooShortError(InvalidInputError):
        pass

    assert wire.code_of(HandlesTooShortError("x")) == code_pb2.INVALID_ARGUMENT
    assert wire.code_of(BridgeError("x")) == code_pb2.INTERNAL


@given(model_strategies.bridge_errors)
def test_error_survives_the_wire(error):
    status = status_pb2.Status.FromString(wire.error_to_status(error).SerializeToString())
    received = wire.error_from_status(status)
    assert type(received) is type(error)
    assert (received.message, received.reason, received.metadata) == (
        error.message,
        error.reason,
        error.metadata,
    )


def test_reason_of_a_newer_sidecar_becomes_the_default_of_its_class():
    status = status_pb2.Status(code=code_pb2.INVALID_ARGUMENT, message="m")
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason="NEW_ONE", domain="ltxbridge", metadata={"a": "b"})
    )
    error = wire.error_from_status(status)
    assert (type(error), error.reason) == (InvalidInputError, Reason.INVALID_ARGUMENT)
    assert error.metadata == {"a": "b"}


@pytest.mark.parametrize("domain", ["", "googleapis.com"])
def test_details_of_strangers_are_ignored(domain):
    status = status_pb2.Status(code=99)
    status.details.add().Pack(error_details_pb2.ErrorInfo(reason="DISK_FULL", domain=domain))
    error = wire.error_from_status(status)
    assert (type(error), error.reason, error.metadata) == (InternalError, Reason.INTERNAL, {})
    assert error.message
