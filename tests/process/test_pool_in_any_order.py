"""A pool whose workers start, serve, die and are told to end in any order, between reloads, replacements and scalings."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from granian.process.pool.leaving import CLOSE_S
from granian.process.report import StartFailure
from tests.helpers.workers import Stage

CODES = (-9, -15, 0, 1)
NUMBERS = st.integers(0, 1000)


class AnyOrder(RuleBasedStateMachine):
    """Whatever happens, each worker that lives is known, each change has one outcome, and in the end all is as it should be."""

    @initialize(
        workers=st.integers(1, 3), overlap_s=st.sampled_from([0.0, 3.5]), start_s=st.sampled_from([3.0, math.inf])
    )
    def open(self, workers, overlap_s, start_s):
        self.stage = Stage(workers=workers, respawn_interval_s=overlap_s, start_s=start_s)
        self.pool = self.stage.pool
        self.begun = 0
        self.told = []
        self.left_s = {}
        self.pool.open(self.stage.generation())

    # ── who is there ─────────────────────────────────────────────────────────────────────────────────────────────

    def alive(self, *phases):
        return [child for child in self.stage.started if not child.is_gone and child.phase in phases]

    def one(self, number, *phases):
        found = self.alive(*phases)
        return found[number % len(found)] if found else None

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────

    @rule(number=NUMBERS)
    def is_ready(self, number):
        if child := self.one(number, 'starting'):
            self.stage.ready(child)

    @rule(number=NUMBERS)
    def accepts(self, number):
        if child := self.one(number, 'opening'):
            self.pool.on_serving(child)

    @rule()
    def all_come_up(self):
        self.stage.ready(*self.alive('starting'))
        for child in self.alive('opening'):
            self.pool.on_serving(child)

    @rule(number=NUMBERS, code=st.sampled_from(CODES))
    def ends(self, number, code):
        # A first start that fails is the end of the server.
        if child := self.one(number, 'ready', 'opening', 'serving', 'leaving'):
            self.stage.end(child, code)

    @rule(number=NUMBERS)
    def is_killed_as_it_starts(self, number):
        if child := self.one(number, 'starting'):
            self.stage.end(child, -9)

    @rule(number=NUMBERS)
    def closes(self, number):
        if child := self.one(number, 'leaving'):
            self.stage.close(child)

    @rule(number=NUMBERS)
    def is_told_to_end_by_somebody_else(self, number):
        if child := self.one(number, 'serving'):
            self.pool.on_leaving(child)

    @rule(number=NUMBERS, urgent=st.booleans())
    def is_to_be_replaced(self, number, urgent):
        if child := self.one(number, 'serving', 'opening', 'ready'):
            self.pool.wish(child, 'age', urgent=urgent)

    @rule(workers=st.integers(1, 3))
    def reload(self, workers):
        self.pool.at_once(lambda: self.begin(workers, range(workers)))

    @rule(more=st.sampled_from([-1, 1]))
    def scale(self, more):
        self.pool.then(lambda: self.begin_scaling(more))

    def begin_scaling(self, more):
        workers = self.pool.generation.workers + more
        if 1 <= workers <= 4:
            self.begin(workers, [slot for slot in range(workers) if slot not in self.pool.members])

    def begin(self, workers, slots):
        self.begun += 1
        number = self.pool.generation.number + 1
        self.pool.begin(self.stage.generation(number, workers=workers), slots, self.on_outcome)

    def on_outcome(self, failure):
        self.stage.done.append(failure)
        number = len(self.stage.done)
        self.pool.once_closed(lambda: self.told.append(number))

    @rule()
    def give_the_change_up(self):
        if self.pool.change is not None:
            self.pool.abandon(StartFailure('FatalError', 'given up', ''))

    @rule(full=st.booleans())
    def has_room_or_not(self, full):
        self.stage.full = full

    @rule(seconds=st.sampled_from([0.0, 0.5, 4.0, 70.0]))
    def pass_time(self, seconds):
        self.stage.pass_time(seconds)

    # ── what is always so ────────────────────────────────────────────────────────────────────────────────────────

    @invariant()
    def everybody_who_lives_is_known_once(self):
        known = self.pool.everyone()
        assert len(known) == len(set(known))
        assert set(known) == {child for child in self.stage.started if not child.is_gone}

    @invariant()
    def each_change_has_one_outcome(self):
        under_way = self.pool.change is not None and self.pool.change.done == self.on_outcome
        assert len(self.stage.done) == self.begun - under_way

    @invariant()
    def outcomes_are_told_in_order_once_nobody_old_accepts(self):
        assert self.told == list(range(1, len(self.told) + 1))
        for child in self.alive('leaving'):
            self.left_s.setdefault(child, self.stage.now)
        accepting = [child for child in self.alive('leaving') if child.has_accepted and not child.is_closed]
        if all(self.stage.now - self.left_s[child] >= CLOSE_S for child in accepting):
            assert len(self.told) == len(self.stage.done)

    def teardown(self):
        """Nothing bad happens any more: all that should serve does, and nobody else is there."""
        if not hasattr(self, 'stage') or self.stage.given_up:
            return
        self.stage.full = False
        for _ in range(40):
            self.stage.serve(*self.alive('starting'))
            for child in self.alive('opening'):
                self.pool.on_serving(child)
            for child in self.alive('leaving'):
                self.stage.end(child, 0)
            self.stage.pass_time(10)
        if self.stage.given_up:
            return
        assert len(self.told) == len(self.stage.done)
        assert self.pool.change is None
        assert sorted(self.pool.members) == list(range(self.pool.generation.workers))
        assert {child.phase for child in self.pool.everyone()} == {'serving'}


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=150, stateful_step_count=40)
