"""An FCPXML document as it lies in the file: versions, resources, sequences; nothing is placed in time yet."""

from __future__ import annotations

from fractions import Fraction

from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.formats.fcpxml.times import parse_time
from interchange.formats.xml_splice import Element, XmlIndex
from interchange.model.media import Raster
from interchange.timebase import FrameRate

VERSIONS = tuple((1, minor) for minor in range(8, 15))
"""Versions read and patched; a patched document keeps its own."""

MEDIA_REP_VERSION = (1, 9)
"""From here on an asset names its file in a `media-rep`, and `videoSources` exists; before, in `src`."""

MAX_FRAMES_PER_SECOND = 1000
"""Far above any camera's cut; what says more is damaged or means harm."""


class FcpxmlDocument:
    """The indexed document.

    Args:
        raw: Its bytes.

    Raises:
        InvalidInputError: Not well-formed, unsafe, or without resources.
        UnsupportedError: Not FCPXML, or of a version not known.
    """

    def __init__(self, raw: bytes) -> None:
        self.xml = XmlIndex(raw)
        root = self.xml.root
        if root.tag != "fcpxml":
            raise UnsupportedError(
                f"This is no FCPXML document: its outermost element is <{root.tag}>. In Final Cut Pro "
                "use File > Export XML, in Resolve File > Export > Timeline > FCPXML.",
                reason=Reason.FORMAT_UNSUPPORTED,
            )
        self.version = _version(root.get("version"))
        resources = root.find("resources")
        if resources is None:
            raise InvalidInputError(
                "The document lists no resources, so it names no media. Export the timeline again.",
                reason=Reason.DOCUMENT_MALFORMED,
            )
        self.resources = resources
        self._times: dict[str, Fraction] = {}
        self._by_id: dict[str, Element] = {}
        for element in resources.children:
            identifier = element.get("id")
            if identifier is not None:
                self._by_id.setdefault(identifier, element)

    def time(self, element: Element, name: str) -> Fraction | None:
        """An attribute's time in seconds, None where it is not written.

        Raises:
            InvalidInputError: It is not a time.
        """
        text = element.attributes.get(name)
        if text is None:
            return None
        known = self._times.get(text)
        if known is None:
            try:
                known = parse_time(text)
            except InvalidInputError as error:
                raise InvalidInputError(
                    f"{name} of <{element.tag}> {element.get('name') or ''}: {error}",
                    reason=error.reason,
                ) from error
            self._times[text] = known
        return known

    def resource(self, element: Element, *, attribute: str = "ref") -> Element | None:
        """The resource an element refers to, None where it names none or one that is not there."""
        identifier = element.get(attribute)
        return None if identifier is None else self._by_id.get(identifier)

    def sequences(self) -> list[Element]:
        """Every sequence of the document: projects, and those inside compound clips."""
        return [element for element in self.xml.elements if element.tag == "sequence"]

    def frame_rate(self, element: Element) -> FrameRate | None:
        """The rate of the format an element names, None where it has none (stills)."""
        form = self.resource(element, attribute="format")
        if form is None:
            return None
        duration = self.time(form, "frameDuration")
        if duration is None:
            return predefined_rate(form.get("name"))
        if duration <= 0:
            return None
        rate = FrameRate.from_frame_duration(duration)
        if rate.fraction > MAX_FRAMES_PER_SECOND:
            raise UnsupportedError(
                f"The format {form.get('id')!r} says {rate} frames a second; nothing is cut above "
                f"{MAX_FRAMES_PER_SECOND}. Export the timeline again.",
                reason=Reason.FORMAT_UNSUPPORTED,
            )
        return rate

    def raster(self, element: Element) -> Raster | None:
        """Picture size of the format an element names."""
        form = self.resource(element, attribute="format")
        if form is None:
            return None
        width, height = form.get("width") or "", form.get("height") or ""
        if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
            return None
        return Raster(int(width), int(height), pixel_aspect(form))


def pixel_aspect(form: Element) -> Fraction:
    """Width of a pixel over its height, as a format states it."""
    across, down = form.get("paspH") or "1", form.get("paspV") or "1"
    if across.isdecimal() and down.isdecimal() and int(across) and int(down):
        return Fraction(int(across), int(down))
    return Fraction(1)


_RATE_OF_SUFFIX = {
    "2398": FrameRate(24000, 1001), "24": FrameRate(24), "25": FrameRate(25),
    "2997": FrameRate(30000, 1001), "30": FrameRate(30), "50": FrameRate(50),
    "5994": FrameRate(60000, 1001), "60": FrameRate(60),
}  # fmt: skip


def predefined_rate(name: str | None) -> FrameRate | None:
    """The rate of one of Final Cut Pro's own formats, such as `FFVideoFormat1080p2398`."""
    if name is None or not name.startswith("FFVideoFormat"):
        return None
    return _RATE_OF_SUFFIX.get(name.rpartition("p")[2])


def _version(text: str | None) -> tuple[int, int]:
    for version in VERSIONS:
        if text == f"{version[0]}.{version[1]}":
            return version
    raise UnsupportedError(
        f"FCPXML version {text or 'unknown'} is not known; 1.8 to 1.14 are. Choose one of those when exporting.",
        reason=Reason.FORMAT_UNSUPPORTED,
    )
