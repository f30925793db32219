"""A real sidecar in a real process: who may reach it, who may start one, and how it ends."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from interchange.errors import ConflictError, NotAllowedError, Reason, UnavailableError
from ltxbridge.client import BridgeClient
from sidecar.instance import ALREADY_RUNNING_STATUS, read_discovery
from sidecar.launch import running_sidecar, sidecar_for
from sidecar.settings import ListenAddress, Settings, command_line

linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and modes of POSIX")


# 127.0.0.1 in the kernel's own spelling; gRPC binds it as an IPv4 address on a dual-stack socket.
LOOPBACK = {("tcp", "0100007F"), ("tcp6", "0000000000000000FFFF00000100007F")}


@pytest.fixture
def settings(short_dir):
    return Settings(
        state_dir=short_dir / "state",
        runtime_dir=short_dir / "run",
        media_roots=(short_dir / "media",),
        drain_grace_s=2,
        log_level="error",
    )


def _command(settings):
    return [sys.executable, "-P", "-m", "sidecar", "serve", *command_line(settings)]


def _eventually(condition, within_s=10.0):
    give_up = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < give_up, "did not come true in time"
        time.sleep(0.02)
    return value


@contextmanager
def _served(settings):
    """`serve` as a person starts it: in the background, not for the duration of a command."""
    process = subprocess.Popen(_command(settings), stdin=subprocess.DEVNULL)
    try:
        discovery = _eventually(lambda: running_sidecar(settings))
        assert discovery.pid == process.pid
        yield process, discovery
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)


def _alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{pid}/stat")  # an orphan nobody has reaped yet counts as gone
    return not (status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z")


def _listening(pid):
    """Addresses a process listens on, as in `ss -ltnpx`, and UDP ones too."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # a connection that has just ended
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    found = set()
    for table in ("tcp", "tcp6", "udp", "udp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[9] in inodes and (fields[3] == "0A" or table.startswith("udp")):
                found.add((table, fields[1]))
    for line in Path(f"/proc/{pid}/net/unix").read_text().splitlines()[1:]:
        fields = line.split()
        accepts = int(fields[3], 16) & 0x10000
        if fields[6] in inodes and accepts:
            found.add(("unix", fields[7] if len(fields) > 7 else ""))
    return found


@linux
def test_sidecar_listens_on_its_socket_and_nowhere_else(settings):
    with _served(settings) as (process, discovery):
        [(kind, path)] = _listening(process.pid)
        assert kind == "unix"
        assert discovery.address == f"unix:{path}"
        assert Path(path).parent == settings.runtime_dir
        modes = {
            settings.state_dir: 0o700,
            settings.runtime_dir: 0o700,
            settings.state_dir / "logs": 0o700,
            settings.state_dir / "token": 0o600,
            settings.state_dir / "sidecar.json": 0o600,
            Path(path): 0o600,
        }
        assert {entry: entry.stat().st_mode & 0o777 for entry in modes} == modes


@linux
def test_sidecar_on_a_port_listens_on_loopback_only(settings):
    listening = Settings(
        settings.state_dir, settings.runtime_dir, listen=ListenAddress("127.0.0.1", 0)
    )
    with _served(listening) as (process, discovery):
        [(table, address)] = _listening(process.pid)
        host, _, port = address.partition(":")
        assert (table, host) in LOOPBACK
        assert discovery.address == f"127.0.0.1:{int(port, 16)}"
        with BridgeClient(discovery.endpoint(listening.state_dir)) as client:
            assert client.serving()


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_stops_it_in_order(settings, number):
    with _served(settings) as (process, discovery):
        process.send_signal(number)
        assert process.wait(10) == 0
        assert read_discovery(settings.state_dir) is None
        assert not Path(discovery.address.removeprefix("unix:")).exists()
    assert running_sidecar(settings) is None


def test_second_sidecar_on_the_same_state_folder_is_refused(settings):
    with _served(settings) as (_, discovery):
        second = subprocess.run(_command(settings), capture_output=True, timeout=30, check=False)
        assert second.returncode == ALREADY_RUNNING_STATUS
        assert len(second.stderr.splitlines()) == 1
        # It took nothing of the first one with it: token, socket and discovery still hold.
        with BridgeClient(discovery.endpoint(settings.state_dir)) as client:
            assert client.serving()


def test_second_sidecar_is_refused_in_order_while_its_parent_lives(settings):
    """As `process` starts it: its standard input stays open, and a thread of it waits there."""
    with _served(settings):
        with subprocess.Popen(
            [*_command(settings), "--while-stdin-open"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as second:
            status = second.wait(20)
            last_words = second.stderr.read()
        assert status == ALREADY_RUNNING_STATUS
        assert last_words.rstrip().endswith("a folder of its own.")


def test_running_sidecar_is_used_and_left_running(settings, short_dir):
    with _served(settings) as (process, discovery):
        with sidecar_for(settings, extra_roots=[short_dir / "media" / "shoot"]) as endpoint:
            assert endpoint == discovery.endpoint(settings.state_dir)
        assert process.poll() is None


def test_running_sidecar_that_may_not_read_the_folder_is_told_before_work_starts(settings):
    with (
        _served(settings),
        pytest.raises(NotAllowedError, match="serve --media-root") as caught,
        sidecar_for(settings, extra_roots=[Path("/elsewhere")]),
    ):
        pass
    assert caught.value.reason is Reason.PATH_OUTSIDE_ROOTS


@posix
def test_child_serves_for_the_duration_and_no_longer(settings, short_dir):
    with sidecar_for(settings, extra_roots=[short_dir / "x"]) as endpoint:
        discovery = read_discovery(settings.state_dir)
        assert discovery.temporary
        assert set(discovery.media_roots) == {
            str((short_dir / name).resolve()) for name in ("media", "x")
        }
        with BridgeClient(endpoint) as client:
            assert [engine.limits.engine for engine in client.list_engines() if engine.is_default]
    assert running_sidecar(settings) is None
    assert not _alive(discovery.pid)


@posix
def test_child_ends_when_the_command_fails(settings):
    pids = []

    def command() -> None:
        with sidecar_for(settings):
            pids.append(read_discovery(settings.state_dir).pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command()
    assert not _alive(pids[0])


@linux
def test_child_ends_by_itself_when_its_parent_is_killed(settings):
    script = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from sidecar.launch import sidecar_for
        from sidecar.settings import Settings
        with sidecar_for(Settings(Path({str(settings.state_dir)!r}), Path({str(settings.runtime_dir)!r}))):
            print("serving", flush=True)
            time.sleep(60)
    """)
    parent = subprocess.Popen([sys.executable, "-P", "-c", script], stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout.readline() == b"serving\n"
        pid = read_discovery(settings.state_dir).pid
        parent.kill()
        parent.wait(10)
    _eventually(lambda: not _alive(pid))


@linux
def test_sidecar_that_was_killed_leaves_nothing_in_the_way(settings):
    with _served(settings) as (process, _):
        process.kill()
        process.wait(10)
        assert read_discovery(settings.state_dir) is not None  # stale
        with sidecar_for(settings) as endpoint, BridgeClient(endpoint) as client:
            assert client.serving()


def test_two_commands_at_once_take_turns(settings):
    order = []
    second_done = threading.Event()

    def second() -> None:
        with sidecar_for(settings, busy_within_s=20):
            order.append("second")
        second_done.set()

    with sidecar_for(settings):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.5)
        order.append("first")
    assert second_done.wait(20)
    thread.join()
    assert order == ["first", "second"]


def test_waiting_for_another_command_has_an_end(settings):
    with (
        sidecar_for(settings),
        pytest.raises(ConflictError, match="ltxbridge serve") as caught,
        sidecar_for(settings, busy_within_s=0.3),
    ):
        pass
    assert caught.value.reason is Reason.ALREADY_RUNNING


@posix
def test_child_that_cannot_start_says_why(settings):
    settings.state_dir.mkdir(mode=0o700)
    settings.state_dir.chmod(0o755)
    with pytest.raises(UnavailableError, match="chmod 700"), sidecar_for(settings):
        pass


def test_child_that_takes_too_long_is_given_up_and_stopped(settings):
    started = time.monotonic()
    with (
        pytest.raises(UnavailableError, match="did not serve within"),
        sidecar_for(settings, start_within_s=0.01),
    ):
        pass
    assert time.monotonic() - started < 15
    assert running_sidecar(settings) is None
