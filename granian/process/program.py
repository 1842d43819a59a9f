"""Stop signals while the program has no server yet, and once it has none any more. Imports next to nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from types import FrameType

_stop = {signal.SIGINT, signal.SIGTERM}
if sys.platform == 'win32':
    _stop.add(signal.SIGBREAK)
STOP = frozenset(_stop)


class StopRequested(BaseException):
    """A stop signal where nothing is served yet and there is something to put away."""


def stop_at_once(_number: int, _frame: FrameType | None) -> None:
    """`granian serve` before it holds anything: stopped as asked to, with nothing to tell."""
    os._exit(0)


def leave(number: int, _frame: FrameType | None) -> None:
    """Another command: it was not carried out, which its status tells as a shell would; what it holds is let go."""
    raise SystemExit(128 + number)


def request_stop(_number: int, _frame: FrameType | None) -> None:
    raise StopRequested


def take_signals(*, serves: bool) -> None:
    """For this process as a program: no traceback and no message for a stop signal, however early."""
    for number in STOP:
        signal.signal(number, stop_at_once if serves else leave)
    if hasattr(signal, 'SIGCHLD'):
        # Inherited as ignored, it would have the system bury our children before we know how they ended.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def fill_standard_descriptors() -> None:
    """What was closed before the program started leads nowhere: else a socket would take its number, and be written to as a log.

    uvloop ends the process where it is to close such a one.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


@contextlib.contextmanager
def held_back(numbers: Iterable[signal.Signals]) -> Iterator[None]:
    """None of these arrives meanwhile, as around a fork; where there is one."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def after(handler: Any) -> Any:
    """What follows a handler that was found: a program that has served is ending, and signals change that no more."""
    # Not a Python handler: the interpreter resets those to the default long before the process is gone.
    return signal.SIG_IGN if handler is stop_at_once else handler
