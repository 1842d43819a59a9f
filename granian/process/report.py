"""What a worker tells whoever started it: that it serves, or why it cannot."""

from __future__ import annotations

import contextlib
import json
import socket
import traceback
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Protocol

from granian.adapters.loading import application_traceback
from granian.errors import AppLoadError, FatalError, LifespanError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from granian.observe.board import Row

# Errors keep their class on the way through the channel.
_CLASSES = {each.__name__: each for each in (FatalError, AppLoadError, LifespanError)}


@dataclass(frozen=True, slots=True)
class StartFailure:
    """Why a worker could not start. `details`: the application's traceback, or ''."""

    kind: str
    message: str
    details: str

    def error(self) -> FatalError:
        return _CLASSES[self.kind](self.message)


class Report(Protocol):
    def ready(self) -> None:
        """Its applications have started; it would accept."""

    def serving(self) -> None:
        """It accepts."""

    def leaving(self) -> None:
        """It accepts no more, and ends once it has finished what has begun."""

    def failed(self, failure: StartFailure) -> None: ...

    def tired(self, reason: str) -> None:
        """It has served what it was to serve, and would be replaced."""

    def alive(self) -> None:
        """Its loop turns."""

    def closed(self) -> None:
        """It accepts nothing more, and holds no listening socket."""

    def numbers(self, values: Sequence[int]) -> None:
        """What it has counted, see `observe.metrics.OF_WORKER`."""


def failure_of(error: BaseException) -> StartFailure:
    if isinstance(error, FatalError):
        kind = type(error).__name__
        return StartFailure(kind if kind in _CLASSES else 'FatalError', str(error), application_traceback(error))
    details = ''.join(traceback.format_exception(error)).rstrip('\n')
    if isinstance(error, SystemExit):
        return StartFailure('FatalError', f'the application asked to exit: {error}', details)
    return StartFailure('FatalError', f'the worker could not start: {in_short(error)}', details)


def in_short(error: BaseException) -> str:
    """`ValueError: why`, or the name alone where it does not say why."""
    return f'{type(error).__name__}: {error}'.removesuffix(': ')


class Lines:
    """One JSON value a line, out of the pieces in which they come."""

    def __init__(self) -> None:
        self._begun = b''

    def take(self, data: bytes) -> Iterator[dict[str, Any]]:
        *whole, self._begun = (self._begun + data).split(b'\n')
        for line in whole:
            yield json.loads(line)


def line_of(**said: Any) -> bytes:
    return json.dumps(said).encode() + b'\n'


class ChannelReport:
    """To a supervisor in another process, over a socket that both hold one end of; numbers go to memory that both share."""

    def __init__(self, channel: socket.socket, row: Row | None = None) -> None:
        self._channel = channel
        self._row = row

    def ready(self) -> None:
        self._say(say='ready')

    def serving(self) -> None:
        self._say(say='serving')

    def leaving(self) -> None:
        self._say(say='leaving')

    def closed(self) -> None:
        self._say(say='closed')

    def failed(self, failure: StartFailure) -> None:
        self._say(say='failed', failure=asdict(failure))

    def tired(self, reason: str) -> None:
        self._say(say='tired', reason=reason)

    def numbers(self, values: Sequence[int]) -> None:
        if self._row is not None:
            self._row.write(values)

    def alive(self) -> None:
        # A supervisor that reads nothing for hours (it was stopped) is no reason to wait.
        with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self._channel.send(line_of(say='alive'), socket.MSG_DONTWAIT)

    def _say(self, **said: Any) -> None:
        # A supervisor that was killed reads no more: what it does not hear does not matter then.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.sendall(line_of(**said))
