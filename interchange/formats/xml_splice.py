"""Byte-exact XML: an index of every element by byte offset, and splices that leave all other bytes alone.

Re-serialising changes quotes, blank lines, entity forms and line ends of every real document tried (0 of 119
came back the same), so documents are never re-serialised: expat says where each element starts and ends, and
a patch is a list of byte ranges with their replacement. One pass, linear, no dependency.

Hostile documents are refused before anything is read from them: entity declarations, references to other
files, more depth, elements or bytes than a timeline can have.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn
from xml.parsers import expat

from interchange.errors import (
    BridgeError,
    InternalError,
    InvalidInputError,
    Reason,
    UnsupportedError,
)

MAX_DOCUMENT_BYTES = 128 << 20
"""The largest real timeline seen has 7 MB; the index takes about ten times the document's size."""
MAX_DEPTH = 128
"""The deepest real timeline seen has 23 levels."""
MAX_ELEMENTS = 1_500_000
"""Ten times what the largest real timeline has; their index takes 650 MB, and a reader has little more."""

_START_TAG = re.compile(rb"""<(?:[^>"']|"[^"]*"|'[^']*')*+>""")
_ATTRIBUTE = re.compile(rb"""\s+([^\s=/>]+)\s*=\s*("[^"]*"|'[^']*')""")
_TAG_NAME = re.compile(rb"<[^\s/>]+")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UTF16_OR_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, b"<\0", b"\0<", b"\0\0")
_ESCAPES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "\n": "&#10;",
        "\r": "&#13;",
        "\t": "&#9;",
    }
)


class Element:
    """One element of an indexed document. Tens of thousands of these are made, hence slots and no more.

    Attributes:
        tag: Element name.
        attributes: Attribute values, entities resolved.
        parent: The element around it, None for the root.
        child_list: Its children, None where it has none, as most have: lists are not free.
        index: Place in document order; the root is 0.
        stop: Index of the first element after its subtree.
        start: Byte offset of the `<` of its start tag.
        closing: Byte offset where the parser saw it end: of its end tag, or after `<a/>`.
    """

    __slots__ = ("attributes", "child_list", "closing", "index", "parent", "start", "stop", "tag")

    def __init__(
        self, tag: str, attributes: dict[str, str], parent: Element | None, index: int, start: int
    ) -> None:
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.child_list: list[Element] | None = None
        self.index = index
        self.start = start
        self.stop = 0
        self.closing = 0

    @property
    def children(self) -> Sequence[Element]:
        """Child elements in order."""
        return self.child_list or ()

    def get(self, name: str) -> str | None:
        """The attribute's value, None where it is not written."""
        return self.attributes.get(name)

    def find(self, tag: str) -> Element | None:
        """The first child with a tag."""
        for child in self.children:
            if child.tag == tag:
                return child
        return None

    def __repr__(self) -> str:
        return f"<{self.tag} #{self.index}>"


@dataclass(frozen=True, slots=True)
class Splice:
    """Bytes to put in place of a range of the original; an insertion where `start == end`."""

    start: int
    end: int
    replacement: bytes


