"""FCPXML 1.8 to 1.14: `.fcpxml` files and `.fcpxmld` bundles, from Final Cut Pro, Resolve and others."""

from interchange.formats.fcpxml.apply import apply_takes
from interchange.formats.fcpxml.reader import read_fcpxml

__all__ = ["apply_takes", "read_fcpxml"]
