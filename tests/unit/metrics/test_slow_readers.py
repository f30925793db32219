"""Whoever sends a request to the metrics page byte by byte is hung up on."""

import socket
import threading

from sidecar.metrics.page import MetricsPage
from sidecar.setting_values import ListenAddress


def test_a_request_that_never_ends_keeps_no_place(monkeypatch):
    monkeypatch.setattr("sidecar.metrics.page._Server.whole_limit_s", 0.3)
    page = MetricsPage(ListenAddress("127.0.0.1", 0), lambda: b"")
    ended = threading.Event()
    try:
        with socket.create_connection((page.address.host, page.address.port), 10) as connection:

            def drip():
                while not ended.wait(0.05):
                    try:
                        connection.sendall(b"X")
                    except OSError:
                        return

            dripping = threading.Thread(target=drip)
            dripping.start()
            try:
                assert connection.recv(1) == b""  # at once, not after the ten seconds of this test
            except ConnectionResetError:
                pass
            finally:
                ended.set()
                dripping.join()
    finally:
        page.close()
