"""Gemma 3, the text encoder, as the one who looks at pictures and proposes a prompt.

Greedy decoding: the same pictures give the same words, and no random generator is touched, this process's own
least of all.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from transformers import Gemma3ForConditionalGeneration, GenerationConfig

from interchange.errors import ExhaustedError, Reason, UnsupportedError
from interchange.model.directive import JobKind
from sidecar.models.checkpoint import Checkpoint
from sidecar.pipelines.base import Picture
from sidecar.pipelines.ltx23.caption_words import instructions, proposal
from sidecar.pipelines.ltx23.devices import pick_device
from sidecar.pipelines.ltx23.loading import load_processor, load_text_encoder

_MOST_TOKENS: Final = 240
_DTYPE: Final = torch.bfloat16
_END_OF_TURN: Final = "<end_of_turn>"
# Gemma looks at 896 x 896; more would only be carried around.
_LONG_SIDE_PX: Final = 896
# Beside the weights: the vision tower's activations and the keys and values of some 1,000 tokens.
_WORKING_BYTES: Final = 2 << 30


class Captioner:
    """Looks at pictures and proposes prompts.

    Args:
        text_encoder: Gemma 3, on any device.
        processor: Its processor of pictures and text.
        device: Where it computes; None for a GPU with room for it, else the processor.

    Raises:
        ExhaustedError: It does not fit on the device that was asked for.
    """

    def __init__(
        self,
        text_encoder: Gemma3ForConditionalGeneration,
        processor: Any,
        *,
        device: torch.device | None = None,
    ) -> None:
        weights = sum(p.numel() * p.element_size() for p in text_encoder.parameters())
        self._device = device or _roomy_device(weights + _WORKING_BYTES)
        self._processor = processor
        with _told_out_of_memory(self._device):
            self._model = torch.nn.Module.to(text_encoder, self._device)

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self._device

    def propose(
        self,
        pictures: tuple[Picture, ...],
        *,
        kind: JobKind,
        words: str,
        most_tokens: int = _MOST_TOKENS,
    ) -> str:
        """Propose a prompt.

        Args:
            pictures: float32 [H, W, C=3] each, of any size: the two edges of a bridge, a shot's frame, or none.
            kind: What the prompt is for.
            words: What the editor wrote so far; may be empty.
            most_tokens: How much the model may say.

        Returns:
            One paragraph without quotes, markup and control characters; empty where the model said nothing.

        Raises:
            ExhaustedError: It does not fit into memory.
        """
        rules, task = instructions(kind, words)
        looks = [{"type": "image"} for _ in pictures]
        messages = [
            {"role": "system", "content": [{"type": "text", "text": rules}]},
            {"role": "user", "content": [*looks, {"type": "text", "text": task}]},
        ]
        tokenizer = self._processor.tokenizer
        turn = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        # One text alone, so nothing is padded; the template has written the first token already.
        inputs = self._processor(
            text=[turn],
            images=[[_seen(picture) for picture in pictures]] if pictures else None,
            return_tensors="pt",
            add_special_tokens=False,
        )
        with torch.inference_mode(), _told_out_of_memory(self._device):
            answer = self._model.generate(  # type: ignore[misc]  # its own stub does not know its own class
                **inputs.to(self._device, dtype=self._model.dtype),
                generation_config=self._decoding(most_tokens),
            )
        said = answer[0, inputs["input_ids"].shape[1] :]
        return proposal(tokenizer.decode(said, skip_special_tokens=True))

    def _decoding(self, most_tokens: int) -> GenerationConfig:
        """The most likely word each time, whatever the checkpoint's own defaults say of sampling."""
        tokenizer = self._processor.tokenizer
        ends = {tokenizer.eos_token_id, tokenizer.convert_tokens_to_ids(_END_OF_TURN)}
        return GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False,
            max_new_tokens=most_tokens,
            eos_token_id=sorted(ends - {None, tokenizer.unk_token_id}),
            pad_token_id=tokenizer.pad_token_id,
        )


def open_captioner(checkpoint: Checkpoint, *, device: str | None) -> Captioner:
    """Load of a checkpoint only what looks at pictures.

    Args:
        checkpoint: Which one.
        device: Where to compute; None for a GPU with room for it, else the processor.

    Raises:
        ExhaustedError: It does not fit on the device that was asked for.
        InvalidInputError: This machine has no such device, or the files are not those of Gemma 3.
        UnsupportedError: The checkpoint cannot look at pictures.
    """
    asked = None if device is None else pick_device(device)
    processor = load_processor(checkpoint)
    if processor is None:
        raise UnsupportedError(
            f"The checkpoint {checkpoint.name} has no processor of pictures, so that Gemma cannot look at them. "
            "Write the prompt yourself, or use a checkpoint whose text model comes with the folder `processor`.",
            reason=Reason.DEPENDENCY_MISSING,
            metadata={"checkpoint": checkpoint.name},
        )
    return Captioner(load_text_encoder(checkpoint, dtype=_DTYPE), processor, device=asked)


def _seen(picture: Picture) -> Image.Image:
    height, width = picture.shape[:2]
    codes: NDArray[np.uint8] = np.rint(np.clip(picture, 0.0, 1.0) * 255.0).astype(np.uint8)
    image = Image.fromarray(codes)
    shrink = _LONG_SIDE_PX / max(height, width)
    if shrink >= 1:
        return image
    size = (max(1, round(width * shrink)), max(1, round(height * shrink)))
    return image.resize(size, Image.Resampling.BICUBIC)


def _roomy_device(needed_bytes: int) -> torch.device:
    """The GPU where it has that much free, as a sidecar may be at work on it; else the processor."""
    if torch.cuda.is_available() and torch.cuda.mem_get_info()[0] >= needed_bytes:
        return torch.device("cuda")
    return torch.device("cpu")


@contextlib.contextmanager
def _told_out_of_memory(device: torch.device) -> Iterator[None]:
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise ExhaustedError(
            f"There is not enough memory on {device} for the text model beside what uses it now. Wait until the "
            "sidecar is idle, or use --device cpu, which is slower.",
            reason=Reason.MEMORY_FULL,
            metadata={"device": str(device)},
        ) from error
