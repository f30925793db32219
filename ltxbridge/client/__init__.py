"""The sync client of a sidecar."""

from ltxbridge.client.bridge import BridgeClient
from ltxbridge.client.endpoint import Endpoint, read_token
from ltxbridge.client.enrolment import Enrolment

__all__ = ["BridgeClient", "Endpoint", "Enrolment", "read_token"]
