"""One take from its first canvas to its last picture, whatever is asked first: its sound or its pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sidecar.pipelines.base import (
    CancelCheck,
    EngineJob,
    Picture,
    ProgressCallback,
    Sound,
    stop_if,
)
from sidecar.pipelines.ltx23.canvas import Canvas
from sidecar.pipelines.ltx23.effort import Effort
from sidecar.pipelines.ltx23.finishing import finished_pictures
from sidecar.pipelines.ltx23.generation import CanvasMaker, Made, Shot
from sidecar.pipelines.ltx23.making import Making
from sidecar.pipelines.ltx23.phases import Phases
from sidecar.pipelines.ltx23.soundtrack import Soundtrack
from sidecar.pipelines.ltx23.workshop import Workshop


@dataclass(slots=True)
class TakeRun:
    """A take in the making. Latents are kept: pictures asked for after the sound are only decoded.

    Args:
        job: What is asked.
        making: How it is made.
        canvases: In rising order.
        reference_downscale: What an IC-LoRA's reference is divided by.
        workshop: Has the model.
        effort: Counts the work.
        with_sound: New sound is wanted.
    """

    job: EngineJob
    making: Making
    canvases: tuple[Canvas, ...]
    reference_downscale: int
    workshop: Workshop
    effort: Effort
    with_sound: bool
    _made: list[Made] = field(default_factory=list)
    _track: Soundtrack | None = None

    def __post_init__(self) -> None:
        self._track = Soundtrack(self.job) if self.with_sound else None

    def sound(self, progress: ProgressCallback, cancelled: CancelCheck) -> Sound | None:
        """The take's new sound over `made_range`; None where it was started without."""
        shot = self._shot(progress, cancelled)
        before: dict[int, Picture] = {}
        for number in range(len(self.canvases)):
            made = self._canvas(shot, number, before)
            if number + 1 < len(self.canvases):
                before = self._last_pictures(shot, number, made, before)
        return None if self._track is None else self._track.finished()

    def pictures(self, progress: ProgressCallback, cancelled: CancelCheck) -> Iterator[Picture]:
        """The take's pictures, one for each frame of `made_range`."""
        shot = self._shot(progress, cancelled)
        before: dict[int, Picture] = {}
        for number, canvas in enumerate(self.canvases):
            made = self._canvas(shot, number, before)
            shared = self._shared(number)
            tell = shot.phases.of("decoding", number)
            tell(0, canvas.deliver.length)
            # A window that made fewer frames than are shared hands some of those before it on.
            following = _within(before, shared)
            for record_frame, picture in self._decoded(shot, number, made, before):
                if record_frame in shared:
                    # what was yielded is not ours any more
                    following[record_frame] = picture.copy()
                if record_frame in canvas.deliver:
                    yield picture
                    tell(record_frame + 1 - canvas.deliver.start, canvas.deliver.length)
            before = following

    def _shot(self, progress: ProgressCallback, cancelled: CancelCheck) -> Shot:
        checkpoint: Callable[[], None] = lambda: stop_if(cancelled)  # noqa: E731 - typed so
        checkpoint()
        return Shot(
            job=self.job,
            making=self.making,
            canvases=self.canvases,
            reference_downscale=self.reference_downscale,
            phases=Phases(progress, len(self.canvases)),
            checkpoint=checkpoint,
            effort=self.effort,
        )

    def _canvas(self, shot: Shot, number: int, before: dict[int, Picture]) -> Made:
        """The latents of a canvas, made once."""
        if number == len(self._made):
            self._made.append(
                self.workshop.attempt(
                    lambda runtime: CanvasMaker(
                        shot, runtime, number, before=before, track=self._track
                    ).make()
                )
            )
        return self._made[number]

    def _decoded(
        self, shot: Shot, number: int, made: Made, before: dict[int, Picture]
    ) -> Iterator[tuple[int, Picture]]:
        """`finished_pictures`, gone on with where memory ran out on the way."""
        yield from self.workshop.attempt_stream(
            lambda runtime: finished_pictures(shot, runtime, number, made, before=before)
        )

    def _last_pictures(
        self, shot: Shot, number: int, made: Made, before: dict[int, Picture]
    ) -> dict[int, Picture]:
        """What the next canvas goes on from."""
        shared = self._shared(number)
        tell = shot.phases.of("decoding shared frames", number)
        tell(0, 1)
        kept = _within(before, shared)
        kept.update(
            (record_frame, picture)
            for record_frame, picture in self._decoded(shot, number, made, before)
            if record_frame in shared
        )
        tell(1, 1)
        return kept

    def _shared(self, number: int) -> range:
        following = self.canvases[number + 1 : number + 2]
        return following[0].head.frames if following else range(0)


def _within(pictures: dict[int, Picture], frames: range) -> dict[int, Picture]:
    return {
        record_frame: picture
        for record_frame, picture in pictures.items()
        if record_frame in frames
    }
