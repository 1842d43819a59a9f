"""The workers of a server: who is in which slot, who takes whose place, who is on the way out. Starts no process itself."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING, Literal, Protocol

from granian.observe.logs import logger
from granian.process.pool.change import Change
from granian.process.pool.health import STACKS_S
from granian.process.pool.leaving import Leaving
from granian.process.report import StartFailure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from granian.process.pool.child import Child
    from granian.process.pool.generation import Generation
    from granian.process.timers import Timers

# A replacement that lives no longer than this is not replaced again.
CRASH_LOOP_S = 5.5
# A worker that lived this long and then died is replaced at once, whatever those before it did.
STEADY_S = 60.0
BACK_OFF_MAX_S = 8.0
# Before another attempt where the system had no room for a process.
NO_ROOM_PAUSE_S = 1.0
# Between attempts to replace a worker that still serves.
RETRY_MAX_S = 60.0
# Nothing in the worker's own code ends like this: the operator, or a kernel that is out of memory.
FROM_OUTSIDE = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})
SUPERSEDED = StartFailure('FatalError', 'given up for a later request', '')

# What a worker is replaced for, as it is counted.
Cause = Literal['err', 'lifetime', 'rss', 'requests']


class Owner(Protocol):
    """Whoever forks, and decides what becomes of the whole."""

    def start(self, slot: int, generation: Generation, *, respawned: bool) -> Child:
        """Raises OSError where the system has no room for another process."""

    def on_serving(self, child: Child) -> None:
        """It accepts from now on."""

    def on_late(self, child: Child) -> None:
        """It has taken too long to start, and is about to be given up."""

    def on_replaced(self, cause: Cause) -> None:
        """Another worker has taken a member's place."""

    def give_up(self, failure: StartFailure | None) -> None:
        """The server cannot go on: of a failure that is to be told, or of one that was."""

    def settled(self) -> None:
        """Every worker that there is to be serves."""


