"""A prompt for the transformer: Gemma 3's hidden states through the connectors, kept by content.

What is kept is the connectors' output (12.6 MB), not the hidden states (385 MB): a prompt that was seen before
needs neither Gemma nor the connectors.
"""

from __future__ import annotations

from typing import Any

import diffusers
import torch
import transformers
from diffusers.pipelines.ltx2.connectors import LTX2TextConnectors

from sidecar.pipelines.ltx23.cache import key_of
from sidecar.pipelines.ltx23.prompt import Prompt
from sidecar.pipelines.ltx23.sizes import TEXT_TOKENS


def text_features(
    language_model: torch.nn.Module, tokenizer: Any, text: str, *, device: torch.device
) -> tuple[torch.Tensor, torch.Tensor]:
    """All hidden states of Gemma 3 for a text, as `LTX2Pipeline.encode_prompt` has them.

    Args:
        language_model: Gemma's, without the head, which would make logits of a quarter of a million words for
            every token, and without the tower that looks at pictures. Computes on `device`.
        tokenizer: Its tokenizer.
        text: Cut off after 1,024 tokens.
        device: What computes.

    Returns:
        Features [1, L, E * layers], layer fastest, and mask int64 [1, L], 1 where there is a word; words are on
        the right.
    """
    tokens = tokenizer(
        [text.strip()],
        padding="max_length",
        padding_side="left",
        max_length=TEXT_TOKENS,
        truncation=True,
        add_special_tokens=True,
        return_tensors="pt",
    )
    mask = tokens.attention_mask.to(device)
    states = language_model(
        input_ids=tokens.input_ids.to(device), attention_mask=mask, output_hidden_states=True
    ).hidden_states
    return torch.stack(states, dim=-1).flatten(2, 3), mask


def unread(tokenizer: Any, text: str) -> str:
    """What of a text the model never sees: all that follows its first 1,024 tokens.

    Args:
        tokenizer: Gemma's.
        text: As `text_features` takes it.
    """
    text = text.strip()
    read = tokenizer(
        text, truncation=True, max_length=TEXT_TOKENS, return_offsets_mapping=True
    ).offset_mapping
    return text[max((end for _, end in read), default=0) :].strip()


def connected(connectors: LTX2TextConnectors, features: torch.Tensor, mask: torch.Tensor) -> Prompt:
    """What the transformer attends to.

    Args:
        connectors: On the device of the features.
        features: [1, L, E * layers].
        mask: [1, L].
    """
    video, audio, _ = connectors(features.to(connectors.dtype), mask, padding_side="left")
    return Prompt(video, audio)


def prompt_key(text: str, *, identity: str, dtype: torch.dtype, device: torch.device) -> str:
    """The name of a prompt's connector output."""
    return key_of(
        "prompt",
        text=text.strip(),
        identity=identity,
        dtype=str(dtype),
        device=device.type,
        diffusers=diffusers.__version__,
        transformers=transformers.__version__,
        torch=torch.__version__,
    )
