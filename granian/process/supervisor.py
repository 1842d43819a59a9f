"""The parent: starts workers, notices their death, stops them. No event loop, no threads, no application in here."""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import select
import selectors
import signal
import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from granian.observe.logs import logger
from granian.process import report
from granian.process.program import STOP
from granian.process.signals import CHILD_ENDED, RELOAD

if TYPE_CHECKING:
    from granian.process.sections import SupervisorSettings
    from granian.process.signals import SignalPipe
    from granian.process.sockets import Sockets

# A replacement that lives no longer than this is not replaced again.
CRASH_LOOP_S = 5.5
# One request to stop often comes as two signals: timeout(1) and shells signal the process and then its group.
SAME_REQUEST_S = 0.5
# epoll_wait(2) counts milliseconds in an int: 24.8 days.
SELECT_MAX_S = 86400.0


class RunWorker(Protocol):
    def __call__(self, number: int, report_to: report.PipeReport, supervisor_fd: int) -> int: ...


@dataclass(slots=True)
class Child:
    """A worker process as seen from here."""

    slot: int
    pid: int
    # Its reports come here; -1 once it has said all.
    reports: int
    started_s: float
    is_replacement: bool
    ready: bool = False
    said: bytearray = field(default_factory=bytearray)

    @property
    def name(self) -> str:
        return f'worker-{self.slot + 1}'


