"""The old supervisor's part of an upgrade: start the new one, wait for its word, hand over, leave."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Protocol

from granian.observe.logs import logger
from granian.process.reloading import succession
from granian.process.reloading.rereading import Refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.process.control import Control
    from granian.process.plan.sections import SupervisorSettings
    from granian.process.reloading.reload import Tell
    from granian.process.service_manager import ServiceManager
    from granian.process.situation import Situation
    from granian.process.timers import Timer, Timers
    from granian.process.waiting import Waiting


class Upgrading(Protocol):
    """What an upgrade needs of the supervisor."""

    situation: Situation
    waiting: Waiting
    manager: ServiceManager
    control: Control
    timers: Timers

    def help(self, life: Callable[[], int], ended: Callable[[int], None], *, listens: bool) -> int: ...

    def succeeded(self, pid: int, kept: set[int], told: Callable[[], object]) -> None:
        """That process serves in our place, on the sockets of these descriptors; `told` is called once none of ours accepts."""


class _Word:
    """What the new supervisor says when it serves."""

    def __init__(self) -> None:
        self._reads, self.writes = os.pipe()
        os.set_blocking(self._reads, False)
        self._said = b''

    def fileno(self) -> int:
        return self._reads

    def close(self) -> None:
        for fd in (self._reads, self.writes):
            if fd != -1:
                os.close(fd)
        self._reads = self.writes = -1

    def close_writer(self) -> None:
        os.close(self.writes)
        self.writes = -1

    def read(self) -> bytes | None:
        """The line it says, or what there is of it at the end of the process; None: there is more to come."""
        try:
            data = os.read(self._reads, 65536)
        except BlockingIOError:
            return None
        self._said += data
        return None if data and not data.endswith(b'\n') else self._said


class Upgrade:
    """At most one at a time."""

    def __init__(self, owner: Upgrading) -> None:
        self._owner = owner
        self._pid: int | None = None
        self._word: _Word | None = None
        self._tell: Tell | None = None
        # Until it serves; then, where it does not, until it ends.
        self._patience: Timer | None = None
        self._is_late = False

    def begin(self, tell: Tell) -> None:
        """`tell` is called with what went wrong, or None."""
        if self._pid is not None:
            _refuse(tell, 'another upgrade is under way')
            return
        if os.getpid() == 1:
            _refuse(tell, 'process 1 cannot be replaced; start a new container')
            return
        try:
            self._word = _Word()
            self._pid = self._start(self._word)
        except OSError as exc:
            _refuse(tell, f'the new supervisor could not be started: {(exc.strerror or str(exc)).lower()}')
            return
        self._tell = tell
        logger.info('Upgrading: process %d starts', self._pid)
        self._is_late = False
        self._patience = self._owner.timers.after(self._settings.start_s, self._give_up)
        self._word.close_writer()
        self._owner.waiting.wait_for(self._word, self._read)

    def _start(self, word: _Word) -> int:
        """Raises OSError where the system has no room for that."""
        control_fd = -1
        try:
            control_fd = self._owner.control.duplicate()
            return self._owner.help(lambda: self._life(control_fd), self._on_end, listens=True)
        except OSError:
            word.close()
            raise
        finally:
            if control_fd != -1:
                os.close(control_fd)

    @property
    def _settings(self) -> SupervisorSettings:
        return self._owner.situation.generation.plan.supervisor

    def cancel(self) -> None:
        """We are to end: so is whoever would take our place, and not whenever it likes."""
        if self._pid is not None:
            os.kill(self._pid, signal.SIGTERM)
            self._stop_waiting()
            self._patience = self._owner.timers.after(self._settings.kill_after_s, self.kill)

    def _give_up(self) -> None:
        """It has taken too long."""
        self._is_late = True
        self.cancel()

    def kill(self) -> None:
        """End it at once, if there is one."""
        if self._pid is not None:
            # Its workers see that it is gone, and end.
            os.kill(self._pid, signal.SIGKILL)

    def _stop_waiting(self) -> None:
        assert self._patience is not None
        self._patience.cancel()

    def _life(self, control_fd: int) -> int:
        assert self._word is not None
        sockets = self._owner.situation.generation.sockets
        environment = {
            **os.environ,
            **self._owner.manager.variables_of(os.getpid()),
            succession.VARIABLE: succession.description(
                sockets, control_fd, self._owner.control.file, self._word.writes
            ),
        }
        self._owner.situation.restore_umask()
        given = [sock.fileno() for sock in sockets.every()] + [self._word.writes, control_fd]
        succession.become(environment, [fd for fd in given if fd != -1])
        raise AssertionError

    def _read(self) -> None:
        assert self._word is not None
        said = self._word.read()
        if said is None:
            return
        self._owner.waiting.let_go(self._word)
        if not said:
            # It ends, or is some other program: the end will tell.
            return
        pid, tell = self._pid, self._tell
        assert pid is not None
        assert tell is not None
        self._pid = self._tell = None
        self._stop_waiting()
        self._owner.succeeded(pid, set(json.loads(said)['kept']), lambda: tell(None))

    def _on_end(self, code: int) -> None:
        """The new one has ended before it served."""
        assert self._word is not None
        assert self._tell is not None
        if self._word.fileno() != -1:
            self._owner.waiting.let_go(self._word)
        self._pid = None
        self._stop_waiting()
        late = f'did not serve within {self._settings.start_s:g} s'
        _refuse(
            self._tell, f'the new supervisor {late if self._is_late else f"ended with status {code} before it served"}'
        )


def _refuse(tell: Tell, why: str) -> None:
    logger.error('Not upgraded, this process goes on: %s', why)
    tell(Refused(why))
