"""The parent: starts workers, notices their death, stops them. No event loop, no threads, no application in here."""

from __future__ import annotations

import faulthandler
import gc
import os
import select
import socket
import time
from typing import TYPE_CHECKING, Protocol

from granian.errors import BindError
from granian.observe import logs
from granian.observe.logs import logger
from granian.process import report
from granian.process.commands import STOPPING, Commands
from granian.process.control import Control
from granian.process.exporting.exporter import Exporter
from granian.process.exporting.numbers import Numbers
from granian.process.pool.child import Child
from granian.process.pool.forking import fork, reap_orphans
from granian.process.pool.health import STACKS_SIGNAL, Health, Stacks
from granian.process.pool.pool import Pool
from granian.process.program import STOP
from granian.process.reloading.auto_reload import AutoReload
from granian.process.reloading.reload import Reload, Scaling, nobody
from granian.process.reloading.upgrade import Upgrade
from granian.process.signals import CHILD_ENDED, FEWER_WORKERS, MORE_WORKERS, RELOAD, REOPEN, UPGRADE
from granian.process.timers import Timers
from granian.process.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.observe.board import Board
    from granian.process.plan.sections import WorkerSettings
    from granian.process.pool.generation import Generation
    from granian.process.pool.pool import Cause
    from granian.process.reloading.succession import Predecessor
    from granian.process.service_manager import ServiceManager
    from granian.process.signals import SignalPipe
    from granian.process.situation import Situation

# One request to stop often comes as two signals: timeout(1) and shells signal the process and then its group.
SAME_REQUEST_S = 0.5


class RunWorker(Protocol):
    def preload(self, settings: WorkerSettings) -> None: ...

    def __call__(self, child: Child, channel: socket.socket) -> int: ...

    def export(self, child: Child, channel: socket.socket, board: Board) -> int:
        """Serve what is on the board."""