class Supervisor:
    """One run, from the first fork until the last worker is gone.

    A first stop signal lets workers finish, a second one ends them at once.
    """

    def __init__(self, settings: SupervisorSettings, signals: SignalPipe, sockets: Sockets, work: RunWorker) -> None:
        self._settings = settings
        self._signals = signals
        self._sockets = sockets
        self._work = work
        self._children: dict[int, Child] = {}
        self._selector = selectors.DefaultSelector()
        # Nobody ever writes to it: it ends when this process does, however that comes about.
        self._life_read, self._life_write = os.pipe()
        self._stopping = False
        self._asked_s: float | None = None
        self._kill_at_s: float | None = None
        self._failure: report.StartFailure | None = None
        self._status = 0

    def run(self) -> int:
        """The exit status; raises FatalError if a worker could not start."""
        self._selector.register(self._signals, selectors.EVENT_READ)
        try:
            gc.collect()
            gc.freeze()
            for slot in range(self._settings.workers):
                # One that came while sockets were bound: nothing need be started for it.
                self._take_signals()
                if not self._stopping:
                    self._start(slot)
            while self._children:
                self._step()
        finally:
            gc.unfreeze()
            self._selector.close()
            os.close(self._life_read)
            os.close(self._life_write)
        if self._failure is not None:
            raise self._failure.error()
        return self._status

    def _step(self) -> None:
        timeout_s = None
        if self._kill_at_s is not None:
            timeout_s = min(max(0.0, self._kill_at_s - time.monotonic()), SELECT_MAX_S)
        ready = self._selector.select(timeout_s)
        for key, _ in ready:
            if isinstance(key.data, Child):
                self._read_reports(key.data)
        self._take_signals()
        if self._kill_at_s is not None and time.monotonic() >= self._kill_at_s:
            self._kill_all('Killing %s after it refused to gracefully stop')

    def _take_signals(self) -> None:
        # Requests to stop first: a death that came with one is no surprise.
        for number in sorted(self._signals.read(), key=lambda number: number not in STOP):
            self._on_signal(number)

    def _on_signal(self, number: int) -> None:
        if number in STOP:
            self._on_stop_signal()
        elif number == RELOAD:
            logger.warning('HUP signal received: this version does not reload, going on')
        elif number == CHILD_ENDED:
            self._reap()

    def _on_stop_signal(self) -> None:
        now_s = time.monotonic()
        if not self._stopping:
            logger.info('Shutting down granian')
            self._stop()
        if self._asked_s is None:
            self._asked_s = now_s
        elif now_s - self._asked_s > SAME_REQUEST_S:
            self._kill_all('Killing %s on a second signal')

    # Starting

    def _start(self, slot: int, *, is_replacement: bool = False) -> None:
        try:
            reports, report_to = os.pipe()
            pid = self._fork(slot, reports, report_to)
        except OSError as exc:
            # No descriptors, processes or memory left.
            reason = f'worker-{slot + 1} could not be started: {(exc.strerror or str(exc)).lower()}'
            self._on_start_failure(report.StartFailure('FatalError', reason, ''))
            return
        os.close(report_to)
        os.set_blocking(reports, False)
        child = Child(slot, pid, reports, time.monotonic(), is_replacement)
        self._children[pid] = child
        self._selector.register(reports, selectors.EVENT_READ, child)

    def _fork(self, slot: int, reports: int, report_to: int) -> int:
        # What is still buffered would be written by both.
        _flush()
        with self._signals.held_back():
            try:
                pid = os.fork()
            except OSError:
                os.close(reports)
                os.close(report_to)
                raise
            if pid == 0:
                self._become_worker(slot, report_to, reports)
        return pid

    def _become_worker(self, slot: int, report_to: int, reports: int) -> None:
        """The rest of a forked child's life: it never returns."""
        status = 1
        try:
            # With the signals still held back: the parent's pipe must not be written to from here.
            self._signals.forget()
            os.close(reports)
            os.close(self._life_write)
            for sibling in self._children.values():
                if sibling.reports != -1:
                    os.close(sibling.reports)
            self._selector.close()
            self._sockets.keep_only(slot)
            status = self._work(slot + 1, report.PipeReport(report_to), self._life_read)
            _finish_process()
        except BaseException:
            # Nothing above this is left to tell.
            traceback.print_exc()
            raise
        finally:
            os._exit(status)

    def _read_reports(self, child: Child) -> None:
        while child.reports != -1:
            try:
                data = os.read(child.reports, 65536)
            except BlockingIOError:
                return
            child.said += data
            if not child.ready and child.said.startswith(report.READY):
                child.ready = True
                logger.info('Started %s', child.name)
            if not data:
                self._selector.unregister(child.reports)
                os.close(child.reports)
                child.reports = -1

    # Ending

    def _reap(self) -> None:
        ended = self._ended()
        if not self._stopping and any(child.ready and code == 0 for child, code in ended):
            self._await_own_signal()
        for child, code in ended:
            self._on_end(child, code)

    def _ended(self) -> list[tuple[Child, int]]:
        """Children that are gone, with their exit codes; they are no longer among `_children`."""
        ended = []
        for pid in list(self._children):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                ended.append((self._children.pop(pid), os.waitstatus_to_exitcode(status)))
        return ended

    def _await_own_signal(self) -> None:
        # A worker ended as if told to: a Ctrl-C goes to the whole group and may reach, and end, a worker before us.
        if select.select([self._signals], [], [], SAME_REQUEST_S)[0]:
            self._take_signals()

    def _on_end(self, child: Child, code: int) -> None:
        self._read_reports(child)
        self._drop(child)
        if self._stopping:
            return
        # A death before it was ready is a failed start, unless somebody else killed it.
        failure = report.failure_from(bytes(child.said))
        if failure is None and not child.ready and code >= 0:
            failure = report.StartFailure('FatalError', f'{child.name} {_words(code)} before it was ready', '')
        if failure is not None:
            self._on_start_failure(failure)
            return
        logger.error('Unexpected exit from %s: %s', child.name, _words(code))
        if not self._settings.respawn:
            self._status = 1
            self._stop()
        elif child.is_replacement and time.monotonic() - child.started_s <= CRASH_LOOP_S:
            logger.error('Worker crash loop detected, exiting')
            self._status = 1
            self._stop()
        else:
            self._start(child.slot, is_replacement=True)

    def _drop(self, child: Child) -> None:
        if child.reports != -1:
            # Something it started still holds the other end.
            self._selector.unregister(child.reports)
            os.close(child.reports)
            child.reports = -1

    def _on_start_failure(self, failure: report.StartFailure) -> None:
        if failure.details:
            logger.error('%s', failure.details)
        self._failure = failure
        self._stop()

    def _stop(self) -> None:
        self._stopping = True
        # First of all our own copies: while one is open, clients connect to nobody.
        self._sockets.refuse_more()
        self._kill_at_s = time.monotonic() + self._settings.kill_after_s
        for pid in self._children:
            os.kill(pid, signal.SIGTERM)

    def _kill_all(self, message: str) -> None:
        self._kill_at_s = None
        for child in self._children.values():
            logger.warning(message, child.name)
            os.kill(child.pid, signal.SIGKILL)


def _words(code: int) -> str:
    if code < 0:
        known = {each.value: each.name for each in signal.Signals}
        return f'killed by {known.get(-code, f"signal {-code}")}'
    return f'exited with status {code}'


def _finish_process() -> None:
    """What the interpreter does at the end of a process, and os._exit does not."""
    # Waits for threads that are not daemons, as multiprocessing does for its children.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    logging.shutdown()
    _flush()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        # A full disk, or a reader that is gone: what a log handler could not write is told by it.
        with contextlib.suppress(OSError):
            # None: it was closed before the program started.
            if stream is not None:
                stream.flush()
