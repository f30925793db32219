"""The real rooms behind a worker's stages. Imported in the worker only: it loads decoders and signers."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from interchange.model.request import GenerationRequest, SourceSpan
from sidecar.credentials.facts import CredentialFacts, SoundOrigin
from sidecar.credentials.identity import load_or_create_identity
from sidecar.credentials.sign import sign_take
from sidecar.credentials.verify import verify_file
from sidecar.digests import RememberedDigests
from sidecar.filesystem import FileSystem
from sidecar.jobs.runner import Stages
from sidecar.jobs.work import WorkOrder
from sidecar.media.encode import EncodeSpec, TakeWriter
from sidecar.media.inputs import open_inputs
from sidecar.media.source import open_span
from sidecar.media.span import SpanReader
from sidecar.media.stills import encode_jpeg
from sidecar.pipelines.base import Engine, remarks_of
from sidecar.quality.check import check_take


def open_stages(*, state_folder: Path, product_version: str) -> Stages:
    """Put the real rooms together.

    Args:
        state_folder: Where the signing identity is, or will be made.
        product_version: For the credentials.

    Raises:
        BridgeError: The identity cannot be read or made.
    """
    filesystem = FileSystem()
    identity = load_or_create_identity(state_folder, filesystem=filesystem)

    def sign(
        unsigned: Path,
        *,
        signed: Path,
        manifest: Path,
        order: WorkOrder,
        engine: Engine,
        digests: Mapping[str, str],
        sound: SoundOrigin,
    ) -> tuple[str, ...]:
        facts = CredentialFacts(
            request=order.request,
            limits=engine.limits,
            model_identity=engine.model_identity,
            source_digests=digests,
            sound=sound,
            remarks=remarks_of(engine),
            product_version=product_version,
            created=datetime.now(UTC),
        )
        return sign_take(
            unsigned,
            destination=signed,
            manifest_path=manifest,
            facts=facts,
            identity=identity,
            filesystem=filesystem,
            title=order.media.name,
        )

    return Stages(
        open_span=_open_span,
        open_inputs=open_inputs,
        open_take=lambda path, request, sound: TakeWriter(
            path, _encode_spec(request, sound), filesystem=filesystem
        ),
        check_take=_check_take,
        sign=sign,
        verify=lambda path: _verify(path, identity_folder=state_folder),
        digest=RememberedDigests(filesystem).of,
        encode_preview=encode_jpeg,
        filesystem=filesystem,
    )


def _open_span(span: SourceSpan, request: GenerationRequest) -> AbstractContextManager[SpanReader]:
    return open_span(
        span, frame_rate=request.frame_rate, raster=request.raster, colour=request.colour
    )


def _encode_spec(request: GenerationRequest, sound: tuple[int, int] | None) -> EncodeSpec:
    return EncodeSpec(
        frame_rate=request.frame_rate,
        raster=request.raster,
        colour=request.colour,
        codec=request.output.codec,
        start_frame=request.start_frame,
        drop_frame=request.drop_frame,
        reel=request.reel,
        frame_count=request.file_range.length,
        sound=sound,
    )


def _check_take(path: Path, request: GenerationRequest, sound: tuple[int, int] | None) -> None:
    check_take(path, _encode_spec(request, sound)).require()


def _verify(path: Path, *, identity_folder: Path) -> None:
    verify_file(path, identity_folder=identity_folder)
