"""Which takes have no place on a timeline is found without trying each by itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interchange.errors import Reason, UnsupportedError
from sidecar.readers.documents import refusals


class Form:
    """A format that cannot place certain numbers, and counts how often it is asked."""

    def __init__(self, bad) -> None:
        self.bad = set(bad)
        self.asked = 0

    def apply(self, _raw, placements):
        self.asked += 1
        if self.bad & set(placements):
            raise UnsupportedError("no place", reason=Reason.TARGET_UNSUPPORTED)

    def verify(self, _raw, _patch, _placements):
        pass


def refused(form: Form, count: int) -> set[int]:
    return set(refusals(form, b"", list(range(count))))


@given(st.sets(st.integers(0, 39)))
def test_exactly_those_without_a_place_are_refused(bad):
    assert refused(Form(bad), 40) == bad


@pytest.mark.parametrize(("bad", "most"), [((), 1), ((700,), 22), ((0, 999), 40)])
def test_few_refusals_cost_few_tries(bad, most):
    form = Form(bad)
    assert refused(form, 1000) == set(bad)
    assert form.asked <= most
