"""Windows' refusals pass; everybody else's are told at once."""

from __future__ import annotations

import pytest

from sidecar.open_files import patiently


class Refusing:
    """Refuses a number of times, then lets it happen."""

    def __init__(self, times: int, error: type[OSError] = PermissionError) -> None:
        self.left = times
        self.error = error
        self.tries = 0

    def __call__(self) -> None:
        self.tries += 1
        if self.left:
            self.left -= 1
            raise self.error(13, "in use")


@pytest.mark.parametrize("times", [0, 1, 6])
def test_on_windows_a_file_that_is_open_for_a_moment_is_waited_for(times):
    act, waits = Refusing(times), []
    patiently(act, platform="win32", sleep=waits.append)
    assert act.tries == times + 1
    assert len(waits) == times
    assert sum(waits) < 2


def test_on_windows_one_that_stays_open_is_told_in_the_end():
    act, waits = Refusing(99), []
    with pytest.raises(PermissionError):
        patiently(act, platform="win32", sleep=waits.append)
    assert act.tries == 7


@pytest.mark.parametrize(
    ("platform", "error"),
    [("linux", PermissionError), ("darwin", PermissionError), ("win32", FileNotFoundError)],
)
def test_what_waiting_cannot_mend_is_told_at_once(platform, error):
    act, waits = Refusing(1, error), []
    with pytest.raises(error):
        patiently(act, platform=platform, sleep=waits.append)
    assert (act.tries, waits) == (1, [])
