"""What the client makes of a server that lies, stumbles or is of another version."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from support.model_examples import JOB_ID, example_job

from interchange import errors
from interchange.errors import BridgeError, InternalError, UnavailableError
from ltxbridge import wire
from ltxbridge.client import BridgeClient, Endpoint
from ltxbridge.v1 import generation_service_pb2 as pb
from ltxbridge.v1 import generation_service_pb2_grpc as pb_grpc
from ltxbridge.v1 import request_pb2

FRAME = bytes(2 * 2 * 8)


class StrangeServicer(pb_grpc.GenerationServiceServicer):
    """Answers every call with what the test wants; an exception ends it with that status code."""

    def __init__(self):
        self.chunks = []
        self.job = None
        self.code = None
        self.trailers = ()

    def GetJob(self, request, context):  # noqa: ARG002, N802 - as the contract says
        if self.code is not None:
            context.set_trailing_metadata(self.trailers)
            context.abort(self.code, "details")
        return pb.GetJobResponse(job=self.job)

    def FetchFrames(self, request, context):  # noqa: ARG002, N802
        yield from self.chunks


@pytest.fixture
def servicer():
    return StrangeServicer()


@pytest.fixture
def client(servicer, tmp_path):
    server = grpc.server(ThreadPoolExecutor(2))
    pb_grpc.add_GenerationServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    (tmp_path / "token").write_text("x")
    with BridgeClient(Endpoint(f"127.0.0.1:{port}", tmp_path / "token"), timeout_s=5) as client:
        yield client
    server.stop(0).wait()


def _chunk(pixels=FRAME, **changes):
    raster = request_pb2.Raster(width_px=2, height_px=2)
    fields = {"raster": raster, "frame_size_bytes": len(FRAME), "pixels": pixels} | changes
    return pb.FetchFramesResponse(**fields)


def test_whole_frames_pass(client, servicer):
    servicer.chunks = [_chunk(FRAME[:5]), _chunk(FRAME[5:], offset_bytes=5), _chunk()]
    assert len(list(client.fetch_frames(JOB_ID))) == 2


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param([_chunk(FRAME[:5])], id="ends inside"),
        pytest.param([_chunk(FRAME[:5]), _chunk(FRAME[6:], offset_bytes=6)], id="hole"),
        pytest.param([_chunk(FRAME[:5]), _chunk(FRAME[4:], offset_bytes=4)], id="overlap"),
        pytest.param([_chunk(FRAME + b"x")], id="too long"),
        pytest.param([_chunk(b"")], id="nothing"),
        pytest.param([_chunk(frame_size_bytes=9)], id="sizes disagree"),
        pytest.param([_chunk(raster=request_pb2.Raster())], id="no raster"),
    ],
)
def test_frame_that_is_not_whole_is_refused(client, servicer, chunks):
    servicer.chunks = chunks
    with pytest.raises(InternalError):
        list(client.fetch_frames(JOB_ID))


def test_answer_that_makes_no_sense_is_the_sidecars_fault(client, servicer):
    servicer.job = wire.job_to_proto(example_job())
    servicer.job.ClearField("geometry")
    with pytest.raises(InternalError, match="same version"):
        client.get_job(JOB_ID)


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
)
def test_every_bare_status_becomes_an_error_of_ours(client, servicer, code):
    servicer.code = code
    with pytest.raises(BridgeError) as caught:
        client.get_job(JOB_ID)
    assert type(caught.value) in BridgeError.__subclasses__()
    assert caught.value.metadata["code"] == code.name
    assert isinstance(caught.value.__cause__, grpc.RpcError)


def test_call_cancelled_by_the_transport_is_not_taken_for_a_cancelled_job(client, servicer):
    servicer.code = grpc.StatusCode.CANCELLED
    with pytest.raises(UnavailableError):
        client.get_job(JOB_ID)


@pytest.mark.parametrize("details", [b"\xff\xff", b"", b"\x08\x05\x12\x01x"])
def test_details_of_a_strangers_making_do_no_harm(client, servicer, details):
    servicer.code = grpc.StatusCode.NOT_FOUND
    servicer.trailers = (("grpc-status-details-bin", details),)
    with pytest.raises(errors.NotFoundError):
        client.get_job(JOB_ID)
