"""Which attention kernel the transformer computes with, and compiled blocks; nothing process-wide changes.

`set_attention_backend` of diffusers also changes a process-wide default, which the connectors then trip over:
they give a mask, which flash kernels refuse. Here only the transformer's own processors are set, for as long as
it is used. Without a text mask (LTX-2.3's registers fill it) every kernel serves.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from enum import StrEnum
from typing import Any, Final

import torch
from diffusers.models.attention import AttentionModuleMixin
from diffusers.models.attention_dispatch import AttentionBackendName
from diffusers.models.transformers.transformer_ltx2 import LTX2VideoTransformer3DModel
from diffusers.utils import import_utils

_INSTALLED: Final[Any] = import_utils  # diffusers' functions are untyped
_HOPPER: Final = (9, 0)
_AMPERE: Final = (8, 0)
_MOST_GRAPHS: Final = 64
"""Of one block: each pass of the guidance, with and without kept tokens of either modality, for a size and for any.

At 8, torch's own limit, a block that must be one graph fails, and with it the third job of a worker.
"""
FORWARDS_WORTH_COMPILING: Final = 60
"""Compiling a block takes about as long as a tenth of so many large forwards, which is what it saves."""


class Kernel(StrEnum):
    """Attention kernels, by the names diffusers gives them; all but `SAGE` are deterministic forwards."""

    NATIVE = "native"
    CUDNN = "_native_cudnn"
    FLASH_3 = "_flash_3"
    FLASH = "flash"
    SAGE = "sage"
    """Eight-bit scores: faster, and other pictures; never chosen unless asked for."""


def best_kernel(device: torch.device) -> Kernel:
    """The fastest kernel at hand that gives the same pictures every time.

    Args:
        device: The transformer's.
    """
    if device.type != "cuda":
        return Kernel.NATIVE
    capability = torch.cuda.get_device_capability(device)
    if capability[0] == _HOPPER[0] and _INSTALLED.is_flash_attn_3_available():
        return Kernel.FLASH_3
    if capability >= _HOPPER:
        return Kernel.CUDNN
    if capability >= _AMPERE and _INSTALLED.is_flash_attn_available():
        return Kernel.FLASH
    return Kernel.NATIVE


@contextlib.contextmanager
def attending_with(transformer: LTX2VideoTransformer3DModel, kernel: Kernel) -> Iterator[None]:
    """Have the transformer, and nothing else in the process, use an attention kernel.

    Args:
        transformer: The transformer.
        kernel: One whose package is installed; `NATIVE` and `CUDNN` come with torch.
    """
    backend = AttentionBackendName(kernel.value)
    processors: list[Any] = [
        module.processor
        for module in transformer.modules()
        if isinstance(module, AttentionModuleMixin)
    ]
    before = [processor._attention_backend for processor in processors]  # noqa: SLF001 - there is no other way
    for processor in processors:
        processor._attention_backend = backend  # noqa: SLF001
    try:
        yield
    finally:
        for processor, name in zip(processors, before, strict=True):
            processor._attention_backend = name  # noqa: SLF001


class CompiledBlocks:
    """The transformer's blocks, compiled when first wanted, used only while wanted.

    Compiled kernels round differently: whether a job uses them must follow from the job, not from what the
    worker did before.

    Args:
        transformer: With no hooks on its blocks: casting and streaming cannot be compiled whole.
    """

    def __init__(self, transformer: LTX2VideoTransformer3DModel) -> None:
        self._blocks: list[Any] = list(transformer.transformer_blocks)
        self._compiled: list[Any] = []
        self._transformer: Any = transformer

    @contextlib.contextmanager
    def used(self) -> Iterator[None]:
        """Use compiled blocks inside, plain ones outside."""
        if self._compiled:
            for block, compiled in zip(self._blocks, self._compiled, strict=True):
                block._compiled_call_impl = compiled  # noqa: SLF001 - what `Module.compile` sets
        else:
            self._transformer.compile_repeated_blocks(fullgraph=True)
            self._compiled = [block._compiled_call_impl for block in self._blocks]  # noqa: SLF001
        try:
            dynamo: Any = torch._dynamo  # noqa: SLF001 - torch imports it, slowly, when it is named
            with dynamo.config.patch(recompile_limit=_MOST_GRAPHS):
                yield
        finally:
            for block in self._blocks:
                block._compiled_call_impl = None  # noqa: SLF001
