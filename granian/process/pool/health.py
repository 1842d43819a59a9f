"""When a worker is to be replaced although it lives: its age, what it served, its memory, a loop that does not turn."""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from granian.observe.logs import logger

if TYPE_CHECKING:
    from collections.abc import Callable

    from granian.process.pool.child import Child
    from granian.process.pool.generation import Generation
    from granian.process.pool.pool import Pool
    from granian.process.timers import Timer, Timers

# Upstream's rule: whoever is nearly due goes with the one that is.
NEARLY_DUE = 0.95
# What a process needs to write its stacks, and then some.
STACKS_S = 1.0


class Health:
    """Watches the members of a pool, and wishes replacements of it."""

    def __init__(self, pool: Pool, timers: Timers, resident_bytes: Callable[[int], int | None] | None = None) -> None:
        self._pool = pool
        self._timers = timers
        self._resident_bytes = resident_bytes or resident_bytes_of
        self._sampling: Timer | None = None

    def follow(self, generation: Generation) -> None:
        """Another generation serves: what it asks for counts from here on."""
        if self._sampling is not None:
            self._sampling.cancel()
        if generation.plan.supervisor.rss_bytes_max is not None:
            self._later_sample(generation)

    def on_serving(self, child: Child) -> None:
        """It accepts from now on."""
        settings = child.generation.plan.supervisor
        now_s = self._timers.clock()
        if settings.lifetime_s is not None:
            child.due_s = child.started_s + settings.lifetime_s + random.uniform(0, settings.lifetime_jitter_s)  # noqa: S311
            child.due_timer = self._timers.after(child.due_s - now_s, lambda: self._on_due(child))
        if settings.stall_s is not None:
            child.heard_s = now_s
            self._watch(child, settings.stall_s)

    def on_alive(self, child: Child) -> None:
        child.heard_s = self._timers.clock()

    def on_tired(self, child: Child, reason: str) -> None:
        self._pool.wish(child, reason, cause='requests')

    # ── age ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _on_due(self, child: Child) -> None:
        if not self._pool.holds(child):
            return
        now_s = self._timers.clock()
        for each in sorted(self._pool.members.values(), key=lambda each: each.due_s):
            if each is child or now_s - each.started_s >= NEARLY_DUE * (each.due_s - each.started_s):
                self._pool.wish(each, f'its lifetime of {each.due_s - each.started_s:.0f} s', cause='lifetime')

    # ── memory ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _later_sample(self, generation: Generation) -> None:
        every_s = generation.plan.supervisor.rss_sample_interval_s
        self._sampling = self._timers.after(every_s, lambda: self._sample(generation))

    def _sample(self, generation: Generation) -> None:
        settings = generation.plan.supervisor
        assert settings.rss_bytes_max is not None
        for child in list(self._pool.members.values()):
            found = self._resident_bytes(child.pid)
            child.samples_over = child.samples_over + 1 if (found or 0) >= settings.rss_bytes_max else 0
            if child.samples_over >= settings.rss_samples:
                self._pool.wish(child, f'its memory of {(found or 0) // 1024**2} MiB', cause='rss')
        self._later_sample(generation)

    # ── the loop ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _watch(self, child: Child, stall_s: float) -> None:
        self._timers.after(child.heard_s + stall_s - self._timers.clock(), lambda: self._check(child, stall_s))

    def _check(self, child: Child, stall_s: float) -> None:
        if child.is_gone or child.phase == 'leaving':
            return
        silent_s = self._timers.clock() - child.heard_s
        if not self._pool.holds(child):
            # It serves beside the one whose place it is about to take.
            child.heard_s = max(child.heard_s, self._timers.clock() - stall_s / 2)
            self._watch(child, stall_s)
            return
        if silent_s < stall_s:
            self._watch(child, stall_s)
            return
        logger.error('The loop of %s has not turned for %.1f s', child.name, silent_s)
        self.ask_stacks(child)
        self._pool.wish(child, 'a loop that has stalled', urgent=True)

    def ask_stacks(self, child: Child) -> None:
        """Have it told what its threads are doing."""
        child.signal(STACKS_SIGNAL)
        # Ours from here on: the worker may be gone, and with it what is its, before they are told.
        stacks, child.stacks = child.stacks, None
        self._timers.after(STACKS_S, lambda: self._tell_stacks(child, stacks))

    def _tell_stacks(self, child: Child, stacks: Stacks | None) -> None:
        said = ''
        if stacks is not None:
            said = stacks.read()
            stacks.close()
        if said:
            logger.error('What the threads of %s are doing:\n%s', child.name, said)
        else:
            logger.error('%s does not even say what its threads are doing: stopped, or deep in the kernel', child.name)


# Python's own fault handler answers it in a worker, whatever its threads are at.
STACKS_SIGNAL = getattr(signal, 'SIGUSR2', 0)


class Stacks:
    """A file without a name: the worker writes its stacks into it, the supervisor reads them."""

    def __init__(self) -> None:
        """Raises OSError."""
        self._fd = os.memfd_create('granian-stacks') if hasattr(os, 'memfd_create') else _unnamed_file()

    def fileno(self) -> int:
        return self._fd

    def read(self) -> str:
        return os.pread(self._fd, os.fstat(self._fd).st_size, 0).decode('utf-8', 'replace').rstrip('\n')

    def close(self) -> None:
        if self._fd != -1:
            os.close(self._fd)
            self._fd = -1


def _unnamed_file() -> int:
    import tempfile

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def resident_bytes_of(pid: int) -> int | None:
    """The resident set of a process, from proc(5); None where it is gone."""
    try:
        return int(Path(f'/proc/{pid}/statm').read_text('ascii').split()[1]) * os.sysconf('SC_PAGE_SIZE')
    except (OSError, IndexError):
        return None
