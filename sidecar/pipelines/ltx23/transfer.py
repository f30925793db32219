"""Pictures to the device and back; with CUDA through pinned memory, beside the computation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from sidecar.pipelines.base import Picture


def on_device(pictures: NDArray[np.float32], device: torch.device) -> torch.Tensor:
    """Copy pictures to the device; the caller may change its own at once.

    Args:
        pictures: float32 [F, H, W, 3]; any layout, read-only or not.
        device: Where to.

    Returns:
        float32 [F, H, W, 3], contiguous, on the device in the order of the current stream.
    """
    cuda = device.type == "cuda"
    host = torch.empty(pictures.shape, dtype=torch.float32, pin_memory=cuda)
    np.copyto(host.numpy(), pictures)
    # torch keeps a pinned block until the copies that read it are over
    return host.to(device, non_blocking=cuda)


def on_host(
    frames: torch.Tensor, *, transform: Callable[[torch.Tensor], torch.Tensor]
) -> Iterator[Picture]:
    """Pictures of a tensor, one by one; with CUDA the next one is on its way while the caller has the last.

    Args:
        frames: float32 [3, F, H, W], made on the current stream.
        transform: Of one frame [3, H, W] to a picture [H, W, 3], on the device.

    Yields:
        float32 [H, W, 3], contiguous, the caller's own.
    """
    if frames.device.type != "cuda":
        for index in range(frames.shape[1]):
            yield _copied(frames[:, index], transform).cpu().numpy()
        return
    # beside whatever is asked of the device next
    stream = torch.cuda.Stream(frames.device)  # type: ignore[no-untyped-call]
    stream.wait_stream(torch.cuda.current_stream(frames.device))
    coming: tuple[torch.Tensor, torch.cuda.Event] | None = None
    for index in range(frames.shape[1]):
        following = _sent(frames[:, index], transform, stream)
        if coming is not None:
            yield _arrived(*coming)
        coming = following
    if coming is not None:
        yield _arrived(*coming)


@torch.inference_mode()
def _copied(frame: torch.Tensor, transform: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
    return transform(frame).contiguous()


@torch.inference_mode()
def _sent(
    frame: torch.Tensor,
    transform: Callable[[torch.Tensor], torch.Tensor],
    stream: torch.cuda.Stream,
) -> tuple[torch.Tensor, torch.cuda.Event]:
    """Start a copy into pinned memory, and an event that says when it is there."""
    with torch.cuda.stream(stream):
        picture = transform(frame).contiguous()
        host = torch.empty(picture.shape, dtype=torch.float32, pin_memory=True)
        host.copy_(picture, non_blocking=True)
        frame.record_stream(stream)  # its memory was another stream's and may be let go before
        event = torch.cuda.Event()  # type: ignore[no-untyped-call]
        event.record(stream)
    return host, event


def _arrived(host: torch.Tensor, event: torch.cuda.Event) -> Picture:
    event.synchronize()
    # Pinned memory goes round between two pictures, whoever keeps this one.
    return host.numpy().copy()
