"""The first reading of a configuration, in a process of its own: what reading takes is in neither the server nor its workers."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from granian.errors import FatalError
from granian.process.pool.forking import fork
from granian.process.pool.pool import words
from granian.process.program import STOP, held_back

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import FrameType

    from granian.process.plan.sections import Plan


@dataclass(frozen=True, slots=True)
class Reading:
    """What a server begins with."""

    plan: Plan
    # What is odd about the configuration, by level of the log.
    oddities: list[tuple[int, str]]
    # As in Source.
    label: str
    files: tuple[Path, ...]


def read_apart(life: Callable[[Callable[[Reading], object]], int]) -> Reading | int:
    """What `life`, run in another process, hands over; where it hands nothing over, the status it ended with.

    Raises FatalError where there is no such process, or it was killed. A stop signal meanwhile ends both, with status 0.
    """
    try:
        said, status = _run(life)
    except OSError as exc:
        reason = (exc.strerror or str(exc)).lower()
        raise FatalError(f'the process that is to read the configuration could not be started: {reason}') from exc
    if status < 0:
        raise FatalError(f'the process that read the configuration was {words(status)}')
    if not said:
        return status
    # Our own child's, over a pipe that nobody else holds.
    found: Reading = pickle.loads(said)  # noqa: S301
    return found


def _run(life: Callable[[Callable[[Reading], object]], int]) -> tuple[bytes, int]:
    reads, writes = os.pipe()

    def hand_over(reading: Reading) -> None:
        # Of a parent that is gone there is nobody left to tell.
        with contextlib.suppress(BrokenPipeError), os.fdopen(writes, 'wb') as pipe:
            pickle.dump(reading, pipe)

    def child() -> int:
        os.close(reads)
        return life(hand_over)

    with os.fdopen(reads, 'rb') as pipe:
        try:
            pid = fork(_Early(), child)
        finally:
            os.close(writes)
        with _stop_ends(pid):
            _import_server()
            said = pipe.read()
            return said, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _import_server() -> None:
    """What the server needs, while the other process reads."""
    import granian.process.supervisor
    import granian.process.workers.worker  # noqa: F401


class _Early:
    """Signals around a fork as long as there is no SignalPipe: only those that stop matter."""

    def held_back(self) -> AbstractContextManager[None]:
        return held_back(STOP)

    def forget(self) -> None:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP)


@contextlib.contextmanager
def _stop_ends(pid: int) -> Iterator[None]:
    """A stop signal meanwhile ends that process and this one."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        # Waited for: not every first process of a container buries those whose parents have ended. It may have been already.
        with contextlib.suppress(ProcessLookupError, ChildProcessError):
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        os._exit(0)

    before = {number: signal.signal(number, stop) for number in STOP}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
