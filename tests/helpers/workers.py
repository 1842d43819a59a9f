"""A pool of workers without processes: a clock that is moved by hand, and workers that do what the test says."""

from __future__ import annotations

import signal
from dataclasses import replace

from granian.process.listening.sockets import Bound, Sockets, Wanted
from granian.process.plan.sections import SupervisorSettings
from granian.process.pool.child import Child
from granian.process.pool.generation import Generation
from granian.process.pool.pool import Pool
from granian.process.report import StartFailure
from granian.process.timers import Timers

SETTINGS = SupervisorSettings(workers=2, respawn=True, kill_after_s=10.0)


class FakeSocket:
    """Sockets are only told apart here."""


class FakePlan:
    def __init__(self, settings: SupervisorSettings) -> None:
        self.supervisor = settings


class FakeChild(Child):
    """`orders` is all it was told; what it says and when it ends is the test's."""

    def __init__(self, *arguments, started_s: float, **more) -> None:
        super().__init__(*arguments, **more)
        self.orders = []
        self.started_s = started_s
        self.pid = 4711

    def _order(self, **order) -> None:
        self.orders.append(tuple(order.values()) if len(order) > 1 else order['do'])

    def signal(self, number: int) -> None:
        if not self.is_gone:
            self.orders.append(signal.Signals(number).name)


class Stage:
    """A pool, its owner and its clock."""

    def __init__(self, **settings) -> None:
        self.now = 1000.0
        self.timers = Timers(lambda: self.now)
        self.pool = Pool(self, self.timers)
        self.started: list[FakeChild] = []
        self.given_up: list[StartFailure | None] = []
        self.done: list[StartFailure | None] = []
        self.late: list[FakeChild] = []
        self.causes: list[str] = []
        self.settlings = 0
        self.full = False
        self.health = None
        self.settings = replace(SETTINGS, **settings)

    def generation(self, number: int = 1, workers: int | None = None, sockets: int | None = None, **settings):
        made = Sockets([Wanted(None, 128)])
        wanted = self.settings.workers if workers is None else workers
        made.bound = [Bound(0, ('a', 1), tuple(FakeSocket() for _ in range(sockets or wanted)))]
        return Generation(number, FakePlan(replace(self.settings, **settings)), made, wanted, (None,))

    # ── what a pool asks of its owner ────────────────────────────────────────────────────────────────────────────

    def start(self, slot: int, generation, *, respawned: bool) -> FakeChild:
        if self.full:
            raise OSError(11, 'Resource temporarily unavailable')
        part = generation.part(slot)
        child = FakeChild(slot, generation, part, respawned=respawned, started_s=self.now)
        self.started.append(child)
        return child

    def on_serving(self, child) -> None:
        if self.health is not None:
            self.health.on_serving(child)

    def on_replaced(self, cause) -> None:
        self.causes.append(cause)

    def settled(self) -> None:
        self.settlings += 1

    def on_late(self, child) -> None:
        self.late.append(child)

    def give_up(self, failure) -> None:
        self.given_up.append(failure)

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.timers.run_due()

    def open(self, generation=None) -> list[FakeChild]:
        """Its workers, all of them serving."""
        self.pool.open(generation or self.generation())
        self.serve(*self.started)
        return list(self.started)

    def ready(self, *children) -> None:
        for child in children:
            self.pool.on_ready(child)

    def serve(self, *children) -> None:
        self.ready(*children)
        for child in children:
            self.pool.on_serving(child)

    def close(self, *children) -> None:
        for child in children:
            child.is_closed = True
            self.pool.on_closed(child)

    def end(self, child, code: int = 0) -> None:
        child.is_gone = True
        self.pool.on_end(child, code)

    def change(self, generation, slots=None, overlap_s: float = 0.0) -> list[FakeChild]:
        """The candidates."""
        before = len(self.started)
        self.pool.begin(generation, range(generation.workers) if slots is None else slots, self.done.append, overlap_s)
        return self.started[before:]

    def newest(self) -> FakeChild:
        return self.started[-1]
