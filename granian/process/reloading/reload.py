"""A reload, from the request to its outcome: read, bind what is new, start the new workers, let the old ones go."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING, Protocol

from granian.errors import FatalError
from granian.observe.logs import logger
from granian.process import extras
from granian.process.pool.pool import SUPERSEDED, level_of
from granian.process.reloading.rereading import Reader, Refused
from granian.process.report import StartFailure, in_short

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.process.plan.sections import Plan
    from granian.process.pool.generation import Generation
    from granian.process.pool.pool import Pool
    from granian.process.reloading.rereading import Reread
    from granian.process.service_manager import ServiceManager
    from granian.process.situation import Situation
    from granian.process.timers import Timer, Timers
    from granian.process.waiting import Waiting

    # What is told at the end; None: all went well.
    Tell = Callable[[Refused | None], object]

WORKERS_MAX = 1024


class Helper(Protocol):
    """What a reload needs of the supervisor."""

    situation: Situation
    pool: Pool
    manager: ServiceManager
    timers: Timers

    waiting: Waiting

    def help(self, life: Callable[[], int], ended: Callable[[int], None]) -> int: ...

    def followed(self) -> None: ...

    def once_closed(self, action: Callable[[], object]) -> None: ...


def nobody(_: Refused | None) -> None:
    """The log has it."""


class Reload:
    """At most one at a time: a later request takes the place of one that has not come to its end."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper
        self._reader: Reader | None = None
        self._patience: Timer | None = None
        self._tell: Tell | None = None
        # Requests whose outcome is not told yet.
        self._open = 0
        # Why the last one that was given up was.
        self._given_up = SUPERSEDED.message

    def begin(self, tell: Tell = nobody) -> None:
        self.cancel()
        self._tell = tell
        self._open += 1
        self._helper.manager.reloading()
        reread = self._helper.situation.reread
        if reread is None:
            self._refuse(Refused('this server was not started from a configuration that could be read again'))
            return
        if not self._ran_hooks():
            return
        try:
            self._reader = reader = self._read_in_child(reread)
        except OSError as exc:
            self._refuse(Refused(f'the configuration could not be read: {(exc.strerror or str(exc)).lower()}'))
            return
        self._helper.waiting.wait_for(reader, lambda: self._read(reader))
        start_s = self._helper.situation.generation.plan.supervisor.start_s
        late = f'the configuration could not be read within {start_s:g} s'
        self._patience = self._helper.timers.after(start_s, lambda: self._give_up_reading(late))

    def _ran_hooks(self) -> bool:
        try:
            extras.run(self._helper.situation.extras.on_reload)
        # A program's own may raise anything.
        except Exception as exc:
            logger.exception('A hook of on_reload failed')
            self._refuse(Refused(f'a hook failed: {in_short(exc)}'))
            return False
        return True

    def _read_in_child(self, reread: Reread) -> Reader:
        """Raises OSError where the system has no room for that."""
        reader, log_document = Reader(), self._helper.situation.extras.log_document
        try:
            pid = self._helper.help(lambda: reader.life(reread, log_document), lambda _: reader.is_gone())
            reader.runs_as(pid)
        except OSError:
            reader.close()
            raise
        return reader

    def cancel(self, why: str = SUPERSEDED.message) -> None:
        """Give up what is under way."""
        self._given_up = why
        if self._reader is not None:
            self._give_up_reading(why)
        elif self._tell is not None:
            self._helper.pool.abandon(StartFailure('FatalError', why, ''))

    def _give_up_reading(self, why: str) -> None:
        assert self._reader is not None
        self._reader.kill()
        self._let_go(self._reader)
        self._refuse(Refused(why))

    def _let_go(self, reader: Reader) -> None:
        assert self._patience is not None
        self._patience.cancel()
        self._helper.waiting.let_go(reader)
        self._reader = None

    def _read(self, reader: Reader) -> None:
        found = reader.outcome()
        if found is None:
            return
        self._let_go(reader)
        if isinstance(found, Refused):
            self._refuse(found)
        else:
            # A change that is under way replaces a worker of a generation that is about to go.
            self._helper.pool.at_once(lambda: self._build(found))

    def _build(self, plan: Plan) -> None:
        try:
            generation = self._helper.situation.build(plan, plan.supervisor.workers)
        except FatalError as exc:
            self._refuse(Refused(str(exc)))
            return
        self._helper.pool.begin(generation, range(generation.workers), self._done)

    def _done(self, failure: StartFailure | None) -> None:
        situation = self._helper.situation
        if failure is not None:
            if failure.details:
                logger.error('%s', failure.details)
            situation.forget_coming()
            self._refuse(Refused(failure.message, by_worker=failure.message != self._given_up))
            return
        situation.follow()
        self._helper.followed()
        number = situation.generation.number
        self._end(None, lambda: logger.info('Reloaded: generation %d serves', number))

    def _refuse(self, refused: Refused) -> None:
        number = self._helper.situation.generation.number
        log = logger.info if refused.message == self._given_up else logger.error
        self._end(refused, lambda: log('Not reloaded, generation %d goes on: %s', number, refused.message))

    def _end(self, outcome: Refused | None, say: Callable[[], None]) -> None:
        tell, self._tell = self._tell, None
        assert tell is not None
        # Whoever asked may ask the server next, and is not to meet a worker that is on its way out.
        self._helper.once_closed(lambda: self._told(outcome, say, tell))

    def _told(self, outcome: Refused | None, say: Callable[[], None], tell: Tell) -> None:
        say()
        self._open -= 1
        if self._open == 0:
            # Ready again, whatever came of it (sd_notify(3), RELOADING=1), if it ever was.
            self._helper.pool.look_round()
        tell(outcome)
        # Only a full collection empties CPython's free lists, and little else here leads to one. What was there at the start is
        # frozen, so that this takes no time.
        gc.collect()


class Scaling:
    """One worker more or fewer, until the next reload."""

    def __init__(self, helper: Helper) -> None:
        self._helper = helper

    def by(self, number: int) -> None:
        """Now, or once the change that is under way has come to its end."""
        self._helper.pool.then(lambda: self._begin(number))

    def _begin(self, number: int) -> None:
        now = self._helper.situation.generation
        workers = now.workers + number
        if not 1 <= workers <= WORKERS_MAX:
            logger.warning('Workers stay at %d', now.workers)
            return
        try:
            coming = self._helper.situation.build(now.plan, workers)
        except FatalError as exc:
            logger.error('Workers stay at %d: %s', now.workers, exc)
            return
        slots = [slot for slot in range(workers) if not self._has_all(slot, coming)]
        self._helper.pool.begin(coming, slots, self._done)

    def _has_all(self, slot: int, coming: Generation) -> bool:
        """Whether the worker in that slot accepts on all that it is to have then: another one's sockets may come to it."""
        member = self._helper.pool.members.get(slot)
        return member is not None and set(coming.part(slot).sockets) <= set(member.part.sockets)

    def _done(self, failure: StartFailure | None) -> None:
        situation = self._helper.situation
        if failure is not None:
            situation.forget_coming()
            logger.log(level_of(failure), 'Workers stay at %d: %s', situation.generation.workers, failure.message)
            return
        situation.follow()
        self._helper.followed()
        workers = situation.generation.workers
        self._helper.once_closed(lambda: logger.info('Workers: %d', workers))
