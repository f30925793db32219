"""Inserts elements the way the document is laid out, so that a diff shows the additions and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from interchange.formats.xml_splice import Element, Splice, XmlIndex

_LONGEST_INDENT_BYTES = 400


@dataclass(frozen=True, slots=True)
class Block:
    """An element to insert: its start tag, its children, its end tag; each on a line of its own.

    Args:
        opening: Start tag, or the whole element where it has no children.
        children: Blocks inside it.
        closing: End tag, empty where there are no children.
    """

    opening: bytes
    children: tuple[Block, ...] = ()
    closing: bytes = b""


class Layout:
    """How a document breaks and indents its lines.

    Args:
        xml: The document.
    """

    def __init__(self, xml: XmlIndex) -> None:
        self._xml = xml
        first_break = xml.raw.find(b"\n")
        windows = first_break > 0 and xml.raw[first_break - 1 : first_break] == b"\r"
        self._line_end = b"\r\n" if windows else b"\n"
        self._step = self._own_step()

    def insert(self, parent: Element, blocks: Sequence[Block], before: Element | None) -> Splice:
        """Insert blocks as children.

        Args:
            parent: Gets the children.
            blocks: At least one.
            before: The child they go before; None to append them.
        """
        raw = self._xml.raw
        outer = self._indent(parent)
        neighbour = before or (parent.children[-1] if parent.children else None)
        indent = self._indent(neighbour) if neighbour is not None else None
        if indent is None and outer is not None and neighbour is None:
            indent = outer + self._step
        break_before = b"" if indent is None else self._line_end + indent
        written = [self._write(block, indent) for block in blocks]
        if before is not None:
            new = b"".join(block + break_before for block in written)
            return Splice(before.start, before.start, new)
        new = b"".join(break_before + block for block in written)
        if parent.children:
            place = self._xml.end(parent.children[-1])
            return Splice(place, place, new)
        if outer is not None:
            new += self._line_end + outer
        if self._xml.is_empty(parent):
            closing = f"</{parent.tag}>".encode()
            return Splice(parent.closing - 2, parent.closing, b">" + new + closing)
        place = self._xml.start_tag_end(parent)
        if raw[place : parent.closing].strip() == b"" and place < parent.closing:
            # The parent's own white space already leads to its end tag.
            new = b"".join(break_before + block for block in written)
        return Splice(place, place, new)

    def _write(self, block: Block, indent: bytes | None) -> bytes:
        if not block.children:
            return block.opening + block.closing
        inner = None if indent is None else indent + self._step
        break_inner = b"" if inner is None else self._line_end + inner
        break_outer = b"" if indent is None else self._line_end + indent
        children = b"".join(break_inner + self._write(child, inner) for child in block.children)
        return block.opening + children + break_outer + block.closing

    def _indent(self, element: Element) -> bytes | None:
        """White space before an element that begins its line; None where it does not."""
        raw = self._xml.raw
        line = raw.rfind(b"\n", max(0, element.start - _LONGEST_INDENT_BYTES), element.start)
        before = raw[line + 1 : element.start]
        return before if line >= 0 and not before.strip() else None

    def _own_step(self) -> bytes:
        for child in self._xml.root.children:
            outer, inner = self._indent(self._xml.root), self._indent(child)
            if outer is not None and inner is not None and inner.startswith(outer):
                return inner[len(outer) :]
        return b"    "
