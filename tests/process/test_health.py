"""When a worker is replaced although it lives, on a clock that is moved by hand."""

from __future__ import annotations

import gc
import os
import weakref

import pytest

from granian.process.pool import health
from granian.process.pool.health import Health, Stacks, resident_bytes_of
from tests.helpers.workers import Stage

MIB = 1024**2


class Watched(Stage):
    def __init__(self, **settings) -> None:
        super().__init__(**settings)
        self.resident: dict[int, int | None] = {}
        self.health = Health(self.pool, self.timers, self.resident.get)
        generation = self.generation()
        self.health.follow(generation)
        self.members = self.open(generation)
        for number, child in enumerate(self.members):
            child.pid = number

    def replaced(self) -> list[int]:
        """The slots for which another was started."""
        return [child.slot for child in self.started[len(self.members) :]]


# ── age ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_worker_is_replaced_at_the_end_of_its_lifetime_and_not_before():
    stage = Watched(lifetime_s=100.0, workers=1)
    stage.pass_time(99)
    assert stage.replaced() == []
    stage.pass_time(1)
    assert stage.replaced() == [0]


def test_a_worker_that_is_gone_is_not_kept_for_the_end_of_its_lifetime():
    stage = Watched(lifetime_s=100.0, workers=1)
    gone = weakref.ref(stage.members[0])
    stage.members.clear()
    stage.end(stage.started.pop(), -9)
    gc.collect()
    assert gone() is None


def test_who_has_lived_95_percent_goes_with_the_one_that_is_due(monkeypatch):
    more = iter([0, 4, 6, 0, 0])
    monkeypatch.setattr(health.random, 'uniform', lambda *_: next(more))
    stage = Watched(lifetime_s=100.0, lifetime_jitter_s=6.0, workers=3)
    stage.pass_time(100)
    stage.serve(stage.newest())
    assert stage.replaced() == [0, 1]
    stage.serve(stage.newest())
    assert stage.replaced() == [0, 1]
    stage.pass_time(6)
    assert stage.replaced() == [0, 1, 2]


def test_jitter_makes_lifetimes_longer_by_chance(monkeypatch):
    monkeypatch.setattr(health.random, 'uniform', lambda _, most: most / 2)
    stage = Watched(lifetime_s=100.0, lifetime_jitter_s=20.0, workers=1)
    stage.pass_time(109)
    assert stage.replaced() == []
    stage.pass_time(1)
    assert stage.replaced() == [0]


# ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_memory_must_be_over_the_limit_so_many_times_in_a_row():
    stage = Watched(rss_bytes_max=100 * MIB, rss_samples=2, rss_sample_interval_s=10.0)
    for found in (120, 90, 120):
        stage.resident = {0: found * MIB, 1: 50 * MIB}
        stage.health._resident_bytes = stage.resident.get
        stage.pass_time(10)
        assert stage.replaced() == []
    stage.pass_time(10)
    assert stage.replaced() == [0]


def test_memory_that_stays_over_it_does_not_hasten_what_failed():
    stage = Watched(rss_bytes_max=100 * MIB, rss_sample_interval_s=1.0, workers=1)
    stage.resident[0] = 120 * MIB
    for _ in range(240):
        stage.pass_time(1)
        if len(stage.pool.everyone()) > 1:
            stage.end(stage.newest(), 1)
    # After 1, 2, 4, 8, 16, 32 and then 60 seconds.
    assert len(stage.replaced()) <= 10


def test_a_worker_that_is_gone_holds_nothing():
    stage = Watched(rss_bytes_max=100 * MIB)
    stage.pass_time(30)
    assert stage.replaced() == []


def test_another_generation_has_its_own_limit():
    stage = Watched(rss_bytes_max=100 * MIB, rss_sample_interval_s=10.0)
    stage.resident.update({0: 120 * MIB, 1: 120 * MIB})
    stage.health.follow(stage.generation(2, rss_bytes_max=None))
    stage.pass_time(60)
    assert stage.replaced() == []


@pytest.mark.skipif(not os.path.exists('/proc/self/statm'), reason='needs /proc')
def test_the_memory_of_a_process_is_found():
    assert 5 * MIB < resident_bytes_of(os.getpid()) < 4096 * MIB
    assert resident_bytes_of(2**30) is None


# ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_that_took_a_place_is_watched_like_the_first():
    stage = Watched(stall_s=1.0, workers=1, respawn_interval_s=3.5)
    stage.pass_time(1)
    stage.serve(stage.newest())
    second = stage.newest()
    for _ in range(8):
        stage.pass_time(0.5)
        stage.health.on_alive(second)
    assert stage.pool.members == {0: second}
    assert stage.replaced() == [0]
    stage.pass_time(1)
    assert stage.replaced() == [0, 0]


class FakeStacks:
    def __init__(self, text: str) -> None:
        self.text = text

    def read(self) -> str:
        return self.text

    def close(self) -> None:
        self.text = 'closed'


def test_a_loop_that_turns_is_left_alone():
    stage = Watched(stall_s=10.0, workers=1)
    for _ in range(10):
        stage.pass_time(9)
        stage.health.on_alive(stage.members[0])
    assert stage.replaced() == []


@pytest.mark.parametrize(('stacks', 'told'), [('File "main.py", line 4', 'main.py'), ('', 'deep in the kernel')])
def test_a_loop_that_has_stalled_is_asked_for_its_stacks_and_replaced(stacks, told, caplog, monkeypatch):
    monkeypatch.setattr(health.logger, 'propagate', True)
    stage = Watched(stall_s=10.0, workers=1, respawn_interval_s=0.0)
    (child,) = stage.members
    child.stacks = FakeStacks(stacks)
    stage.pass_time(10)
    assert child.orders[-1] == 'SIGUSR2'
    assert stage.replaced() == [0]
    stage.pass_time(1)
    assert told in caplog.text
    stage.serve(stage.newest())
    assert child.phase == 'leaving'
    stage.pass_time(10)
    assert child.orders[-1] == 'SIGKILL'


def test_what_it_was_doing_is_told_though_it_is_gone_by_then(caplog, monkeypatch):
    monkeypatch.setattr(health.logger, 'propagate', True)
    stage = Watched(stall_s=10.0, workers=1)
    (child,) = stage.members
    child.stacks = stacks = Stacks()
    os.write(stacks.fileno(), b'File "main.py", line 4')
    stage.pass_time(10)
    stage.end(child, -9)
    child.close()
    stage.pass_time(1)
    assert 'main.py' in caplog.text
    assert stacks.fileno() == -1


def test_stacks_are_read_as_they_were_written():
    stacks = Stacks()
    os.write(stacks.fileno(), b'one\ntwo\n')
    assert stacks.read() == 'one\ntwo'
    stacks.close()
    assert stacks.fileno() == -1
