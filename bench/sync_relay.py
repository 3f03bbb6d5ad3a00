"""A relay on loopback that counts what two nodes send each other over TCP."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_BYTES = 1 << 18


class CountingRelay:
    """Passes every connection on to one port.

    Attributes:
        port: Where it listens.
        passed_bytes: What went through, both ways.
        first_s: When the first connection came, by the monotonic clock; 0 if none has.
        connections: How many came.
    """

    def __init__(self, target_port: int) -> None:
        self.passed_bytes = 0
        self.first_s = 0.0
        self.connections = 0
        self._target_port = target_port
        self._counting = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._open: list[socket.socket] = [self._server]

    def start(self) -> None:
        """Accept in threads of their own until `close`."""
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Cut everything."""
        for one in self._open:
            one.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.first_s = self.first_s or time.monotonic()
            self.connections += 1
            far = socket.create_connection(("127.0.0.1", self._target_port))
            self._open += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while chunk := source.recv(CHUNK_BYTES):
                with self._counting:
                    self.passed_bytes += len(chunk)
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()


@contextmanager
def counted(target_port: int) -> Iterator[CountingRelay]:
    """Run a relay."""
    relay = CountingRelay(target_port)
    relay.start()
    try:
        yield relay
    finally:
        relay.close()
