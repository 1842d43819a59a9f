"""The socket on which commands reach a running server, and where it is.

One line of JSON asks, `{"command": "reload"}`; one line answers, `{"status": 0, "message": "…"}`: an exit status, as a command
would have, and what to print. The answer comes when what was asked for is done. Who may open the socket may ask.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import stat
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.errors import BindError, FatalError
from granian.observe.logs import logger
from granian.process.listening import unix_socket
from granian.process.reloading.rereading import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from granian.process.listening.unix_socket import SocketFile
    from granian.process.waiting import Waiting

    Answer = Callable[[Refused | str], None]
    # Does what was asked for, and answers now or later.
    Command = Callable[[Answer], None]

REQUEST_BYTES_MAX = 4096
CLIENTS_MAX = 32
# Without it a client that cannot be accepted would be all we do.
NO_ROOM_PAUSE_S = 0.2
MODE = 0o600


def path_of(control: Path | None, pid_file: Path | None, label: str) -> Path:
    """The one that is configured, else beside the pid file, else the user's own for that configuration."""
    if control is not None:
        return control
    if pid_file is not None:
        return pid_file.with_suffix('.control')
    name = hashlib.sha256(label.encode('utf-8', 'surrogateescape')).hexdigest()[:16]
    return _runtime_directory() / f'granian-{name}.control'


def _runtime_directory() -> Path:
    own = os.environ.get('XDG_RUNTIME_DIR', '')
    if own and Path(own).is_dir():
        return Path(own)
    return _in_temporary_directory()


def _in_temporary_directory() -> Path:
    # Not tempfile.gettempdir: on a read-only system it finds none and raises, and who asks may find another than who serves.
    return Path(os.environ.get('TMPDIR') or '/tmp', f'granian-{os.getuid()}')  # noqa: S108  (see `_make_private`)


def listen(path: Path) -> tuple[socket.socket, SocketFile]:
    """Raises BindError."""
    try:
        if path.parent == _in_temporary_directory():
            _make_private(path.parent)
        return unix_socket.listen(str(path), CLIENTS_MAX, MODE)
    except OSError as exc:
        raise BindError(f'{path}: {(exc.strerror or str(exc)).lower()}') from exc
    except BindError as exc:
        raise BindError(f'{path}: {exc}') from exc


def _make_private(directory: Path) -> None:
    # In a directory that everybody may write to: nobody else may have made it first.
    with contextlib.suppress(FileExistsError):
        directory.mkdir(0o700)
    found = os.lstat(directory)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise BindError(f'{directory} is not a directory of this user alone')


class Control:
    """The supervisor's end."""

    def __init__(self, waiting: Waiting, commands: Mapping[str, Command]) -> None:
        self._waiting = waiting
        self._commands = commands
        self._listener: socket.socket | None = None
        self.file: SocketFile | None = None
        self._clients: set[_Client] = set()

    def open(self, path: Path) -> None:
        """Listen there, and no longer where it was. Raises BindError; then it stays as it was."""
        sock, file = listen(path)
        self.close()
        self.adopt(sock, file)

    def adopt(self, sock: socket.socket, file: SocketFile) -> None:
        self._listener, self.file = sock, file
        self._waiting.wait_for(sock, self._accept)

    def is_at(self, path: Path) -> bool:
        """Whether whoever asks there reaches us; what cleans up in /tmp may have removed the file."""
        return self.file is not None and self.file.path == str(path) and self.file.is_ours()

    def duplicate(self) -> int:
        """A further descriptor of the socket, or -1."""
        return -1 if self._listener is None else os.dup(self._listener.fileno())

    def close(self, *, keep_file: bool = False) -> None:
        """Take no more; who has asked is still answered."""
        if self._listener is not None and self.file is not None:
            self._waiting.let_go(self._listener)
            if not keep_file:
                self.file.remove()
        self._listener = self.file = None

    def hang_up(self) -> None:
        """Nobody is answered any more."""
        for client in list(self._clients):
            self._leave(client)

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock = self._listener.accept()[0]
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as exc:
            # No descriptor is left, and whoever waits goes on to.
            logger.warning('A command was not taken: %s', (exc.strerror or str(exc)).lower())
            time.sleep(NO_ROOM_PAUSE_S)
            return
        if len(self._clients) >= CLIENTS_MAX:
            sock.close()
            return
        sock.setblocking(False)
        client = _Client(sock)
        self._clients.add(client)
        self._waiting.wait_for(client, lambda: self._read(client))

    def _read(self, client: _Client) -> None:
        asked = client.request()
        if asked is None:
            return
        if isinstance(asked, Refused):
            self._answer(client, asked)
            return
        command = self._commands.get(asked)
        if command is None:
            self._answer(client, Refused(f'this version knows no command {asked!r}'))
        else:
            command(lambda outcome: self._answer(client, outcome))

    def _answer(self, client: _Client, outcome: Refused | str) -> None:
        if client in self._clients:
            client.answer(outcome)
            self._leave(client)

    def _leave(self, client: _Client) -> None:
        self._clients.discard(client)
        self._waiting.let_go(client)


class _Client:
    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._said = b''
        self._has_asked = False

    def fileno(self) -> int:
        return self._sock.fileno()

    def close(self) -> None:
        self._sock.close()

    def request(self) -> str | Refused | None:
        """The command, once the line is whole; None: nothing to do yet. One that leaves is refused, which it will not read."""
        try:
            data = self._sock.recv(REQUEST_BYTES_MAX)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            data = b''
        self._said += data
        if not data or self._has_asked or len(self._said) > REQUEST_BYTES_MAX:
            return Refused('one command, in one line')
        if not self._said.endswith(b'\n'):
            return None
        self._has_asked = True
        try:
            return str(json.loads(self._said)['command'])
        except (ValueError, KeyError, TypeError):
            return Refused('not a command')

    def answer(self, outcome: Refused | str) -> None:
        said = {'status': 0, 'message': outcome}
        if isinstance(outcome, Refused):
            said = {'status': outcome.status, 'message': outcome.message}
        with contextlib.suppress(BrokenPipeError, ConnectionResetError, BlockingIOError):
            self._sock.send(json.dumps(said).encode() + b'\n')


def ask(path: Path, command: str, patience_s: float | None = None) -> tuple[int, str]:
    """From another process: the exit status and what to print. Raises FatalError where no server answers (in that time)."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(patience_s)
        try:
            sock.connect(str(path))
            sock.sendall(json.dumps({'command': command}).encode() + b'\n')
            answer = _line(sock)
        except OSError as exc:
            raise FatalError(f'no server answers at {path}: {(exc.strerror or str(exc)).lower()}') from exc
    if not answer:
        raise FatalError(f'the server at {path} ended without an answer')
    said: dict[str, Any] = json.loads(answer)
    return int(said['status']), str(said['message'])


def _line(sock: socket.socket) -> bytes:
    said = b''
    while not said.endswith(b'\n'):
        data = sock.recv(65536)
        if not data:
            return b''
        said += data
    return said
