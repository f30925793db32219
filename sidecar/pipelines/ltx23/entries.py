"""Registry entries of `ltx-2.3` and `ltx-tiny`; torch is loaded when one is created, not before."""

from __future__ import annotations

import logging
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar, Final

from interchange.errors import BridgeError, Reason, UnsupportedError
from interchange.model.engine import EngineLimits
from sidecar.pipelines.ltx23.limits import LIMITS, TINY_LIMITS
from sidecar.pipelines.ltx23.presets import preset_names
from sidecar.pipelines.ltx23.sizes import ModelSize, TransformerSize

if TYPE_CHECKING:
    from sidecar.pipelines.base import Engine, EngineFolders

logger = logging.getLogger(__name__)

_TINY_SIZE: Final = ModelSize(
    transformer=TransformerSize(
        width=48, audio_width=24, heads=2, audio_heads=2, blocks=2,
        block_parameters=100_000, outer_parameters=100_000,
    ),
    connectors=200_000,
    vae=500_000,
    sound=800_000,
    upsampler=200_000,
    text_encoder=100_000,
    text_leaf=12_000,
    text_width=32,
    text_states=3,
)  # fmt: skip
"""About; a memory limit from the settings is not meant for so small a model, and must not refuse it."""
_NEEDED: Final = ("torch", "diffusers", "transformers", "accelerate")


class _Entry:
    """What both entries share; a subclass says what it serves and makes the engine."""

    suggests = True
    _served: ClassVar[EngineLimits]

    def __init__(self, folders: EngineFolders | None) -> None:
        self._folders = folders

    @property
    def limits(self) -> EngineLimits:
        """What it serves, the presets included that the user's folder has now."""
        return _with_presets(self._served, self._folders)

    def _ready(self) -> tuple[EngineLimits, EngineFolders]:
        """What an engine is made with, once it is known that one can be made here."""
        limits = self.limits
        _check_installed(limits)
        return limits, _given(self._folders, limits)


class LtxEntry(_Entry):
    """`ltx-2.3`.

    Args:
        folders: Models, presets and caches; None for a look at the limits without the user's own presets.
    """

    _served = LIMITS

    def create(self) -> Engine:
        """Make the engine.

        Raises:
            UnsupportedError: What it runs on is not installed (DEPENDENCY_MISSING).
        """
        limits, folders = self._ready()
        from sidecar.filesystem import FileSystem  # noqa: PLC0415 - with the engine
        from sidecar.models.registry import ModelRegistry  # noqa: PLC0415
        from sidecar.pipelines.ltx23.engine import LtxEngine  # noqa: PLC0415 - loads torch

        models = ModelRegistry(folders.models, FileSystem())
        engine = limits.engine
        return LtxEngine(
            limits,
            folders,
            find_checkpoint=lambda name: (
                models.current(engine) if name is None else models.get(name)
            ),
        )


class TinyEntry(_Entry):
    """`ltx-tiny`: the same engine with weights that mean nothing, on the processor.

    Args:
        folders: Caches; None for a look at the limits.
    """

    _served = TINY_LIMITS

    def create(self) -> Engine:
        """Make the engine; its model is built in the cache folder when it is first loaded.

        Raises:
            UnsupportedError: What it runs on is not installed (DEPENDENCY_MISSING).
        """
        limits, folders = self._ready()
        from sidecar.filesystem import FileSystem  # noqa: PLC0415 - with the engine
        from sidecar.pipelines.ltx23.engine import LtxEngine  # noqa: PLC0415 - loads torch
        from sidecar.pipelines.ltx23.presets import Preset, Reference  # noqa: PLC0415
        from sidecar.pipelines.ltx23.tiny import tiny_checkpoint  # noqa: PLC0415 - loads torch

        return LtxEngine(
            limits,
            folders,
            find_checkpoint=lambda _name: tiny_checkpoint(folders.cache, FileSystem()),
            device="cpu",
            size=_TINY_SIZE,
            restyle_preset=Preset(
                name="in-context",
                summary="The tiny model follows a shot without an IC-LoRA: it knows nothing either way.",
                recipe="two-stage",
                reference=Reference.PICTURES,
            ),
            label="Test only: random weights. The pictures mean nothing.",
        )


def _with_presets(limits: EngineLimits, folders: EngineFolders | None) -> EngineLimits:
    try:
        names = preset_names(folders.presets if folders else None)
    except BridgeError as error:  # what is wrong there must not take the other engines along
        logger.warning("%s", error)
        names = preset_names(None)
    return replace(limits, presets=names)


def _check_installed(limits: EngineLimits) -> None:
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise UnsupportedError(
            f"{limits.engine} needs {', '.join(missing)}, which is not installed here. Run "
            "`pip install 'ltxbridge[ltx]'` in the environment of ltxbridge, then start the sidecar again.",
            reason=Reason.DEPENDENCY_MISSING,
            metadata={"missing": ", ".join(missing)},
        )


def _given(folders: EngineFolders | None, limits: EngineLimits) -> EngineFolders:
    if folders is None:
        raise UnsupportedError(
            f"{limits.engine} keeps its model in a state folder; it cannot be made without one."
        )
    return folders
