"""A wire between a client and a server that can go dead: whoever writes into it hears nothing, and is told nothing."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

PIECE_BYTES = 65536


class Wire:
    """Carries connections from `port` of loopback to another port of it, until `dead` is set."""

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self._listener = socket.create_server(('127.0.0.1', 0))
        self.port: int = self._listener.getsockname()[1]
        self.dead = threading.Event()
        self._ends: list[socket.socket] = []
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Wire:
        self._begin(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Both sides see the end of every connection."""
        for end in (self._listener, *self._ends):
            # The other side may have been first.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for end in (self._listener, *self._ends):
            end.close()

    def _begin(self, what: Callable[..., None], *given: socket.socket) -> None:
        thread = threading.Thread(target=what, args=given, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(('127.0.0.1', self._to_port))
            self._ends += (client, server)
            self._begin(self._carry, client, server)
            self._begin(self._carry, server, client)

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        """Pass on what comes; once dead, throw it away, and an end with it."""
        # Reset by one side, or closed by `close`.
        with suppress(OSError):
            while data := source.recv(PIECE_BYTES):
                if not self.dead.is_set():
                    target.sendall(data)
            if not self.dead.is_set():
                target.shutdown(socket.SHUT_WR)
