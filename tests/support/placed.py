"""Where takes lie in a delivered FCPXML, read with ElementTree and none of the product's own document code."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from fractions import Fraction
from pathlib import Path


def seconds(text: str) -> Fraction:
    return Fraction(text.removesuffix("s"))


def placed_takes(document: Path) -> list[tuple[Path, Fraction, Fraction, Fraction]]:
    """(media, record start, duration, source offset), in seconds, of every take, read with ElementTree."""
    root = ET.parse(document).getroot()  # noqa: S314 - our own file
    assets = {asset.get("id"): asset for asset in root.iter("asset")}
    takes = []
    for host in root.find(".//spine"):
        for clip in host.findall("asset-clip"):
            asset = assets[clip.get("ref")]
            media = Path(
                asset.find("media-rep").get("src").removeprefix("file://").replace("%20", " ")
            )
            into_host = seconds(clip.get("offset")) - seconds(host.get("start", "0s"))
            takes.append(
                (
                    media,
                    seconds(host.get("offset")) + into_host,
                    seconds(clip.get("duration")),
                    seconds(clip.get("start")) - seconds(asset.get("start")),
                )
            )
    return takes
