"""A forked child's life from the fork to its end, which is never a return."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from contextlib import AbstractContextManager


class Signals(Protocol):
    """Those of a process that forks, as a SignalPipe has them."""

    def held_back(self) -> AbstractContextManager[None]:
        """Around the fork: none arrives until `forget`, or the end of this."""

    def forget(self) -> None:
        """In the child, which takes its own from here on."""


def fork(signals: Signals, life: Callable[[], int]) -> int:
    """The child's process id; in the child `life` is run, and its result is the exit status. Raises OSError."""
    # What is still buffered would be written by both.
    flush()
    with signals.held_back():
        pid = os.fork()
        if pid == 0:
            _live(signals, life)
    return pid


def _live(signals: Signals, life: Callable[[], int]) -> None:
    status = 1
    try:
        # With the signals still held back: the parent's pipe must not be written to from here.
        signals.forget()
        status = life()
        _finish()
    except BaseException:
        # Nothing above this is left to tell.
        traceback.print_exc()
        raise
    finally:
        os._exit(status)


def _finish() -> None:
    """What the interpreter does at the end of a process, and os._exit does not; threads are not waited for."""
    atexit._run_exitfuncs()
    logging.shutdown()
    flush()


def wait_for_threads() -> None:
    """Those that are not daemons, as multiprocessing does for its children. An application's may have something to finish."""
    threading._shutdown()  # type: ignore[attr-defined]


def reap_orphans(ours: Container[int]) -> None:
    """As the first process of a container: those whose parents have ended are ours, and nobody else lets them go."""
    with contextlib.suppress(ChildProcessError):
        # Looked at without taking: one that somebody else waits for may have ended just now.
        while found := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            if found.si_pid in ours:
                return
            os.waitpid(found.si_pid, 0)


def flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A full disk, or a reader that is gone: what a log handler could not write is told by it.
        with contextlib.suppress(OSError):
            # None: it was closed before the program started.
            if stream is not None:
                stream.flush()
