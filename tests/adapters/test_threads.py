"""The pool: how many threads there are, who is roused, and what a stuck one can do."""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time

import pytest

from granian.adapters.wsgi import threads
from granian.adapters.wsgi.threads import CROWD, Threads

pytestmark = pytest.mark.parametrize('engine', ['fast'])


class Pool:
    """A pool whose work is to call what it is given."""

    def __init__(self, threads_max, idle_timeout_s=30.0):
        self.loop = asyncio.get_running_loop()
        self.threads = Threads(
            self.loop, lambda item: item(), name='pool', threads_max=threads_max, idle_timeout_s=idle_timeout_s
        )

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.threads.stop(5)
        assert self.threads.count == 0

    async def run(self, work):
        """What `work()` returns on a pool thread."""
        result = self.loop.create_future()
        self.threads.submit(lambda: self.threads.post(result.set_result, work()))
        return await asyncio.wait_for(result, 10)


async def until(condition):
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError('not within 5 s')


async def test_no_thread_before_there_is_work(engine, loop):
    async with Pool(3) as pool:
        assert pool.threads.count == 0
        assert await pool.run(lambda: threading.current_thread().name) == 'pool-1'
        assert await pool.run(lambda: threading.current_thread().daemon)


async def test_what_threads_live_is_added_up_and_stays_when_they_are_gone(engine, loop):
    async with Pool(2) as pool:
        assert pool.threads.lived_s() == 0
        began_s = time.perf_counter()
        await pool.run(lambda: time.sleep(0.05))
        lived_s, passed_s = pool.threads.lived_s(), time.perf_counter() - began_s
        assert 0.05 <= lived_s <= pool.threads.count * passed_s
        assert pool.threads.lived_s() > lived_s
    lived_s = pool.threads.lived_s()
    assert 0.05 <= lived_s == pool.threads.lived_s()


async def test_one_request_after_another_needs_no_thread_each(engine, loop):
    async with Pool(10) as pool:
        names = {await pool.run(lambda: threading.current_thread().name) for _ in range(50)}
    # One may be asked for while the other is on its way back.
    assert len(names) <= 2


async def test_work_that_blocks_gets_a_thread_each_up_to_the_limit(engine, loop):
    go, running = threading.Event(), []
    async with Pool(5) as pool:
        done = [asyncio.ensure_future(pool.run(lambda n=n: (running.append(n), go.wait(10)))) for n in range(8)]
        await until(lambda: len(running) == 5)
        assert pool.threads.count == 5
        assert len(pool.threads.queue) == 3
        go.set()
        await asyncio.gather(*done)
    assert sorted(running) == list(range(8))


async def test_work_that_comes_later_finds_a_thread_beside_a_stuck_one(engine, loop):
    go = threading.Event()
    async with Pool(2) as pool:
        stuck = asyncio.ensure_future(pool.run(lambda: go.wait(10)))
        for _ in range(20):
            assert await pool.run(lambda: 'free') == 'free'
        go.set()
        await stuck


async def test_a_crowd_that_blocks_grows_to_the_limit(engine, loop):
    go, running = threading.Event(), []
    async with Pool(6 * CROWD) as pool:
        done = [asyncio.ensure_future(pool.run(lambda: (running.append(1), go.wait(30)))) for _ in range(7 * CROWD)]
        await until(lambda: len(running) == 6 * CROWD)
        assert len(pool.threads.queue) == CROWD
        go.set()
        await asyncio.gather(*done)


async def test_a_crowd_does_not_grow_while_others_are_served_and_the_interpreter_is_late(engine, loop, monkeypatch):
    monkeypatch.setattr(threads, 'LATE_S', -1)
    monkeypatch.setattr(threads, 'LOOK_S', 0.05)
    go = threading.Event()
    async with Pool(6 * CROWD) as pool:
        stuck = [asyncio.ensure_future(pool.run(lambda: go.wait(30))) for _ in range(CROWD)]
        await until(lambda: pool.threads.count == CROWD)
        await asyncio.gather(*[pool.run(lambda: time.sleep(0.002)) for _ in range(100)])
        # The one that serves, since nobody else took anything; the one that looks.
        assert pool.threads.count <= CROWD + 4
        go.set()
        await asyncio.gather(*stuck)


async def test_surplus_threads_end_and_the_last_stays(engine, loop, monkeypatch):
    barrier = threading.Barrier(4)
    alone, park = threading.Event(), Threads._park

    def seen_parking(self, lock):
        # The last either comes late, or its time was up and it waits once more.
        if self.count == 1:
            alone.set()
        return park(self, lock)

    monkeypatch.setattr(Threads, '_park', seen_parking)
    async with Pool(4, idle_timeout_s=0.05) as pool:
        await asyncio.gather(*[pool.run(lambda: barrier.wait(10)) for _ in range(4)])
        assert pool.threads.count == 4
        await until(alone.is_set)
        assert pool.threads.count == 1
        # And there may be more again.
        await asyncio.gather(*[pool.run(lambda: barrier.wait(10)) for _ in range(4)])


async def test_nothing_is_lost_while_threads_come_and_go(engine, loop):
    done = []
    async with Pool(4, idle_timeout_s=0.001) as pool:
        for n in range(300):
            for _ in range(n % 5):
                pool.threads.submit(lambda n=n: done.append(n))
            await asyncio.sleep(0.0005 * (n % 4))
        await until(lambda: len(done) == 600)


async def test_what_is_posted_runs_in_order_on_the_loop_and_in_its_own_context(engine, loop):
    variable = contextvars.ContextVar('variable', default='none')
    seen = []

    def posted(n):
        seen.append((n, threading.current_thread() is threading.main_thread(), variable.get()))

    async with Pool(1) as pool:
        variable.set('of the test')

        def work():
            variable.set('of the thread')
            for n in range(100):
                pool.threads.post(posted, n)

        await pool.run(work)
    assert seen == [(n, True, 'none') for n in range(100)]


async def test_what_fails_when_posted_keeps_nothing_else_from_running(engine, loop):
    seen = []

    def work():
        pool.threads.post(lambda: 1 / 0)
        pool.threads.post(lambda: seen.append(1))

    async with Pool(1) as pool:
        await pool.run(work)
        await until(lambda: seen)
    assert len(loop.complaints) == 1
    loop.complaints.clear()


async def test_a_stop_waits_for_work_in_progress_and_for_what_is_queued(engine, loop):
    done = []
    go = threading.Event()
    pool = Pool(1)
    for n in range(3):
        pool.threads.submit(lambda n=n: (go.wait(10), done.append(n)))
    await until(lambda: pool.threads.count == 1)
    stopping = asyncio.ensure_future(pool.threads.stop(10))
    go.set()
    await stopping
    assert done == [0, 1, 2]
    assert pool.threads.count == 0


async def test_a_stop_leaves_a_stuck_thread_behind_and_says_where_it_is(engine, loop, caplog):
    go = threading.Event()
    pool = Pool(2)

    def stuck_here():
        go.wait(10)

    pool.threads.submit(stuck_here)
    await until(lambda: pool.threads.count == 1)
    await pool.threads.stop(0.05)
    (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
    assert 'wait' in record.getMessage()
    (thread,) = pool.threads._threads
    go.set()
    thread.join(10)
    assert not thread.is_alive()
