"""The reader's process: `python -P -m sidecar.readers.child LIMITS [CALL...]`.

Confines itself before it imports anything that reads files. Talks on what were its standard input and output;
what libraries print goes to standard error. When whoever started it is gone, so is it.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
from typing import NoReturn

from sidecar.readers.limits import ReaderLimits, allow_cpu, apply_limits

CALLS = "sidecar.readers.table:CALLS"
_SERVE = "sidecar.readers.serve"


def main(calls: str = CALLS) -> NoReturn:
    """Answer calls until nobody asks any more.

    Args:
        calls: Import string of the table of calls.
    """
    commands, replies = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    # Ctrl-C in a terminal is the business of whoever asks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # One thread of linear algebra is plenty; each more takes address space.
    os.putenv("OPENBLAS_NUM_THREADS", "1")
    limits = ReaderLimits.from_argument(sys.argv[1])
    apply_limits(limits)
    allow_cpu(limits.start_s)
    serve = importlib.import_module(_SERVE).serve
    serve(commands, replies, calls=calls, warm=sys.argv[2:])
    os._exit(0)  # no library is asked to clean up after hostile input


if __name__ == "__main__":
    main()
