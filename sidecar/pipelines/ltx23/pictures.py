"""Pictures to latents and back: whole or in tiles, streamed in order, copied while the next are made.

Tiling is our own and not diffusers' `enable_tiling`: that one is a switch on a module shared by everybody,
decodes everything before the first picture comes out, cannot be cancelled on the way, and blends thin last tiles.

What tiles cost: a tile cannot see past its own edge, and the decoder looks both ways in space and time. The
ramps give a place the less weight the nearer it is to a tile's edge; what is left is measured against the whole
in `tests/unit/ltx23/test_ltx_pictures.py`. In one tile nothing is lost: the result is diffusers' own.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from diffusers.models.autoencoders.autoencoder_kl_ltx2 import AutoencoderKLLTX2Video
from numpy.typing import NDArray

from interchange.model.media import Raster
from sidecar.pipelines.base import Picture
from sidecar.pipelines.ltx23.ahead import made_ahead
from sidecar.pipelines.ltx23.grid import LatentGrid, latent_frames
from sidecar.pipelines.ltx23.limits import SPATIAL_PX, TEMPORAL_FRAMES
from sidecar.pipelines.ltx23.sanity import check_numbers
from sidecar.pipelines.ltx23.tiles import Span, TileSize, spans, weights
from sidecar.pipelines.ltx23.transfer import on_device, on_host

_UPLOADED_AT_ONCE = 8
"""Pictures on their way to the device at a time: pinned memory is scarce."""
_COLOURS_AT_ONCE = 32
"""Canvases of 64 x 64 pixels: together less than a small picture."""


@dataclass(frozen=True, slots=True)
class _Tiling:
    """The tiles of one canvas, in latents: every time span has all rows, each with all columns."""

    times: tuple[Span, ...]
    rows: tuple[Span, ...]
    columns: tuple[Span, ...]

    @classmethod
    def of(cls, grid: LatentGrid, size: TileSize | None) -> _Tiling:
        """Cut a canvas; into one tile where there is no size."""
        if size is None:
            return cls((Span(0, grid.frames),), (Span(0, grid.height),), (Span(0, grid.width),))
        overlap = size.overlap_px // SPATIAL_PX
        return cls(
            spans(
                grid.frames,
                size=latent_frames(size.frames),
                # one more: a span's first latent gives a single picture, the last of its eight
                overlap=size.overlap_frames // TEMPORAL_FRAMES + 1,
            ),
            spans(grid.height, size=size.height_px // SPATIAL_PX, overlap=overlap),
            spans(grid.width, size=size.width_px // SPATIAL_PX, overlap=overlap),
        )

    @property
    def places(self) -> tuple[tuple[int, int], ...]:
        """Indices of (row, column) within a time span, in reading order."""
        return tuple(
            (row, column) for row in range(len(self.rows)) for column in range(len(self.columns))
        )

    @property
    def count(self) -> int:
        """Tiles in all."""
        return len(self.times) * len(self.places)


class _TileDone:
    """Between two tiles: the moment to look up and see whether anybody still wants this."""


_TILE_DONE = _TileDone()


class VideoCodec:
    """The video VAE as the jobs see it: pictures on one side, normalised latents on the other.

    Holds no state of its own and switches nothing on in the VAE: the same module serves any number of codecs.

    Args:
        vae: On `device`, in eval mode.
        device: Where it computes.
        dtype: In which it computes; latents and pictures are float32 at this door.
        tile: The most to give it at once; None for whole canvases.
    """

    def __init__(
        self,
        vae: AutoencoderKLLTX2Video,
        *,
        device: torch.device,
        dtype: torch.dtype,
        tile: TileSize | None = None,
    ) -> None:
        self._vae = cast("Any", vae)  # diffusers' modules are untyped
        self._device = device
        self._dtype = dtype
        self._tile = tile

    @property
    def latent_channels(self) -> int:
        """Channels of a latent, C."""
        return int(self._vae.config.latent_channels)

    def encode(
        self, pictures: NDArray[np.float32], *, checkpoint: Callable[[], None]
    ) -> torch.Tensor:
        """Pictures to normalised latents: the mode of the posterior, so that nothing is drawn.

        Args:
            pictures: float32 [F, H, W, 3], R'G'B', F = 8 k + 1, H and W multiples of 32. What lies outside 0..1
                is clipped: the model has never seen it.
            checkpoint: Called before each tile; raises to stop.

        Returns:
            float32 [1, C, f, h, w] on the codec's device.

        Raises:
            InvalidInputError: The model made no numbers.
            ValueError: The pictures are not on the latent grid.
        """
        frame_count, height, width, _ = pictures.shape
        grid = LatentGrid.of(frame_count, Raster(width, height))
        tiling = _Tiling.of(grid, self._tile)
        latents = torch.zeros(
            (1, self.latent_channels, grid.frames, grid.height, grid.width), device=self._device
        )
        for index in range(len(tiling.times)):
            for place in tiling.places:
                checkpoint()
                self._encode_tile(pictures, latents, tiling, index, place)
        check_numbers(latents, "latents of context")
        return self._normalised(latents)

    @torch.inference_mode()
    def _encode_tile(
        self,
        pictures: NDArray[np.float32],
        latents: torch.Tensor,
        tiling: _Tiling,
        index: int,
        place: tuple[int, int],
    ) -> None:
        """Add what one tile gives to the raw latents [1, C, f, h, w]."""
        time = tiling.times[index]
        # The encoder looks back in time only, so that the earlier tile knows the shared latents best and the later
        # one goes on where it ends.
        first = tiling.times[index - 1].end if index else 0
        row, column = (tiling.rows[place[0]], tiling.columns[place[1]])
        seen = pictures[
            _frames(time).slice, row.scaled(SPATIAL_PX).slice, column.scaled(SPATIAL_PX).slice
        ]
        encoded = self._vae.encode(self._model_pictures(seen)).latent_dist.mode().float()
        window = latents[:, :, first : time.end, row.slice, column.slice]
        window += encoded[:, :, first - time.start :] * self._place_weights(tiling, place, 1)

    def _model_pictures(self, pictures: NDArray[np.float32]) -> torch.Tensor:
        """[F, H, W, 3] as [1, 3, F, H, W], 0..1 as -1..1, in the model's dtype on its device."""
        frame_count, height, width, _ = pictures.shape
        canvas = torch.empty(
            (1, 3, frame_count, height, width), dtype=self._dtype, device=self._device
        )
        for start in range(0, frame_count, _UPLOADED_AT_ONCE):
            some = on_device(pictures[start : start + _UPLOADED_AT_ONCE], self._device)
            coded = some.clamp_(0.0, 1.0).mul_(2.0).sub_(1.0)
            canvas[0, :, start : start + len(coded)] = coded.permute(3, 0, 1, 2)
        return canvas

    def decode(
        self,
        latents: torch.Tensor,
        *,
        checkpoint: Callable[[], None],
        progress: Callable[[int, int], None],
    ) -> Iterator[Picture]:
        """Normalised latents to pictures, in order, as they come.

        On a GPU a thread decodes and copies up to one time span ahead while the caller is busy with a picture.
        The device holds the pictures of one time span and of an overlap, this machine those of another span.

        Args:
            latents: float32 [1, C, f, h, w], on any device.
            checkpoint: Called before each tile, on the caller's thread; raises to stop.
            progress: Told (tiles done, tiles in all), likewise.

        Yields:
            float32 [H, W, 3], R'G'B', finite, each the caller's own. What the model makes below 0 or above 1
            is kept.

        Raises:
            InvalidInputError: The model made no numbers.
        """
        _, _, frames, height, width = latents.shape
        tiling = _Tiling.of(LatentGrid(frames, height, width), self._tile)
        done = 0
        checkpoint()
        with closing(self._stream(latents, tiling)) as stream:
            for thing in stream:
                if isinstance(thing, _TileDone):
                    done += 1
                    progress(done, tiling.count)
                    if done < tiling.count:
                        checkpoint()
                else:
                    yield thing

    def mean_colours(
        self, latents: torch.Tensor, *, checkpoint: Callable[[], None]
    ) -> torch.Tensor:
        """What colour a picture has on the whole that is made of one latent everywhere.

        Args:
            latents: float32 [N, C], normalised.
            checkpoint: Called now and then; raises to stop.

        Returns:
            float32 [N, 3] on the CPU, R'G'B'.
        """
        colours = []
        for start in range(0, len(latents), _COLOURS_AT_ONCE):
            checkpoint()
            colours.append(self._mean_colours(latents[start : start + _COLOURS_AT_ONCE]))
        return torch.cat(colours)

    @torch.inference_mode()
    def _mean_colours(self, latents: torch.Tensor) -> torch.Tensor:
        canvases = latents[:, :, None, None, None].expand(-1, -1, 1, 2, 2)
        raw = self._denormalised(canvases).to(self._dtype)
        decoded: torch.Tensor = self._vae.decode(raw, None, return_dict=False)[0].float()
        return decoded.mean(dim=(2, 3, 4)).mul_(0.5).add_(0.5).cpu().clone()

    def _stream(
        self, latents: torch.Tensor, tiling: _Tiling
    ) -> Generator[Picture | _TileDone, None, None]:
        """Pictures and what happens between them; made ahead where there is a GPU to keep busy."""
        if self._device.type != "cuda":
            return self._made(latents, tiling)
        stream = torch.cuda.current_stream(self._device)

        def made() -> Iterator[Picture | _TileDone]:
            torch.cuda.set_stream(stream)  # this thread's, and with it the device
            for thing in self._made(latents, tiling):
                if isinstance(thing, _TileDone):
                    stream.synchronize()  # a tile is done when the device says so, not when asked for
                yield thing

        span = len(tiling.places) + _frames(tiling.times[0]).length
        return made_ahead(made, most_waiting=span)

    def _made(
        self, latents: torch.Tensor, tiling: _Tiling
    ) -> Generator[Picture | _TileDone, None, None]:
        for thing in self._chunks(latents, tiling):
            if isinstance(thing, torch.Tensor):
                yield from on_host(thing, transform=_pictures)
            else:
                yield thing
            del thing  # it is large, and the next one is about to be made

    def _chunks(
        self, latents: torch.Tensor, tiling: _Tiling
    ) -> Generator[torch.Tensor | _TileDone, None, None]:
        """Pictures of -1..1, float32 [3, F, H, W], as soon as no further tile touches them."""
        raw = self._denormalised(latents)
        times = tuple(_frames(time) for time in tiling.times)
        carried: torch.Tensor | None = None
        for index, (time, weight) in enumerate(zip(times, weights(times), strict=True)):
            canvas: torch.Tensor | None = None
            for place in tiling.places:
                canvas = self._decode_tile(raw, canvas, tiling, tiling.times[index], place)
                yield _TILE_DONE
            assert canvas is not None  # noqa: S101 - every tiling has a tile
            end = times[index + 1].start if index + 1 < len(times) else time.end
            carried, finished = self._joined(carried, canvas, weight, end - time.start)
            del canvas
            yield finished
            del finished  # a view of the canvas: the next one takes its place

    @torch.inference_mode()
    def _decode_tile(
        self,
        raw: torch.Tensor,
        canvas: torch.Tensor | None,
        tiling: _Tiling,
        time: Span,
        place: tuple[int, int],
    ) -> torch.Tensor:
        """Decode one tile into the canvas [3, F, H, W] of its time span."""
        row, column = (tiling.rows[place[0]], tiling.columns[place[1]])
        seen = raw[:, :, time.slice, row.slice, column.slice].to(self._dtype)
        decoded: torch.Tensor = self._vae.decode(seen, None, return_dict=False)[0][0].float()
        check_numbers(decoded, "pictures")
        if len(tiling.places) == 1:
            return decoded
        if canvas is None:
            size = (tiling.rows[-1].end * SPATIAL_PX, tiling.columns[-1].end * SPATIAL_PX)
            canvas = torch.zeros((*decoded.shape[:2], *size), device=self._device)
        window = canvas[:, :, row.scaled(SPATIAL_PX).slice, column.scaled(SPATIAL_PX).slice]
        window += decoded.mul_(self._place_weights(tiling, place, SPATIAL_PX))
        return canvas

    @torch.inference_mode()
    def _joined(
        self,
        carried: torch.Tensor | None,
        canvas: torch.Tensor,
        weight: NDArray[np.float32],
        finished: int,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Blend a time span with what the last left over: (left over [3, .., H, W], pictures [3, F, H, W])."""
        for frame in np.flatnonzero(weight != 1.0):
            canvas[:, frame] *= float(weight[frame])
        if carried is not None:
            canvas[:, : carried.shape[1]] += carried
        return canvas[:, finished:].clone(), canvas[:, :finished]

    def _place_weights(self, tiling: _Tiling, place: tuple[int, int], scale: int) -> torch.Tensor:
        """How much a tile counts at each of its places, [h, w], in units of which a latent has `scale`."""
        rows, columns = (
            weights(tuple(part.scaled(scale) for part in axis))[index]
            for axis, index in zip((tiling.rows, tiling.columns), place, strict=True)
        )
        return torch.from_numpy(rows[:, None] * columns[None, :]).to(self._device)

    def _normalised(self, latents: torch.Tensor) -> torch.Tensor:
        # not under inference_mode: others may change these latents in place
        mean, std, factor = self._statistics()
        return (latents - mean) * factor / std

    @torch.inference_mode()
    def _denormalised(self, latents: torch.Tensor) -> torch.Tensor:
        mean, std, factor = self._statistics()
        return latents.to(self._device, torch.float32) * std / factor + mean

    def _statistics(self) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Mean and deviation of the latents the model was trained on, each [1, C, 1, 1, 1], and a factor."""
        vae = self._vae
        mean, std = (
            value.to(self._device, torch.float32).view(1, -1, 1, 1, 1)
            for value in (vae.latents_mean, vae.latents_std)
        )
        return mean, std, float(vae.config.scaling_factor)


def _frames(time: Span) -> Span:
    """The pictures that a span of latents decodes to: its first latent gives only the last of its eight."""
    return Span(time.start * TEMPORAL_FRAMES, (time.end - 1) * TEMPORAL_FRAMES + 1)


def _pictures(frame: torch.Tensor) -> torch.Tensor:
    """[3, H, W], -1..1, as a picture [H, W, 3], 0..1, finite."""
    coded = torch.nan_to_num(frame, posinf=1.0, neginf=-1.0)
    return coded.mul_(0.5).add_(0.5).permute(1, 2, 0)
