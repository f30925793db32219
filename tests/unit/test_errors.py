import copy
import pickle
from pathlib import Path

import pytest

from interchange import errors
from interchange.errors import BridgeError, InvalidInputError, Reason

LEAVES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, BridgeError)
]


@pytest.mark.parametrize("kind", LEAVES)
def test_error_survives_a_process_boundary(kind):
    error = kind("It broke. Mend it.", reason=Reason.DISK_FULL, metadata={"path": "/a"})
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own bytes
        assert type(other) is kind
        assert (str(other), other.reason, other.metadata) == (
            "It broke. Mend it.",
            Reason.DISK_FULL,
            {"path": "/a"},
        )


@pytest.mark.parametrize("kind", LEAVES)
def test_error_says_its_message_and_has_a_reason(kind):
    error = kind("It broke.")
    assert str(error) == error.message == "It broke."
    assert error.reason is kind.default_reason
    assert error.metadata == {}


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InvalidInputError, ValueError), (errors.NotFoundError, LookupError),
        (errors.NotAllowedError, PermissionError), (errors.UnsupportedError, NotImplementedError),
    ],
)  # fmt: skip
def test_error_is_the_builtin_it_stands_for(kind, builtin):
    assert issubclass(kind, builtin)


def test_metadata_is_the_errors_own():
    facts = {"a": "1"}
    error = InvalidInputError("No.", metadata=facts)
    facts["a"] = "2"
    assert error.metadata == {"a": "1"}


def test_tree_in_the_documentation_is_the_tree():
    for kind in LEAVES:
        assert kind.__name__ in errors.__doc__


def test_reasons_are_named_like_the_contract():
    contract = Path(__file__).parents[2] / "proto/ltxbridge/v1/error_reason.proto"
    listed = contract.read_text()
    for reason in Reason:
        assert reason.value == reason.name
        assert f"ERROR_REASON_{reason} " in listed or f" {reason} " in listed
