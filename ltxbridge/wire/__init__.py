"""The only conversion between the model and protobuf: total, both ways, strict.

What comes in is checked field by field; whatever is missing, unknown or impossible raises `InvalidInputError`
with the field's path. Nothing is filled in silently but the defaults the contract states.
"""

from ltxbridge.wire.engines import engine_from_proto, engine_to_proto, engines_from_proto
from ltxbridge.wire.errors import (
    code_of,
    error_class_of,
    error_from_status,
    error_to_status,
)
from ltxbridge.wire.jobs import job_from_proto, job_to_proto, states_from_proto, states_to_proto
from ltxbridge.wire.names import (
    check_request_id,
    engine_from_name,
    engine_name,
    job_id_from_name,
    job_name,
)
from ltxbridge.wire.requests import request_from_proto, request_to_proto
from ltxbridge.wire.transfers import (
    chunk_from_proto,
    file_name_from_proto,
    sha256_from_proto,
    upload_from_proto,
    upload_id_from_name,
    upload_to_proto,
)
from ltxbridge.wire.values import (
    range_from_proto,
    range_to_proto,
    raster_from_proto,
    raster_to_proto,
)

__all__ = [
    "check_request_id",
    "chunk_from_proto",
    "code_of",
    "engine_from_name",
    "engine_from_proto",
    "engine_name",
    "engine_to_proto",
    "engines_from_proto",
    "error_class_of",
    "error_from_status",
    "error_to_status",
    "file_name_from_proto",
    "job_from_proto",
    "job_id_from_name",
    "job_name",
    "job_to_proto",
    "range_from_proto",
    "range_to_proto",
    "raster_from_proto",
    "raster_to_proto",
    "request_from_proto",
    "request_to_proto",
    "sha256_from_proto",
    "states_from_proto",
    "states_to_proto",
    "upload_from_proto",
    "upload_id_from_name",
    "upload_to_proto",
]
