"""What a worker tells whoever started it: that it serves, or why it cannot."""

from __future__ import annotations

import json
import os
import traceback
from dataclasses import asdict, dataclass
from typing import Protocol

from granian.adapters.loading import application_traceback
from granian.errors import AppLoadError, FatalError, LifespanError

READY = b'R'
FAILED = b'F'
# Errors keep their class on the way through the pipe.
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
    def ready(self) -> None: ...

    def failed(self, failure: StartFailure) -> None: ...


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


class PipeReport:
    """To a supervisor in another process. The pipe is closed once there is no more to say."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def ready(self) -> None:
        self._say(READY)

    def failed(self, failure: StartFailure) -> None:
        self._say(FAILED + json.dumps(asdict(failure)).encode())

    def _say(self, data: bytes) -> None:
        # A supervisor that was killed reads no more: what it does not hear does not matter then.
        try:
            while data:
                data = data[os.write(self._fd, data) :]
        except BrokenPipeError:
            pass
        finally:
            os.close(self._fd)


def failure_from(said: bytes) -> StartFailure | None:
    """What `PipeReport.failed` wrote, or None if it is not that or not whole."""
    if not said.startswith(FAILED):
        return None
    try:
        return StartFailure(**json.loads(said[1:]))
    except ValueError:
        return None
