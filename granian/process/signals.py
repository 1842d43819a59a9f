"""Signals as the supervisor and the workers take them."""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from typing import TYPE_CHECKING, Any

from granian.process.program import STOP, after, held_back, request_stop

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Iterator, Mapping
    from contextlib import AbstractContextManager
    from types import FrameType

if sys.platform != 'win32':
    RELOAD = signal.SIGHUP
    CHILD_ENDED = signal.SIGCHLD
    REOPEN = signal.SIGUSR1
    UPGRADE = signal.SIGUSR2
    MORE_WORKERS, FEWER_WORKERS = signal.SIGTTIN, signal.SIGTTOU
    # The supervisor's alone. By default they would end or stop a process, and some reach a whole group.
    _FOR_SUPERVISOR = (RELOAD, REOPEN, UPGRADE, MORE_WORKERS, FEWER_WORKERS)
    _SUPERVISED = (*STOP, CHILD_ENDED, *_FOR_SUPERVISOR)

    class SignalPipe:
        """Signals as bytes to read, so that one `select` waits for them and for everything else."""

        def __init__(self) -> None:
            self._reader, self._writer = socket.socketpair()
            self._reader.setblocking(False)
            self._writer.setblocking(False)
            self._before = {number: signal.signal(number, _nothing) for number in _SUPERVISED}
            signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)

        def fileno(self) -> int:
            return self._reader.fileno()

        def read(self) -> list[int]:
            """The numbers that came since the last call, in order."""
            with contextlib.suppress(BlockingIOError):
                return list(self._reader.recv(4096))
            return []

        def close(self) -> None:
            """Give the signals back to whoever had them."""
            signal.set_wakeup_fd(-1)
            _give_back(self._before)
            self._reader.close()
            self._writer.close()

        def held_back(self) -> AbstractContextManager[None]:
            """Around a fork: until `forget`, a signal to the child would be read by the parent as its own."""
            return held_back(_SUPERVISED)

        def forget(self) -> None:
            """In a forked child, with signals held back: a worker's own signals from here on."""
            signal.set_wakeup_fd(-1)
            self._reader.close()
            self._writer.close()
            # Until its loop runs there is nothing to finish, and a stop may end it at once.
            for number in (*STOP, CHILD_ENDED):
                signal.signal(number, signal.SIG_DFL)
            # Not SIG_IGN: that would be inherited by what the application starts.
            for number in _FOR_SUPERVISOR:
                signal.signal(number, _nothing)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _SUPERVISED)


def _nothing(_number: int, _frame: FrameType | None) -> None:
    # A handler must be there for the wakeup descriptor to be written.
    pass


def _give_back(before: Mapping[signal.Signals, Any]) -> None:
    ending = any(after(handler) is not handler for handler in before.values())
    for number, handler in before.items():
        # A terminal that is closed hangs up, too: no reason to lose the exit status.
        too_late = ending and sys.platform != 'win32' and number in _FOR_SUPERVISOR
        signal.signal(number, signal.SIG_IGN if too_late else after(handler))


@contextlib.contextmanager
def raised() -> Iterator[None]:
    """A stop signal raises StopRequested meanwhile, where no other handler takes its place."""
    before = {number: signal.signal(number, request_stop) for number in STOP}
    try:
        yield
    finally:
        _give_back(before)


def ignore_stop() -> None:
    """Stop signals change nothing any more; not SIG_IGN, which what the application starts would inherit."""
    for number in STOP:
        signal.signal(number, _nothing)


def on_stop(loop: asyncio.AbstractEventLoop, callback: Callable[[], object]) -> None:
    """Call it in the loop for each stop signal."""
    for number in STOP:
        try:
            loop.add_signal_handler(number, callback)
        except NotImplementedError:
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(callback) and None)
