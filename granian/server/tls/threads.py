"""Threads for what OpenSSL takes long for: a hand-over that costs a third of an executor's."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from ssl import SSLError

    Work = Callable[[], SSLError | None]
    Done = Callable[[SSLError | None], object]

# More of them would only take turns with the loop.
THREADS = 2


class WorkThreads:
    """Started with the first work. `stop` ends them, once each is done with what it is at."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._queue: SimpleQueue[tuple[Work, Done] | None] = SimpleQueue()
        self.started = False

    def submit(self, work: Work, done: Done) -> None:
        """`work` is done in a thread, and `done` called on the loop with what it came to. `work` raises nothing."""
        if not self.started:
            self.started = True
            for number in range(THREADS):
                threading.Thread(target=self._run, name=f'granian-tls-{number}', daemon=True).start()
        self._queue.put((work, done))

    def stop(self) -> None:
        if self.started:
            for _ in range(THREADS):
                self._queue.put(None)

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            work, done = job
            found = work()
            try:
                self._loop.call_soon_threadsafe(done, found)
            except RuntimeError:
                # The loop is closed: nobody waits any more.
                return
            # The connection is not kept alive until the next one comes.
            del job, work, done, found