class Pool:
    """The current generation's workers by slot, and at most one change of them at a time."""

    def __init__(self, owner: Owner, timers: Timers) -> None:
        self.generation: Generation | None = None
        self.members: dict[int, Child] = {}
        self.change: Change | None = None
        self._owner = owner
        self._timers = timers
        self._leaving = Leaving(timers)
        # How often in a row a slot's worker has died young.
        self._deaths: dict[int, int] = {}
        self._waiting: list[Callable[[], None]] = []
        # Members that are to be replaced, and why; one at a time, in this order.
        self._wishes: dict[Child, tuple[str, Cause]] = {}
        # Those for whom that failed, until it is tried again.
        self._put_off: set[Child] = set()
        # Replacements in a row that failed.
        self._failures = 0
        self._closed = False

    def open(self, generation: Generation) -> None:
        """Start the first generation: each of its workers accepts as soon as it can."""
        self.generation = generation
        for slot in range(generation.workers):
            self._fill(slot)

    def everyone(self) -> list[Child]:
        candidates = self.change.candidates.values() if self.change else ()
        return [*self.members.values(), *candidates, *self._leaving]

    # ── changes ──────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(
        self,
        generation: Generation,
        slots: Iterable[int],
        done: Callable[[StartFailure | None], None],
        overlap_s: float = 0.0,
    ) -> None:
        """Give these slots workers of that generation; `done` is called with what went wrong, or None.

        Workers in slots that the generation has not are retired with those that are replaced. That they accept nothing more is
        told by `once_closed`, asked for in `done` or later.
        """
        assert self.change is None
        self.change = change = Change(generation, overlap_s, done)
        for slot in slots:
            try:
                change.candidates[slot] = self._owner.start(slot, generation, respawned=False)
            except OSError as exc:
                self.abandon(could_not_start(slot, exc))
                return
        start_s = generation.plan.supervisor.start_s
        change.expect(self._timers, start_s, lambda: self._ask_late(change, start_s))
        if not change.candidates:
            # Fewer workers on sockets that all of them share.
            self._commit()

    def _ask_late(self, change: Change, start_s: float) -> None:
        for child in change.late:
            self._owner.on_late(child)
        # Told to end, they would say nothing more.
        change.expect(self._timers, STACKS_S, lambda: self._give_up_late(change, start_s))

    def _give_up_late(self, change: Change, start_s: float) -> None:
        names = ', '.join(child.name for child in change.late)
        self.abandon(StartFailure('FatalError', f'{names} did not start within {start_s:g} s', ''))

    def abandon(self, failure: StartFailure) -> None:
        """Stop the change that is under way; what was before goes on."""
        change, self.change = self.change, None
        assert change is not None
        change.cancel()
        shared = _sockets_of(self.members.values())
        for child in change.candidates.values():
            child.retire(shared)
            self._leaving.add(child)
        change.done(failure)
        self._go_on()

    def then(self, action: Callable[[], None]) -> None:
        """Do it now, or once the change that is under way has come to its end."""
        self._waiting.append(action)
        self._go_on()

    def at_once(self, action: Callable[[], None]) -> None:
        """Do it now; a change that is under way is given up for it (SUPERSEDED), and what waits goes on waiting."""
        self._waiting.insert(0, action)
        if self.change is None:
            self._go_on()
        else:
            self.abandon(SUPERSEDED)

    def _go_on(self) -> None:
        while self.change is None and not self._closed and (self._waiting or self._wishes):
            if self._waiting:
                self._waiting.pop(0)()
            else:
                self._replace(next(iter(self._wishes)))

    # ── replacements ─────────────────────────────────────────────────────────────────────────────────────────────

    def holds(self, child: Child) -> bool:
        return self.members.get(child.slot) is child

    def wish(self, child: Child, reason: str, *, cause: Cause = 'err', urgent: bool = False) -> None:
        """Have a member replaced when its turn comes."""
        if not self.holds(child) or child in self._wishes or (child in self._put_off and not urgent):
            return
        wish = {child: (reason, cause)}
        self._wishes = wish | self._wishes if urgent else self._wishes | wish
        self._go_on()

    def _replace(self, child: Child) -> None:
        reason, cause = self._wishes.pop(child)
        if not self.holds(child):
            return
        assert self.generation is not None
        logger.info('Replacing %s for %s', child.name, reason)

        def done(failure: StartFailure | None) -> None:
            if failure is None:
                self._failures = 0
                self._owner.on_replaced(cause)
                return
            delay_s = min(2.0**self._failures, RETRY_MAX_S)
            if failure is not SUPERSEDED:
                self._failures += 1
            if failure.details:
                logger.error('%s', failure.details)
            logger.log(level_of(failure), '%s goes on, it was not replaced: %s', child.name, failure.message)
            # Somebody may have wished for it once more meanwhile.
            self._wishes.pop(child, None)
            self._put_off.add(child)
            self._timers.after(delay_s, again)

        def again() -> None:
            self._put_off.discard(child)
            self.wish(child, reason, cause=cause)

        self.begin(self.generation, [child.slot], done, self.generation.plan.supervisor.respawn_interval_s)

    def _commit(self) -> None:
        change, self.change = self.change, None
        assert change is not None
        change.cancel()
        self.generation = change.generation
        gone = [self.members.pop(slot) for slot in change.candidates if slot in self.members]
        gone += [self.members.pop(slot) for slot in list(self.members) if slot >= change.generation.workers]
        self.members |= change.candidates
        for child in gone:
            self._leaving.add(child)
        # First of all the word: sockets that are no longer listened on must refuse before their queues are emptied.
        change.done(None)
        shared = _sockets_of(self.members.values())
        for child in gone:
            child.retire(shared)
        self._go_on()

    # ── what workers say ─────────────────────────────────────────────────────────────────────────────────────────

    def on_ready(self, child: Child) -> None:
        if child.phase != 'starting':
            return
        child.phase = 'ready'
        if self.members.get(child.slot) is child:
            child.accept()
        elif self.change is not None and all(each.has_started for each in self.change.candidates.values()):
            for each in self.change.candidates.values():
                each.accept()

    def on_serving(self, child: Child) -> None:
        if child.phase != 'opening':
            return
        child.phase = 'serving'
        logger.info('Started %s', child.name)
        self._owner.on_serving(child)
        change = self.change
        if self.holds(child):
            # One that took a dead one's place, while others are replaced: it is no part of that.
            self.look_round()
        elif change is not None and change.is_open:
            oldest_s = min(each.started_s for each in change.candidates.values())
            change.wait(self._timers, oldest_s, self._commit)

    def look_round(self) -> None:
        """Tell the owner if all is as it should be; where it is not, it will be told once it is."""
        wanted = None if self.generation is None else self.generation.workers
        if len(self.members) == wanted and all(each.phase == 'serving' for each in self.members.values()):
            self._owner.settled()

    def on_leaving(self, child: Child) -> None:
        """It was told to end, and not by us: its sockets are nobody's until another takes its place."""
        if not self.holds(child) or not child.generation.plan.supervisor.respawn:
            return
        logger.warning('%s was told to end by somebody else, replacing it', child.name)
        del self.members[child.slot]
        child.phase = 'leaving'
        self._leaving.add(child)
        self._fill(child.slot, respawned=True)

    def on_closed(self, child: Child) -> None:
        """It accepts nothing more, and has closed what it listened on."""
        self._leaving.on_closed(child)

    def once_closed(self, action: Callable[[], object]) -> None:
        """Do it as soon as whoever has been told to leave until now accepts no more, or has had its time."""
        self._leaving.once_closed(action)

    def on_end(self, child: Child, code: int) -> None:
        """The process is gone."""
        for timer in (child.kill_timer, child.due_timer):
            if timer is not None:
                timer.cancel()
        if child in self._leaving:
            self._leaving.remove(child)
        elif self.members.get(child.slot) is child:
            del self.members[child.slot]
            self._on_death(child, code)
        elif self.change is not None:
            del self.change.candidates[child.slot]
            self.abandon(child.failure or died(child, code))

    def _on_death(self, child: Child, code: int) -> None:
        # A death before it was ready is a failed start, unless somebody else killed it.
        failure = child.failure
        if failure is None and not child.has_started and code >= 0:
            failure = died(child, code)
        if failure is not None:
            self._owner.give_up(failure)
            return
        logger.error('Unexpected exit from %s: %s', child.name, words(code))
        age_s = self._timers.clock() - child.started_s
        if not child.generation.plan.supervisor.respawn:
            self._owner.give_up(None)
        elif code in FROM_OUTSIDE and child.phase == 'serving':
            self._fill(child.slot, respawned=True)
        elif code not in FROM_OUTSIDE and child.respawned and age_s <= CRASH_LOOP_S:
            logger.error('Worker crash loop detected, exiting')
            self._owner.give_up(None)
        else:
            self._timers.after(self._back_off_s(child.slot, age_s), lambda: self._refill(child.slot))

    def _back_off_s(self, slot: int, age_s: float) -> float:
        self._deaths[slot] = deaths = 0 if age_s >= STEADY_S else self._deaths.get(slot, 0) + 1
        return 0.0 if deaths <= 1 else min(2.0 ** (deaths - 2), BACK_OFF_MAX_S)

    def _refill(self, slot: int) -> None:
        # Meanwhile a change may have filled the slot, or taken it away.
        assert self.generation is not None
        if not self._closed and slot not in self.members and slot < self.generation.workers:
            self._fill(slot, respawned=True)

    def _fill(self, slot: int, *, respawned: bool = False) -> None:
        assert self.generation is not None
        if self._closed:
            return
        try:
            self.members[slot] = self._owner.start(slot, self.generation, respawned=respawned)
        except OSError as exc:
            failure = could_not_start(slot, exc)
            if not respawned:
                self._owner.give_up(failure)
                return
            # The others serve; there may be room again in a moment.
            logger.error('%s; trying again', failure.message)
            self._timers.after(NO_ROOM_PAUSE_S, lambda: self._refill(slot))
        else:
            if respawned:
                self._owner.on_replaced('err')

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────

    def stop(self, shared: set[int] | None = None) -> None:
        """Let every worker finish, and take no more; `shared` are sockets that somebody else goes on to serve."""
        self._closed = True
        everyone = self.everyone()
        if self.change is not None:
            self.change.cancel()
        self.members, self.change = {}, None
        for child in everyone:
            if shared is None:
                child.stop()
            elif child.phase != 'leaving':
                child.retire(shared)
            self._leaving.add(child)

    def kill(self) -> None:
        """End whoever is left at once."""
        for child in self.everyone():
            if child.kill_timer is not None:
                child.kill_timer.cancel()
            logger.warning('Killing %s on a second signal', child.name)
            child.signal(signal.SIGKILL)


def _sockets_of(children: Iterable[Child]) -> set[int]:
    return {id(sock) for child in children for sock in child.part.sockets}


def level_of(failure: StartFailure) -> int:
    """How loud it is to be told."""
    return logging.INFO if failure is SUPERSEDED else logging.ERROR


def could_not_start(slot: int, error: OSError) -> StartFailure:
    """No descriptors, processes or memory left."""
    reason = f'worker-{slot + 1} could not be started: {(error.strerror or str(error)).lower()}'
    return StartFailure('FatalError', reason, '')


def died(child: Child, code: int) -> StartFailure:
    when = '' if child.has_started else ' before it was ready'
    return StartFailure('FatalError', f'{child.name} {words(code)}{when}', '')


def words(code: int) -> str:
    """An exit code as a person says it."""
    if code < 0:
        known = {each.value: each.name for each in signal.Signals}
        return f'killed by {known.get(-code, f"signal {-code}")}'
    return f'exited with status {code}'
