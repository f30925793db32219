from __future__ import annotations

from itertools import product

import pytest

from interchange.errors import Reason, UnsupportedError
from interchange.model.job import JobState
from sidecar.jobs.states import TRANSITIONS, check_transition

Q, R, C = JobState.QUEUED, JobState.RUNNING, JobState.CANCELLING
DONE, FAILED, STOPPED = JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED

# Written out a second time, so that a slip in the table is seen.
LEGAL = {
    (Q, R), (Q, STOPPED),
    (R, DONE), (R, FAILED), (R, C), (R, Q),
    (C, STOPPED), (C, DONE), (C, FAILED),
}  # fmt: skip


@pytest.mark.parametrize(("present", "following"), list(product(JobState, JobState)))
def test_every_pair_of_states_is_decided(present, following):
    if (present, following) in LEGAL:
        check_transition("j", present=present, following=following)
    else:
        with pytest.raises(UnsupportedError) as caught:
            check_transition("j", present=present, following=following)
        assert caught.value.reason is Reason.JOB_STATE


def test_terminal_states_and_only_they_are_final():
    assert {state for state in JobState if not TRANSITIONS[state]} == {
        state for state in JobState if state.terminal
    }
