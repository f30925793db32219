"""Who lies above whom: finds a lane directly above a clip and makes room where there is none.

Everything that hangs on the primary storyline has one lane there, whatever it hangs on, and two things that
overlap in time should not share a lane. What hangs on a connected clip moves with it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from fractions import Fraction

from interchange.errors import Reason, UnsupportedError
from interchange.formats.fcpxml.timeline import Connection

MAX_LANE = 1_000

_Span = tuple[Fraction, Fraction]


@dataclass(eq=False, slots=True)
class Occupant:
    """Something on a lane: an original connection or a new take.

    Args:
        lane: Its lane now.
        spans: What it covers, in seconds of the sequence.
        original: The original it stands for, None for a take.
        above: For a take: what its clip belongs to, None for the primary storyline.
        is_picture_take: Whether it is a take that was put above a clip.
    """

    lane: int
    spans: list[_Span]
    original: Connection | None = None
    above: Connection | None = None
    is_picture_take: bool = False

    def overlaps(self, spans: list[_Span]) -> bool:
        """Whether it shares an instant with any of the spans."""
        return any(a < d and c < b for a, b in self.spans for c, d in spans)


_Entry = tuple[Fraction, int, Fraction, Occupant]


def _start(entry: _Entry) -> Fraction:
    return entry[0]


@dataclass(slots=True)
class _Lane:
    """The occupants of one lane by the start of each of their spans."""

    entries: list[_Entry] = field(default_factory=list)
    longest: Fraction = Fraction(0)
    count: int = 0

    def add(self, occupant: Occupant) -> None:
        for start, end in occupant.spans:
            self.count += 1
            insort(self.entries, (start, self.count, end, occupant))
            self.longest = max(self.longest, end - start)

    def remove(self, occupant: Occupant) -> None:
        self.entries = [entry for entry in self.entries if entry[3] is not occupant]

    def overlapping(self, spans: list[_Span]) -> list[Occupant]:
        """Occupants that share an instant with the spans, each once, by start."""
        found: dict[int, Occupant] = {}
        for start, end in spans:
            place = bisect_left(self.entries, start - self.longest, key=_start)
            while place < len(self.entries) and self.entries[place][0] < end:
                entry = self.entries[place]
                if entry[2] > start:
                    found[id(entry[3])] = entry[3]
                place += 1
        return list(found.values())


class LaneStack:
    """The lanes of one sequence.

    Args:
        connections: What hangs on its primary storyline.
    """

    def __init__(self, connections: list[Connection]) -> None:
        self._lanes: dict[int, _Lane] = {}
        self._originals = [
            Occupant(connection.lane, connection.spans, original=connection)
            for connection in connections
        ]
        self._of_connection = {id(occupant.original): occupant for occupant in self._originals}
        for occupant in self._originals:
            self._lane(occupant.lane).add(occupant)

    def place_above(self, base: Connection | None, span: _Span) -> Occupant:
        """Put a take directly above a clip; what is in the way, and what lies on that, moves up one.

        Args:
            base: What the clip belongs to, None for the primary storyline.
            span: What the take covers.

        Raises:
            UnsupportedError: The clip lies below the primary storyline and the next lane is taken, or there
                are too many lanes.
        """
        base_lane = 0 if base is None else self._of_connection[id(base)].lane
        # Takes of one clip lie on each other in the order they were made, whatever lanes lie between.
        own = [
            each
            for number, entries in self._lanes.items()
            if number > base_lane
            for each in entries.overlapping([span])
            if each.is_picture_take and each.above is base
        ]
        lane = 1 + max((each.lane for each in own), default=base_lane)
        if base_lane < 0 and (lane >= 0 or self._lane(lane).overlapping([span])):
            raise UnsupportedError(
                "The clip lies below the primary storyline and no lane is free directly above it, so a "
                "take could not be seen in its place. Move the clip above the primary storyline, or into it.",
                reason=Reason.TARGET_UNSUPPORTED,
            )
        take = Occupant(lane, [span], above=base, is_picture_take=True)
        # Also what lies beside an earlier take but above the clip must come to lie above this one.
        for number in range(base_lane + 1, lane + 1):
            self._make_room(number, take, own)
        self._lane(lane).add(take)
        return take

    def place_sound(self, span: _Span) -> Occupant:
        """Put sound on the first free lane below the primary storyline."""
        lane = -1
        while self._lane(lane).overlapping([span]):
            lane -= 1
        sound = Occupant(lane, [span])
        self._lane(lane).add(sound)
        return sound

    def raised(self) -> list[Occupant]:
        """Originals that are not on their lane any more."""
        return [
            occupant
            for occupant in self._originals
            if occupant.original is not None and occupant.lane != occupant.original.lane
        ]

    def _make_room(self, lane_number: int, newcomer: Occupant, own: list[Occupant]) -> None:
        """Raise what lies on a lane in the newcomer's time, but `own`; then what those now lie on, and so on up."""
        movers = [newcomer]
        while movers:
            lane = self._lane(lane_number)
            raised: list[Occupant] = []
            pending = movers
            staying = {id(occupant) for occupant in (*movers, *own)}
            while pending:
                # What already shared this lane and time goes along, so that no order is made up for it.
                met = [
                    occupant
                    for mover in pending
                    for occupant in lane.overlapping(mover.spans)
                    if id(occupant) not in staying
                ]
                pending = list({id(occupant): occupant for occupant in met}.values())
                staying |= {id(occupant) for occupant in pending}
                raised += pending
            if raised and lane_number >= MAX_LANE:
                raise UnsupportedError(
                    f"There are clips on {MAX_LANE} lanes above this one; there is no room for a take.",
                    reason=Reason.TARGET_UNSUPPORTED,
                )
            lane_number += 1
            for occupant in raised:
                lane.remove(occupant)
                occupant.lane = lane_number
            movers = raised
            above = self._lane(lane_number)
            for occupant in raised:
                above.add(occupant)

    def _lane(self, lane: int) -> _Lane:
        return self._lanes.setdefault(lane, _Lane())
