"""Threads that handshakes are worked on in."""

from __future__ import annotations

import asyncio
import threading

from granian.server.tls.threads import WorkThreads


def test_thread_that_is_done_after_the_loop_ends_quietly(recwarn):
    loop = asyncio.new_event_loop()
    threads, may_go_on = WorkThreads(loop), threading.Event()
    before = set(threading.enumerate())
    threads.submit(lambda: may_go_on.wait() and None, print)
    made = set(threading.enumerate()) - before
    loop.close()
    may_go_on.set()
    threads.stop()
    for thread in made:
        thread.join(20)
    assert made
    assert not any(thread.is_alive() for thread in made)
    assert not recwarn


async def test_work_is_done_in_a_thread_and_told_on_the_loop():
    loop = asyncio.get_running_loop()
    threads, told = WorkThreads(loop), loop.create_future()
    seen = []
    threads.submit(
        lambda: seen.append(threading.current_thread()),
        lambda found: told.set_result((found, threading.current_thread())),
    )
    assert await asyncio.wait_for(told, 20) == (None, threading.current_thread())
    assert seen[0].name.startswith('granian-tls-')
    threads.stop()
