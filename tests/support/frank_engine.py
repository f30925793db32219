"""An engine whose identity says what it was told it may take."""

from __future__ import annotations

from sidecar.pipelines.base import EngineFolders
from sidecar.pipelines.identity.engine import IdentityEngine


class FrankEngine(IdentityEngine):
    """Serves as `identity` does."""

    def __init__(self, folders: EngineFolders) -> None:
        super().__init__()
        self._resources = folders.resources

    @property
    def model_identity(self) -> str:
        """The resources, in the order of their fields."""
        found = self._resources
        return f"{found.device} {found.gpu_memory_bytes} {found.cache_bytes}"


def create(_name: str, folders: EngineFolders) -> FrankEngine:
    """As `sidecar.pipelines.registry.create_engine`."""
    return FrankEngine(folders)
