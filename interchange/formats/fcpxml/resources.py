"""New entries of the resource list: the asset of a take and, where none fits, its format."""

from __future__ import annotations

from fractions import Fraction
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from interchange.formats.fcpxml.document import MEDIA_REP_VERSION, FcpxmlDocument, pixel_aspect
from interchange.formats.fcpxml.times import write_time
from interchange.formats.xml_splice import Element, quote_attribute
from interchange.model.take import Placement, Take
from interchange.timebase import FrameRate

REC_709 = "1-1-1 (Rec. 709)"
"""BT.709 as a format states it."""


def file_name(url: str) -> str:
    """The name of the file a URL or path links to, with its extension."""
    path = unquote(urlsplit(url).path) if "://" in url else url
    return PurePosixPath(path.replace("\\", "/")).name or "take"


class NewResources:
    """Collects what has to be added to the resource list.

    Args:
        document: The document they are added to.
    """

    def __init__(self, document: FcpxmlDocument) -> None:
        self.entries: list[list[str]] = []
        self._document = document
        # xml:id-like: unique over the whole document, so that of titles' text styles counts as well.
        self._taken = {
            identifier
            for element in document.xml.elements
            if (identifier := element.attributes.get("id")) is not None
        }
        self._formats = [each for each in document.resources.children if each.tag == "format"]
        self._count = 0
        self._new_formats: dict[tuple[FrameRate, int, int, Fraction, str], str] = {}

    def add_asset(self, placement: Placement, colour_space: str) -> tuple[str, str]:
        """Add the asset of a take.

        Args:
            placement: The take and its link.
            colour_space: As a format states it, empty where it is not to be stated.

        Returns:
            The ids of the asset and of its format.
        """
        take = placement.take
        form = self._format(take, colour_space)
        identifier = self._new_id()
        has_sound = take.audio_channels > 0
        media_rep = self._document.version >= MEDIA_REP_VERSION
        attributes = {
            "id": identifier,
            "name": file_name(placement.url),
            **({} if media_rep else {"src": placement.url}),
            "start": write_time(take.media_range.start_seconds),
            "duration": write_time(take.media_range.duration_seconds),
            "hasVideo": "1",
            "format": form,
            **({"hasAudio": "1"} if has_sound else {}),
            **({"videoSources": "1"} if media_rep else {}),
        }
        if has_sound:
            attributes |= {
                "audioSources": "1",
                "audioChannels": str(take.audio_channels),
                "audioRate": str(take.audio_sample_rate_hz),
            }
        if media_rep:
            link = write_tag("media-rep", {"kind": "original-media", "src": placement.url})
            self.entries.append([write_tag("asset", attributes, close=False), link, "</asset>"])
        else:
            self.entries.append([write_tag("asset", attributes)])
        return identifier, form

    def _format(self, take: Take, colour: str) -> str:
        rate, raster = take.media_range.rate, take.raster
        for element in self._formats:
            if self._fits(element, take, colour):
                return element.attributes["id"]
        key = (rate, raster.width_px, raster.height_px, raster.pixel_aspect, colour)
        known = self._new_formats.get(key)
        if known is not None:
            return known
        identifier = self._new_formats[key] = self._new_id()
        attributes = {
            "id": identifier,
            "frameDuration": write_time(rate.frame_duration),
            "width": str(raster.width_px),
            "height": str(raster.height_px),
        }
        if raster.pixel_aspect != 1:
            attributes["paspH"] = str(raster.pixel_aspect.numerator)
            attributes["paspV"] = str(raster.pixel_aspect.denominator)
        if colour:
            attributes["colorSpace"] = colour
        self.entries.append([write_tag("format", attributes)])
        return identifier

    def _fits(self, form: Element, take: Take, colour: str) -> bool:
        if not form.get("id") or any(
            form.get(name) for name in ("fieldOrder", "projection", "stereoscopic")
        ):
            return False
        duration = self._document.time(form, "frameDuration")
        return (
            duration == take.media_range.rate.frame_duration
            and form.get("width") == str(take.raster.width_px)
            and form.get("height") == str(take.raster.height_px)
            and pixel_aspect(form) == take.raster.pixel_aspect
            and (form.get("colorSpace") or "") == colour
        )

    def _new_id(self) -> str:
        while True:
            self._count += 1
            identifier = f"ltx{self._count}"
            if identifier not in self._taken:
                self._taken.add(identifier)
                return identifier


def write_tag(tag: str, attributes: dict[str, str], *, close: bool = True) -> str:
    """Write a start tag, or a whole element without content."""
    written = "".join(f" {name}={quote_attribute(value)}" for name, value in attributes.items())
    return f"<{tag}{written}{'/' if close else ''}>"
