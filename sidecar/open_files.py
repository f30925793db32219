"""Renaming and deleting where another program has a file open for a moment.

POSIX does not mind. Windows refuses with ERROR_SHARING_VIOLATION, a `PermissionError`, while a virus scanner, an
indexer or a preview looks at the file, which is mostly right after it was written.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

_PAUSES_S = (0.01, 0.05, 0.1, 0.2, 0.4, 0.8)


def patiently(
    act: Callable[[], None],
    *,
    platform: str = sys.platform,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Do something to a name; on Windows again for a second and a half where it is refused.

    Args:
        act: What to do; nothing has happened where it raises.
        platform: As `sys.platform`.
        sleep: Waits, in seconds.

    Raises:
        OSError: As the last try.
    """
    for pause_s in _PAUSES_S if platform == "win32" else ():
        try:
            return act()
        except PermissionError:
            sleep(pause_s)
    return act()
