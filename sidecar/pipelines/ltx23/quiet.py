"""Keep the libraries' progress bars out of the worker's output; progress goes to the caller's callback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import diffusers.utils.logging
import transformers.utils.logging


@contextlib.contextmanager
def without_progress_bars() -> Iterator[None]:
    """Turn the bars of diffusers and transformers off, and back to what they were."""
    libraries = (diffusers.utils.logging, transformers.utils.logging)
    shown = [library for library in libraries if library.is_progress_bar_enabled()]
    for library in shown:
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library in shown:
            library.enable_progress_bar()