class XmlIndex:
    """A document's bytes and where each element lies in them.

    Args:
        raw: The document.

    Raises:
        InvalidInputError: Not well-formed, or unsafe.
        UnsupportedError: An encoding in which bytes cannot be spliced.
    """

    def __init__(self, raw: bytes) -> None:
        if len(raw) > MAX_DOCUMENT_BYTES:
            raise InvalidInputError(
                f"The document has {len(raw) >> 20} MiB; no timeline above "
                f"{MAX_DOCUMENT_BYTES >> 20} MiB is read. Export fewer projects at once.",
                reason=Reason.DOCUMENT_UNSAFE,
            )
        if raw.startswith(_UTF16_OR_32):
            raise UnsupportedError(
                "The document is encoded as UTF-16 or UTF-32. Save it as UTF-8 and try again.",
                reason=Reason.FORMAT_UNSUPPORTED,
            )
        self.raw = raw
        self.elements: list[Element] = []
        self._encoding: str | None = None
        self._fill()

    @property
    def root(self) -> Element:
        """The document element."""
        return self.elements[0]

    def subtree(self, element: Element) -> Iterator[Element]:
        """The element and all below it, in document order."""
        return iter(self.elements[element.index : element.stop])

    def source(self, element: Element) -> bytes:
        """The element exactly as written."""
        return self.raw[element.start : self.end(element)]

    def start_tag_end(self, element: Element) -> int:
        """Offset after the `>` of the element's start tag.

        Raises:
            InternalError: There is no start tag; the parser and this disagree.
        """
        match = _START_TAG.match(self.raw, element.start)
        if match is None:
            raise InternalError(f"No start tag at byte {element.start}.")
        return match.end()

    def is_empty(self, element: Element) -> bool:
        """Whether the element is written as `<a/>`."""
        # `<a/></a>` and `<a>/></a>` end alike, so there the start tag is measured.
        return (
            not element.children
            and self.raw.startswith(b"/>", element.closing - 2)
            and self.start_tag_end(element) == element.closing
        )

    def end(self, element: Element) -> int:
        """Offset after the element's last `>`."""
        if self.is_empty(element):
            return element.closing
        return self.raw.index(b">", element.closing) + 1

    def text(self, element: Element) -> str:
        """The character data directly or indirectly inside an element."""
        parser = expat.ParserCreate(self._encoding)
        pieces: list[str] = []
        parser.CharacterDataHandler = pieces.append
        parser.Parse(self.source(element), True)
        return "".join(pieces)

    def attribute_span(self, element: Element, name: str) -> tuple[int, int]:
        """Offsets of an attribute's value, without its quotes.

        Raises:
            InternalError: The attribute is not written.
        """
        wanted = name.encode()
        opening = _TAG_NAME.match(self.raw, element.start)
        position = opening.end() if opening else element.start
        while match := _ATTRIBUTE.match(self.raw, position):
            if match[1] == wanted:
                return match.start(2) + 1, match.end(2) - 1
            position = match.end()
        raise InternalError(f"<{element.tag}> has no attribute {name!r}.")

    def encode(self, text: str) -> bytes:
        """Encode new text so that it fits into the document, whatever its (ASCII-based) encoding."""
        if self._encoding is None or self._encoding.upper() in {"UTF-8", "UTF8"}:
            return text.encode()
        return text.encode("ascii", "xmlcharrefreplace")

    def _fill(self) -> None:
        """Parse; the two handlers run for every tag, so they do the least that can be done."""
        elements = self.elements
        parser = expat.ParserCreate()
        # Attribute defaults from an internal subset would be invisible in the bytes.
        parser.specified_attributes = True
        parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        parser.XmlDeclHandler = self._declaration
        parser.StartDoctypeDeclHandler = _refuse_external_subset
        parser.EntityDeclHandler = _refuse_entity
        parser.ExternalEntityRefHandler = _refuse_external
        stack: list[Element] = []

        def start(tag: str, attributes: dict[str, str]) -> None:
            count = len(elements)
            if stack:
                parent = stack[-1]
                element = Element(tag, attributes, parent, count, parser.CurrentByteIndex)
                siblings = parent.child_list
                if siblings is None:
                    parent.child_list = [element]
                else:
                    siblings.append(element)
                if count >= MAX_ELEMENTS or len(stack) >= MAX_DEPTH:
                    _refuse_size(count)
            else:
                element = Element(tag, attributes, None, count, parser.CurrentByteIndex)
            elements.append(element)
            stack.append(element)

        def end(_tag: str) -> None:
            element = stack.pop()
            element.stop = len(elements)
            element.closing = parser.CurrentByteIndex

        parser.StartElementHandler = start
        parser.EndElementHandler = end
        try:
            parser.Parse(self.raw, True)
        except BridgeError:  # ours, from a handler; some are ValueErrors too
            raise
        except expat.ExpatError as error:
            raise _malformed(error) from error
        except (LookupError, ValueError) as error:  # an encoding that expat or Python does not know
            raise InvalidInputError(
                f"The XML cannot be read: {error}. Save the document as UTF-8.",
                reason=Reason.DOCUMENT_MALFORMED,
            ) from error

    def _declaration(self, _version: str, encoding: str | None, _standalone: int) -> None:
        self._encoding = encoding


def quote_attribute(value: str) -> str:
    """Write an attribute value with its quotes.

    Raises:
        InvalidInputError: A character that XML cannot hold.
    """
    illegal = _NOT_XML.search(value)
    if illegal is not None:
        raise InvalidInputError(
            f"{value!r} holds the character U+{ord(illegal[0]):04X}, which XML cannot hold. Rename it."
        )
    return f'"{value.translate(_ESCAPES)}"'


def apply_splices(raw: bytes, splices: Sequence[Splice]) -> bytes:
    """Replace byte ranges; several insertions at one place keep their order.

    Raises:
        InternalError: Two splices overlap.
    """
    pieces: list[bytes] = []
    position = 0
    for splice in sorted(splices, key=lambda each: (each.start, each.end)):
        if splice.start < position:
            raise InternalError(f"Two changes of the document overlap at byte {splice.start}.")
        pieces += (raw[position : splice.start], splice.replacement)
        position = splice.end
    pieces.append(raw[position:])
    return b"".join(pieces)


def _refuse(what: str) -> NoReturn:
    raise InvalidInputError(
        f"The document {what}. That can make a reader open other files or use up its memory, so it is "
        "not read. Export the timeline again from the editing program, or delete that declaration.",
        reason=Reason.DOCUMENT_UNSAFE,
    )


def _malformed(error: expat.ExpatError) -> InvalidInputError:
    cause = expat.ErrorString(error.code) or "not well-formed"
    return InvalidInputError(
        f"The XML cannot be read: {cause} at line {error.lineno}, column {error.offset + 1}. "
        "The file may have been cut short or edited by hand; export it again.",
        reason=Reason.DOCUMENT_MALFORMED,
        metadata={"line": str(error.lineno), "column": str(error.offset + 1)},
    )


def _refuse_size(count: int) -> NoReturn:
    if count >= MAX_ELEMENTS:
        _refuse(f"has more than {MAX_ELEMENTS:,} elements")
    _refuse(f"is nested more than {MAX_DEPTH} levels deep")


def _refuse_external_subset(_name: str, system: str | None, public: str | None, _has: int) -> None:
    if system is not None or public is not None:
        _refuse("refers to another file in its DOCTYPE")


def _refuse_entity(*_: object) -> None:
    _refuse("declares an entity")


def _refuse_external(*_: object) -> int:
    _refuse("refers to another file")
