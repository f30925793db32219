"""The token is asked for on every call there is; the list of calls comes from the descriptors."""

import tempfile
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from google.protobuf import descriptor_pool
from support.every_method import call, every_method
from support.model_examples import JOB_ID, example_request
from support.rpc_harness import TOKEN, running_server

from interchange.errors import NotAuthenticatedError, Reason
from ltxbridge.client import BridgeClient


@pytest.fixture(scope="module", params=["unix", "tcp"])
def running(request):
    with (
        tempfile.TemporaryDirectory(prefix="ltxb-") as folder,
        running_server(Path(folder), transport=request.param) as server,
    ):
        yield server


METHODS = list(every_method())


def test_walk_finds_every_service():
    services = {path.split("/")[1] for path, _ in METHODS}
    assert services == {
        "ltxbridge.v1.GenerationService",
        "ltxbridge.v1.EngineService",
        "ltxbridge.v1.TransferService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert len(METHODS) >= 18


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param((), id="none"),
        pytest.param((("authorization", "Bearer " + "6" * 64),), id="wrong"),
        pytest.param((("authorization", "Bearer"),), id="empty"),
        pytest.param((("authorization", TOKEN),), id="no scheme"),
        pytest.param((("authorization", f"Bearer {TOKEN[:-1]}"),), id="shorter"),
        pytest.param(
            (("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer x")), id="two"
        ),
        pytest.param((("authorization-bin", f"Bearer {TOKEN}".encode()),), id="binary"),
    ],
)
@pytest.mark.parametrize(("path", "method"), METHODS, ids=[path for path, _ in METHODS])
def test_call_without_the_right_token_is_refused(running, path, method, metadata):
    with grpc.insecure_channel(running.endpoint.address) as channel:
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, path, method, metadata)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED


def test_call_that_does_not_exist_is_refused_before_it_is_looked_up(running):
    with grpc.insecure_channel(running.endpoint.address) as channel:
        missing = channel.unary_unary("/ltxbridge.v1.GenerationService/Nothing")
        with pytest.raises(grpc.RpcError) as caught:
            missing(b"", timeout=5)
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        token = (("authorization", f"Bearer {TOKEN}"),)
        with pytest.raises(grpc.RpcError) as caught:
            missing(b"", timeout=5, metadata=token)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


ENDING = [entry for entry in METHODS if entry[0] != "/grpc.health.v1.Health/Watch"]


@pytest.mark.parametrize(("path", "method"), ENDING, ids=[path for path, _ in ENDING])
def test_call_with_the_token_passes_the_gate(running, path, method):
    """Guards the tests above against a server that refuses everybody."""
    code = None
    with grpc.insecure_channel(running.endpoint.address) as channel:
        try:
            call(channel, path, method, (("authorization", f"Bearer {TOKEN}"),))
        except grpc.RpcError as error:
            code = error.code()
    assert code is not grpc.StatusCode.UNAUTHENTICATED


def test_client_with_the_wrong_token_is_told_so(running, tmp_path):
    wrong = tmp_path / "token"
    wrong.write_text("0" * 64)
    with BridgeClient(replace(running.endpoint, token_file=wrong)) as client:
        calls = (
            client.serving,
            client.list_engines,
            lambda: client.get_job(JOB_ID),
            lambda: client.create_job(example_request()),
            lambda: next(client.list_jobs()),
            lambda: next(client.watch_job(JOB_ID)),
            lambda: next(client.fetch_frames(JOB_ID)),
        )
        for asked in calls:
            with pytest.raises(NotAuthenticatedError) as caught:
                asked()
            assert caught.value.reason is Reason.TOKEN_INVALID


def test_token_that_changed_on_disk_is_taken_up(running, tmp_path):
    token_file = tmp_path / "token"
    token_file.write_text("0" * 64)
    with BridgeClient(replace(running.endpoint, token_file=token_file)) as client:
        with pytest.raises(NotAuthenticatedError):
            client.list_engines()
        token_file.write_text(TOKEN + "\n")
        assert client.list_engines()


def test_reflection_tells_every_service_to_who_may_ask(running):
    from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
        ProtoReflectionDescriptorDatabase,
    )

    class Authorized(grpc.StreamStreamClientInterceptor):
        def intercept_stream_stream(self, continuation, details, requests):
            token = [("authorization", f"Bearer {TOKEN}")]
            return continuation(details._replace(metadata=token), requests)

    with grpc.insecure_channel(running.endpoint.address) as plain:
        channel = grpc.intercept_channel(plain, Authorized())
        database = ProtoReflectionDescriptorDatabase(channel)
        assert set(database.get_services()) == {path.split("/")[1] for path, _ in METHODS}
        pool = descriptor_pool.DescriptorPool(database)
        service = pool.FindServiceByName("ltxbridge.v1.GenerationService")
        assert "FetchFrames" in service.methods_by_name


def test_garbage_instead_of_a_message_is_refused_and_harms_nothing(running):
    token = (("authorization", f"Bearer {TOKEN}"),)
    with grpc.insecure_channel(running.endpoint.address) as channel:
        create = channel.unary_unary("/ltxbridge.v1.GenerationService/CreateJob")
        with pytest.raises(grpc.RpcError):
            create(b"\xff" * 100, metadata=token, timeout=5)
        with pytest.raises(grpc.RpcError) as caught:
            create(b"\0" * (5 * 1024 * 1024), metadata=token, timeout=5)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    with BridgeClient(running.endpoint) as client:
        assert client.serving()
