"""Which function answers which call. Light: what a call needs is imported when it comes."""

from __future__ import annotations

from sidecar.readers import calls
from sidecar.readers.serve import CallTable

_DOCUMENTS = "sidecar.readers.documents"
_MEDIA = "sidecar.readers.media"
_CREDENTIALS = "sidecar.readers.credentials"
_STILLS = "sidecar.readers.stills"
_FRAMES = "sidecar.readers.frames"

CALLS: CallTable = {
    calls.ReadTimeline: f"{_DOCUMENTS}:read_timeline",
    calls.RefusedTakes: f"{_DOCUMENTS}:refused_takes",
    calls.PlaceTakes: f"{_DOCUMENTS}:place_takes",
    calls.ProbeMedia: f"{_MEDIA}:probe",
    calls.MediaOpens: f"{_MEDIA}:opens",
    calls.StillPicture: f"{_STILLS}:still",
    calls.StillImage: f"{_STILLS}:image",
    calls.OneFrame: f"{_FRAMES}:FrameCalls",
    calls.SoundRange: f"{_FRAMES}:sound",
    calls.FileDigest: f"{_MEDIA}:digest",
    calls.VerifyCredentials: f"{_CREDENTIALS}:verify",
}
