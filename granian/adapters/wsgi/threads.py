"""A pool of threads that a blocking application runs in: work goes there in batches, results come back in batches."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger('_granian')

# The first thread waits for work without an end.
FOREVER_S = -1.0
# With more at work than this, one more may only wait for the interpreter, and keep the loop waiting behind it: hundreds
# that come back from a wait in the application at once halve the throughput.
CROWD = 32
# So it first sees, this often, how late the interpreter lets it go on: later than that, and it is not needed.
LOOK_S = 0.001
LATE_S = 0.0005
# Where it is not late, twice as many as the last time follow without a look, up to this many.
FOLLOWERS_MAX = 31


class Threads:
    """`submit` on the loop's thread runs `work(item)` on a pool thread; `post` there runs a function on the loop's.

    Threads are made when they are needed, up to `threads_max`; one that finds no work for `idle_timeout_s` ends, but for
    the last. They are daemons: one that is stuck keeps nobody from leaving.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        work: Callable[[Any], None],
        *,
        name: str,
        threads_max: int,
        idle_timeout_s: float,
    ) -> None:
        self._loop = loop
        self._work = work
        self._name = name
        self._threads_max = threads_max
        self._idle_timeout_s = idle_timeout_s
        self._context = copy_context()
        self.queue: deque[Any] = deque()
        self._posted: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        # Locks that parked threads wait for, the one that parked last at the end: it is roused first.
        self._parked: list[Any] = []
        self._threads: set[threading.Thread] = set()
        self._made = 0
        # Guards the count of threads, which ending and rousing ones change at the same time.
        self._count_lock = threading.Lock()
        # A look at the queue is scheduled · a thread is on its way to it · a drain of what was posted is scheduled.
        self._flushing = self._rousing = self._draining = False
        # Items taken so far.
        self._taken = 0
        # Threads that may follow the one that looked last, and those of them that have not come yet.
        self._followers = self._followers_left = 0
        self._stopping = False
        # Seconds that threads were there, all together, until their number changed last, and when that was.
        self._lived_s = 0.0
        self._changed_s = time.perf_counter()
        self._ended: asyncio.Future[None] | None = None

    @property
    def count(self) -> int:
        """Threads there are."""
        return len(self._threads)

    def lived_s(self) -> float:
        """Seconds that threads have been there, all together."""
        with self._count_lock:
            self._count_life()
            return self._lived_s

    def _count_life(self) -> None:
        """With the lock held, before their number changes."""
        now_s = time.perf_counter()
        self._lived_s += len(self._threads) * (now_s - self._changed_s)
        self._changed_s = now_s

    # ── on the loop's thread ─────────────────────────────────────────────────────────────────────────────────────

    def submit(self, item: Any) -> None:
        """Have `work(item)` run on a thread. What one turn of the loop submits goes out together."""
        self.queue.append(item)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush, context=self._context)

    def _flush(self) -> None:
        self._flushing = False
        if self.queue and not self._rousing:
            self._rouse()

    def _drain(self) -> None:
        # First: what is posted from here on asks for another drain.
        self._draining = False
        posted = self._posted
        try:
            while posted:
                function, arguments = posted.popleft()
                function(*arguments)
        finally:
            if posted:
                self._loop.call_soon(self._drain)

    async def stop(self, timeout_s: float) -> None:
        """Let threads finish what they are at, for so long, and end."""
        self._stopping = True
        self._ended = self._loop.create_future()
        for lock in self._take_parked():
            lock.release()
        self._check_ended()
        await asyncio.wait({self._ended}, timeout=timeout_s)
        for thread in tuple(self._threads):
            logger.error('A thread of %s does not come back: %s', self._name, _whereabouts(thread))

    def _take_parked(self) -> list[Any]:
        taken = []
        while self._parked:
            taken.append(self._parked.pop())
        return taken

    def _check_ended(self) -> None:
        if self._ended is not None and not self._threads and not self._ended.done():
            self._ended.set_result(None)

    # ── on any thread ────────────────────────────────────────────────────────────────────────────────────────────

    def post(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run `function(*arguments)` on the loop's thread, after what was posted before."""
        self._posted.append((function, arguments))
        if not self._draining:
            self._draining = True
            try:
                self._loop.call_soon_threadsafe(self._drain, context=self._context)
            except RuntimeError:
                # The loop is closed: nobody waits for a thread that was stuck until now.
                logger.debug('A thread of %s came back after the end', self._name)

    def _rouse(self) -> None:
        """Bring one more thread to the queue, if there is one to be had."""
        try:
            lock = self._parked.pop()
        except IndexError:
            with self._count_lock:
                if len(self._threads) >= self._threads_max or self._stopping:
                    return
                self._count_life()
                self._made += 1
                thread = threading.Thread(target=self._run, name=f'{self._name}-{self._made}', daemon=True)
                self._threads.add(thread)
            self._rousing = True
            self._start(thread)
        else:
            self._rousing = True
            lock.release()

    def _start(self, thread: threading.Thread) -> None:
        try:
            thread.start()
        except RuntimeError as exc:
            self._rousing = False
            with self._count_lock:
                self._count_life()
                self._threads.discard(thread)
            logger.error('No more than %d threads of %s: %s', len(self._threads), self._name, exc)

    # ── on a pool thread ─────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        lock = threading.Lock()
        lock.acquire()
        queue, work = self.queue, self._work
        self._arrive()
        while True:
            try:
                item = queue.popleft()
            except IndexError:
                if not self._park(lock):
                    return
                continue
            self._taken += 1
            if queue and not self._rousing:
                # This thread may block in the application: then another takes over, and needs no clock to know when.
                # Until then it only waits for the interpreter's lock.
                self._rouse()
            work(item)
            # Held on to, it would live until the next request.
            del item

    def _arrive(self) -> None:
        """Be at the queue, having been roused."""
        if len(self._threads) - len(self._parked) > CROWD:
            self._join_crowd()
        self._rousing = False

    def _join_crowd(self) -> None:
        """Return once the interpreter has time for one more thread, nobody else takes anything, or nothing is left."""
        if self._followers_left:
            self._followers_left -= 1
            return
        while self.queue:
            taken = self._taken
            due_s = time.perf_counter() + LOOK_S
            time.sleep(LOOK_S)
            if time.perf_counter() - due_s < LATE_S or taken == self._taken:
                self._followers = self._followers_left = min(2 * self._followers + 1, FOLLOWERS_MAX)
                return
            self._followers = 0

    def _park(self, lock: Any) -> bool:
        """Wait to be roused, or for long enough. False: this thread ends."""
        self._parked.append(lock)
        # Either what came in the meantime is seen here, or whoever brought it sees this thread.
        if not ((self.queue or self._stopping) and self._unpark(lock)):
            timeout_s = FOREVER_S if len(self._threads) == 1 else self._idle_timeout_s
            if not lock.acquire(timeout=timeout_s):
                if self._unpark(lock):
                    return not self._leave(last_stays=True)
                # Roused at the same moment.
                lock.acquire()
            self._arrive()
        return bool(self.queue) or not (self._stopping and self._leave(last_stays=False))

    def _unpark(self, lock: Any) -> bool:
        """Whether nobody has set out to rouse this thread."""
        try:
            self._parked.remove(lock)
        except ValueError:
            return False
        return True

    def _leave(self, *, last_stays: bool) -> bool:
        """Whether this thread may end; then it is counted out."""
        with self._count_lock:
            if last_stays and len(self._threads) == 1:
                return False
            self._count_life()
            self._threads.discard(threading.current_thread())
        if self._stopping:
            self.post(self._check_ended)
        return True


def _whereabouts(thread: threading.Thread) -> str:
    frame = sys._current_frames().get(thread.ident or 0)
    return traceback.format_stack(frame)[-1].strip() if frame is not None else 'ended'
