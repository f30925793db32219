"""The picture a take is delivered as: its size, its colour, and whether it can go under the original's framing."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from interchange.conform import fitted_box, reframed_raster
from interchange.errors import InvalidInputError, Reason, UnsupportedError
from interchange.model.directive import Aspect, Directive, JobKind
from interchange.model.media import BT709, ColourTags, Raster
from interchange.model.segment import Segment
from interchange.plan.sources import PlacedMedia

_BT709_CURVES = frozenset({1, 6, 14, 15})
"""Transfer code points of H.273 that stand for one and the same function."""


@dataclass(frozen=True, slots=True)
class DeliveredPicture:
    """What the take's file looks like.

    Args:
        raster: Picture size.
        colour: Nothing unspecified, at video levels.
        copy_framing: Whether the original clip's framing (conform, transform, crop) applies to it.
        notes: What was decided, one sentence each.
    """

    raster: Raster
    colour: ColourTags
    copy_framing: bool
    notes: tuple[str, ...] = ()


def delivered_picture(segment: Segment, placed: tuple[PlacedMedia, ...]) -> DeliveredPicture:
    """Decide the picture of a take from the media it comes from.

    Args:
        segment: For the sequence's raster, where the media do not decide.
        placed: One clip's media, the outgoing and incoming ones of a bridge, or none.

    Raises:
        UnsupportedError: `TARGET_UNSUPPORTED` where the media differ in colour, or where the sequence would
            have to decide and does not say its picture size.
        InvalidInputError: A reframe to no aspect, or to the one that the shot has.
    """
    if not placed:
        return DeliveredPicture(_sequence_raster(segment), BT709, copy_framing=False)
    if len(placed) == 1:
        media = placed[0]
        if segment.directive.verb is JobKind.REFRAME:
            return _reframed_picture(segment, media)
        return DeliveredPicture(media.facts.raster, media.delivered_colour, copy_framing=True)
    return _bridge_picture(segment, *placed)


def asked_aspect(directive: Directive) -> Aspect:
    """The aspect that a reframe is for.

    Raises:
        InvalidInputError: `DIRECTIVE_INVALID` where the editor did not say.
    """
    if directive.aspect is None:
        raise InvalidInputError(
            "A reframe needs the new frame. Write aspect= with it, such as aspect=9:16.",
            reason=Reason.DIRECTIVE_INVALID,
        )
    return directive.aspect


def same_look(one: ColourTags, two: ColourTags) -> bool:
    """Whether pictures of two colour spaces can stand side by side as they are; their matrix and levels may differ."""
    return _look(one) == _look(two)


def _reframed_picture(segment: Segment, media: PlacedMedia) -> DeliveredPicture:
    aspect, own = asked_aspect(segment.directive), media.facts.raster
    raster = reframed_raster(own, aspect)
    name, written = media.clip.name, f"{aspect.width}:{aspect.height}"
    if max(raster.width_px - own.width_px, raster.height_px - own.height_px) <= 1:
        raise InvalidInputError(
            f"{name!r} is {own}, which is {written} already. Write another aspect=, or take the mark out.",
            reason=Reason.DIRECTIVE_INVALID,
            metadata={"raster": str(own), "aspect": written},
        )
    box = fitted_box(own, raster)
    kept = (
        f"The take is {raster}: the {own} of {name!r} stay as they are at {box.x},{box.y}, and what is "
        "around them is made."
    )
    notes = (kept, _reframed_in_sequence(segment, name=name, aspect=aspect, written=written))
    return DeliveredPicture(raster, media.delivered_colour, copy_framing=False, notes=notes)


def _reframed_in_sequence(segment: Segment, *, name: str, aspect: Aspect, written: str) -> str:
    """How a reframed take lies in the sequence: fitted, as everything is that has no framing of its own."""
    alone = f"The transform and crop of {name!r} are not carried over."
    frame = segment.sequence.raster
    if frame is None:
        return f"In a sequence of {written} it frames exactly over the original; in another it is fitted. {alone}"
    shown = Fraction(frame.width_px, frame.height_px) * frame.pixel_aspect
    if shown == Fraction(aspect.width, aspect.height):
        return f"The sequence is {frame}, so the take fills it, exactly over the original. {alone}"
    return (
        f"The sequence is {frame}, so the take is fitted into it with bars; in a sequence of {written} it "
        f"fills the frame. {alone}"
    )


def _bridge_picture(
    segment: Segment, outgoing: PlacedMedia, incoming: PlacedMedia
) -> DeliveredPicture:
    if not same_look(outgoing.colour, incoming.colour):
        raise UnsupportedError(
            f"{outgoing.clip.name!r} is {_colour_name(outgoing.colour)} and {incoming.clip.name!r} is "
            f"{_colour_name(incoming.colour)}; a bridge between them would change colour half way. "
            "Convert one to the other's colour space first, or correct its tags.",
            reason=Reason.TARGET_UNSUPPORTED,
        )
    colour = outgoing.delivered_colour
    if outgoing.facts.raster == incoming.facts.raster:
        return DeliveredPicture(outgoing.facts.raster, colour, copy_framing=True)
    raster = _sequence_raster(segment)
    note = (
        f"{outgoing.clip.name!r} is {outgoing.facts.raster} and {incoming.clip.name!r} is "
        f"{incoming.facts.raster}; the bridge is made at the sequence's {raster}, without their framing."
    )
    return DeliveredPicture(raster, colour, copy_framing=False, notes=(note,))


def _sequence_raster(segment: Segment) -> Raster:
    raster = segment.sequence.raster
    if raster is None:
        raise UnsupportedError(
            f"The document does not say the picture size of {segment.sequence.name!r}, and this take needs "
            "it. Give the sequence a format with a width and a height.",
            reason=Reason.TARGET_UNSUPPORTED,
        )
    return raster


def _look(colour: ColourTags) -> tuple[int, int]:
    """What decides how R'G'B' looks; matrix and levels are undone in decoding."""
    return colour.primaries, 1 if colour.transfer in _BT709_CURVES else colour.transfer


def _colour_name(colour: ColourTags) -> str:
    primaries = {
        1: "BT.709",
        5: "BT.601 (625 lines)",
        6: "BT.601 (525 lines)",
        9: "BT.2020",
        12: "P3",
    }
    transfer = {16: " PQ", 18: " HLG"}
    gamut = primaries.get(colour.primaries, f"primaries {colour.primaries}")
    curve = "" if colour.transfer in _BT709_CURVES else f" transfer {colour.transfer}"
    return gamut + transfer.get(colour.transfer, curve)
