"""The configuration read anew, in a process of its own: what reading takes leaves nothing behind in the supervisor."""

from __future__ import annotations

import os
import pickle
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from granian.errors import ConfigurationError, FatalError
from granian.process.extras import NO_EXTRAS, Extras
from granian.process.plan import planning
from granian.process.report import in_short

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from granian.config.model import Config
    from granian.process.plan.sections import Plan

    Reread = Callable[[], Config]


@dataclass(frozen=True, slots=True)
class Source:
    """Where a configuration came from."""

    # Reads it anew; None: nobody can.
    reread: Reread | None = None
    # What tells it from other configurations of this machine.
    label: str = ''
    files: tuple[Path, ...] = ()
    extras: Extras = NO_EXTRAS


NOWHERE = Source()


@dataclass(frozen=True, slots=True)
class Refused:
    """Why something that was asked for was not done. `status`: as the commands exit, 2 for a faulty configuration."""

    message: str
    status: int = 1
    # A new worker could not start.
    by_worker: bool = False


class Reader:
    """The supervisor's end: a pipe on which the plan, or what is wrong, arrives."""

    def __init__(self) -> None:
        self.pid = 0
        self._reads, self._writes = os.pipe()
        self._said = b''

    def life(self, reread: Reread, log_document: dict[str, Any] | None) -> int:
        """In the child."""
        os.close(self._reads)
        with os.fdopen(self._writes, 'wb') as pipe:
            pipe.write(pickle.dumps(_outcome(reread, log_document)))
        return 0

    def runs_as(self, pid: int) -> None:
        self.pid = pid
        os.close(self._writes)
        self._writes = -1
        os.set_blocking(self._reads, False)

    def is_gone(self) -> None:
        """The child is, and its number may be another's."""
        self.pid = 0

    def kill(self) -> None:
        if self.pid:
            os.kill(self.pid, signal.SIGKILL)

    def fileno(self) -> int:
        return self._reads

    def close(self) -> None:
        for fd in (self._reads, self._writes):
            if fd != -1:
                os.close(fd)
        self._reads = self._writes = -1

    def outcome(self) -> Plan | Refused | None:
        """What came of it; None: that is not whole yet."""
        while True:
            try:
                data = os.read(self._reads, 65536)
            except BlockingIOError:
                return None
            if not data:
                break
            self._said += data
        try:
            # Our own child's, over a pipe that nobody else holds.
            found: Plan | Refused = pickle.loads(self._said)  # noqa: S301
        except (EOFError, pickle.UnpicklingError):
            return Refused('the process that read the configuration ended without a word')
        return found


def _outcome(reread: Reread, log_document: dict[str, Any] | None) -> Plan | Refused:
    try:
        config = reread()
        plan = planning.plan_of(config, log_document)
        planning.warn(config)
    except ConfigurationError as exc:
        return Refused(str(exc), 2)
    except FatalError as exc:
        return Refused(str(exc))
    # A log handler of the operator's own may raise anything.
    except Exception as exc:
        return Refused(in_short(exc))
    return plan
