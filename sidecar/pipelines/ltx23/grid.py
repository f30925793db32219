"""Pixels and frames against latents: pure numbers, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from interchange.model.media import Raster
from sidecar.pipelines.ltx23.limits import SPATIAL_PX, TEMPORAL_FRAMES


def latent_frames(frame_count: int) -> int:
    """Latent frames that hold so many pictures; where the last would not be full, it is left out."""
    return (frame_count - 1) // TEMPORAL_FRAMES + 1


def on_latents(frame_count: int) -> int:
    """The most pictures, 8 k + 1, of so many that fill their latents; at least one."""
    return TEMPORAL_FRAMES * (latent_frames(frame_count) - 1) + 1


@dataclass(frozen=True, slots=True)
class LatentGrid:
    """A canvas in latents.

    Args:
        frames: Latent frames; the first holds one picture, each other one eight.
        height: Latent rows.
        width: Latent columns.
    """

    frames: int
    height: int
    width: int

    @classmethod
    def of(cls, frame_count: int, raster: Raster) -> LatentGrid:
        """The grid of a canvas.

        Args:
            frame_count: Pictures, 8 k + 1.
            raster: Picture size, both sides a multiple of 32.

        Raises:
            ValueError: It is not on the grid; the planner should have padded it.
        """
        if (frame_count - 1) % TEMPORAL_FRAMES or raster.width_px % SPATIAL_PX or (
            raster.height_px % SPATIAL_PX
        ):  # fmt: skip
            raise ValueError(f"{frame_count} pictures of {raster} are not on the latent grid")
        return cls(
            latent_frames(frame_count),
            raster.height_px // SPATIAL_PX,
            raster.width_px // SPATIAL_PX,
        )

    @property
    def tokens(self) -> int:
        """Tokens of the canvas: one a latent."""
        return self.frames * self.height * self.width

    @property
    def frame_count(self) -> int:
        """Pictures of the canvas."""
        return TEMPORAL_FRAMES * (self.frames - 1) + 1

    @property
    def raster(self) -> Raster:
        """Picture size of the canvas."""
        return Raster(self.width * SPATIAL_PX, self.height * SPATIAL_PX)


def audio_latents(frame_count: int, frame_rate: float) -> int:
    """Audio latents over so many pictures: 25 a second, rounded as the model was trained."""
    return round(frame_count / frame_rate * 25.0)