class Supervisor:
    """One run, from the first fork until the last worker is gone.

    A first stop signal lets workers finish, a second one ends them at once.
    """

    def __init__(self, situation: Situation, signals: SignalPipe, work: RunWorker, manager: ServiceManager) -> None:
        self.situation = situation
        # Whoever started us.
        self.manager = manager
        self.waiting = Waiting()
        self.timers = Timers()
        self.pool = Pool(self, self.timers)
        self._health = Health(self.pool, self.timers)
        self._numbers = Numbers()
        self.exporter = Exporter(self)
        self.control = Control(self.waiting, Commands(self).by_name())
        self._signals = signals
        self._work = work
        self._children: dict[int, Child] = {}
        # Processes that are no workers, and what to do when they are gone.
        self._helpers: dict[int, Callable[[int], None]] = {}
        self.reloading = Reload(self)
        self._scaling = Scaling(self)
        self.upgrading = Upgrade(self)
        self._auto = AutoReload(self, self.reloading.begin)
        self.stopping = False
        self._asked_s: float | None = None
        self._failure: report.StartFailure | None = None
        self._status = 0

    def run(self, first: Generation) -> int:
        """The exit status; raises FatalError if a worker could not start."""
        self.waiting.wait_for(self._signals, self._take_signals)
        self._beat()
        try:
            if first.plan.preload:
                self._work.preload(first.plan.worker)
            gc.collect()
            gc.freeze()
            # One that came while sockets were bound: nothing need be started for it.
            self._take_signals()
            if not self.stopping:
                if self.situation.predecessor is None:
                    self._open_control()
                self._health.follow(first)
                self.pool.open(first)
                self._auto.follow(self.situation.watch)
                if self.situation.predecessor is None and not self.stopping:
                    self.exporter.follow(first)
            while self._children or self._helpers or not self.stopping:
                self._step()
        finally:
            gc.unfreeze()
            self.control.close()
            self.control.hang_up()
            self.waiting.close()
        if self._failure is not None:
            raise self._failure.error()
        return self._status

    def _step(self) -> None:
        self.waiting.step(self.timers.wait_s())
        self._take_signals()
        self.timers.run_due()

    def _take_signals(self) -> None:
        # Requests to stop first: a death that came with one is no surprise.
        for number in sorted(self._signals.read(), key=lambda number: number not in STOP):
            self._on_signal(number)

    def _on_signal(self, number: int) -> None:
        if number in STOP:
            self._on_stop_signal()
        elif number == CHILD_ENDED:
            self._reap()
        elif self.stopping:
            return
        elif number == RELOAD:
            logger.info('HUP signal received, reloading')
            self.reloading.begin()
        elif number == REOPEN:
            self._reopen_logs()
        elif number == UPGRADE:
            self.upgrading.begin(nobody)
        elif number in {MORE_WORKERS, FEWER_WORKERS}:
            self._scaling.by(1 if number == MORE_WORKERS else -1)

    def _on_stop_signal(self) -> None:
        now_s = time.monotonic()
        if not self.stopping:
            logger.info('Shutting down granian')
            self._stop()
        if self._asked_s is None:
            self._asked_s = now_s
        elif now_s - self._asked_s > SAME_REQUEST_S:
            self.pool.kill()
            self.exporter.kill()
            self.upgrading.kill()

    # ── processes ────────────────────────────────────────────────────────────────────────────────────────────────

    def help(self, life: Callable[[], int], ended: Callable[[int], None], *, listens: bool = False) -> int:
        """Have something done in a child process, which has the listening sockets only if it `listens`. Raises OSError."""

        def alone() -> int:
            self.waiting.leave(self._signals)
            if not listens:
                # One that watches files for days would keep a port that is served no longer.
                for sockets in self.situation.every_sockets():
                    sockets.close()
            return life()

        pid = fork(self._signals, alone)
        self._helpers[pid] = ended
        return pid

    def start(self, slot: int, generation: Generation, *, respawned: bool) -> Child:
        child = Child(slot, generation, generation.part(slot), respawned=respawned)
        self._numbers.provide(child)
        try:
            self._fork(child, lambda channel: self._work(child, channel))
        except OSError:
            self._numbers.gone(child)
            raise
        self._children[child.pid] = child
        self.waiting.wait_for(child, lambda: self._read_reports(child))
        self._numbers.started()
        return child

    def export(self, child: Child, ended: Callable[[int], None]) -> None:
        # Shared only if it is there before the fork.
        board = self._numbers.board
        self._fork(child, lambda channel: self._work.export(child, channel, board))
        self._helpers[child.pid] = ended

    def _fork(self, child: Child, life: Callable[[socket.socket], int]) -> None:
        """Give it a process and a channel. Raises OSError."""
        ours, theirs = socket.socketpair()
        try:
            child.stacks = Stacks()
            pid = fork(self._signals, lambda: self._live_as(child, ours, lambda: life(theirs)))
        except OSError:
            ours.close()
            child.close()
            raise
        finally:
            theirs.close()
        child.runs_as(pid, ours, time.monotonic())

    def _live_as(self, child: Child, ours: socket.socket, life: Callable[[], int]) -> int:
        ours.close()
        self.waiting.leave(self._signals)
        if self.situation.predecessor is not None:
            self.situation.predecessor.forget()
        for sockets in self.situation.every_sockets():
            sockets.keep_only(child.part.sockets)
        assert child.stacks is not None
        faulthandler.register(STACKS_SIGNAL, file=child.stacks.fileno(), all_threads=True, chain=False)
        return life()

    def _read_reports(self, child: Child) -> None:
        for said in child.reports():
            if said['say'] == 'ready':
                self.pool.on_ready(child)
            elif said['say'] == 'serving':
                self.pool.on_serving(child)
            elif said['say'] == 'leaving':
                self._on_leaving(child)
            elif said['say'] == 'failed':
                child.failure = report.StartFailure(**said['failure'])
            elif said['say'] == 'closed':
                child.is_closed = True
                # Before anybody is told: the port is free, if it is to be.
                self.let_sockets_go()
                self.pool.on_closed(child)
            elif said['say'] == 'alive':
                self._health.on_alive(child)
            elif said['say'] == 'tired':
                self._health.on_tired(child, said['reason'])
        if child.has_hung_up and child.fileno() != -1:
            self.waiting.let_go(child)

    def _on_leaving(self, child: Child) -> None:
        if self.stopping or child.phase == 'leaving':
            return
        self._await_own_signal()
        if not self.stopping:
            self.pool.on_leaving(child)

    def _reap(self) -> None:
        ended = self._ended()
        if not self.stopping and any(child.has_started and code == 0 for child, code in ended):
            self._await_own_signal()
        for child, code in ended:
            self._read_reports(child)
            if child.fileno() != -1:
                # Something it started still holds the other end.
                self.waiting.let_go(child)
            self.let_sockets_go()
            self._numbers.gone(child)
            self.pool.on_end(child, code)
        # What a change that was given up would have listened on.
        self.let_sockets_go()

    def once_closed(self, action: Callable[[], object]) -> None:
        """Do it as soon as whoever has been told to leave until now accepts no more, or has had its time."""
        self.pool.once_closed(lambda: self.exporter.once_closed(action))

    def let_sockets_go(self) -> None:
        """Those that nobody is left to serve."""
        holders = [child for child in (*self._children.values(), *self.exporter.everyone()) if not child.is_closed]
        self.situation.let_go({id(sock) for child in holders for sock in child.part.sockets})

    def _ended(self) -> list[tuple[Child, int]]:
        """Workers that are gone, with their exit codes; they are no longer among `_children`."""
        ended = []
        for pid in [*self._children, *self._helpers]:
            found, status = os.waitpid(pid, os.WNOHANG)
            if not found:
                continue
            code = os.waitstatus_to_exitcode(status)
            if pid in self._children:
                child = self._children.pop(pid)
                child.is_gone = True
                ended.append((child, code))
            else:
                self._helpers.pop(pid)(code)
        if os.getpid() == 1:
            reap_orphans({*self._children, *self._helpers})
        return ended

    def _await_own_signal(self) -> None:
        # A worker ends as if told to: a Ctrl-C goes to the whole group and may reach, and end, a worker before us.
        if select.select([self._signals], [], [], SAME_REQUEST_S)[0]:
            self._take_signals()

    # ── whoever started us ───────────────────────────────────────────────────────────────────────────────────────

    def _beat(self) -> None:
        if self.manager.beat_every_s is not None:
            self.manager.beat()
            self.timers.after(self.manager.beat_every_s, self._beat)

    def settled(self) -> None:
        if self.situation.predecessor is not None and not self.stopping:
            self._take_over(self.situation.predecessor)
        if not self.stopping:
            generation = self.situation.generation
            self.manager.ready(f'Generation {generation.number} serves with {len(self.pool.members)} workers')

    # ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────

    def followed(self) -> None:
        """Another generation serves."""
        self.let_sockets_go()
        self._auto.follow(self.situation.watch)
        self._health.follow(self.situation.generation)
        self._show_numbers()
        self.exporter.follow(self.situation.generation)
        self._open_control()

    def on_serving(self, child: Child) -> None:
        self._health.on_serving(child)
        self._show_numbers()

    def on_replaced(self, cause: Cause) -> None:
        self._numbers.replaced(cause)
        self._show_numbers()

    def _show_numbers(self) -> None:
        self._numbers.show(self.pool.members, self.situation.generation.workers)

    def on_late(self, child: Child) -> None:
        self._health.ask_stacks(child)

    def _open_control(self) -> None:
        path = self.situation.control_path()
        if self.control.is_at(path):
            return
        try:
            self.control.open(path)
        except BindError as exc:
            logger.warning('No control socket, `granian reload` will not reach this server; SIGHUP does: %s', exc)

    def _reopen_logs(self) -> None:
        logs.reopen()
        for child in (*self.pool.everyone(), *self.exporter.everyone()):
            child.reopen()
        logger.info('Log files opened again')

    def _take_over(self, predecessor: Predecessor) -> None:
        self.situation.take_over()
        self.exporter.follow(self.situation.generation)
        found = predecessor.control()
        if found is not None:
            sock, file = found
            if file.path == str(self.situation.control_path()) and file.is_ours():
                self.control.adopt(sock, file)
                return
            sock.close()
            file.remove()
        self._open_control()

    def succeeded(self, pid: int, kept: set[int], told: Callable[[], object]) -> None:
        logger.info('Process %d serves in our place, finishing', pid)
        self._helpers.pop(pid)
        self.stopping = True
        self.manager.hand_over(pid)
        self._auto.stop()
        self.reloading.cancel('another process serves in our place')
        # The file is the successor's.
        self.control.close(keep_file=True)
        shared = self.situation.hand_over(kept)
        self.exporter.stop(shared)
        self.pool.stop(shared)
        self.once_closed(told)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def give_up(self, failure: report.StartFailure | None) -> None:
        if self.stopping:
            return
        if failure is not None and failure.details:
            logger.error('%s', failure.details)
        if failure is not None and self._auto.waits_out_failures:
            logger.error('%s; waiting for a change', failure.message)
            return
        self._failure = failure
        self._status = 1
        self._stop()

    def _stop(self) -> None:
        self.stopping = True
        self.manager.stopping()
        self._auto.stop()
        self.reloading.cancel(STOPPING)
        self.upgrading.cancel()
        # First of all our own copies: while one is open, clients connect to nobody.
        self.situation.refuse_more()
        self.exporter.stop()
        self.pool.stop()
