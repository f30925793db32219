"""The sync client of a sidecar."""

from ltxbridge.client.bridge import BridgeClient
from ltxbridge.client.endpoint import Endpoint, read_token

__all__ = ["BridgeClient", "Endpoint", "read_token"]
