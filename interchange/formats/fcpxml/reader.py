"""Reads a whole document: every sequence, every mark."""

from __future__ import annotations

from interchange.errors import BridgeError
from interchange.formats.fcpxml.document import FcpxmlDocument
from interchange.formats.fcpxml.marks import MarkReader
from interchange.formats.fcpxml.timeline import Timelines, sequence_name
from interchange.model.segment import Problem, Reading, SequenceFacts


def read_fcpxml(raw: bytes) -> Reading:
    """Find sequences, marked segments and problems; see `read_document`."""
    return read_timelines(Timelines(FcpxmlDocument(raw)))


def read_timelines(timelines: Timelines) -> Reading:
    """Find sequences, marked segments and problems.

    Args:
        timelines: The document's sequences.

    Returns:
        Everything found; a mark that cannot be met is a problem and stops nothing else.
    """
    document = timelines.document
    marks = MarkReader()
    sequences: list[SequenceFacts] = []
    for element in document.sequences():
        try:
            timeline = timelines.of(element)
            sequences.append(timeline.facts)
        except BridgeError as error:
            # One broken sequence is no reason to lose the others, nor to lose its marks silently.
            if marks.skip_marks_of(document.xml.subtree(element)):
                where = f"sequence {sequence_name(element)!r}"
                marks.problems.append(Problem("", where, "", error))
            continue
        marks.read_timeline(timeline)
    marks.report_stray(document.xml.elements)
    return Reading(tuple(sequences), tuple(marks.segments), tuple(marks.problems))
