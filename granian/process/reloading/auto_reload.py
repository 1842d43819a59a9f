"""Reloads by themselves when files change: a watcher is kept alive, and each change begins a reload."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from granian.observe.logs import logger
from granian.process.reloading.watching import Watcher

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from granian.process.reloading.rereading import Refused
    from granian.process.reloading.watching import WatchSettings
    from granian.process.report import StartFailure
    from granian.process.situation import Situation
    from granian.process.timers import Timer, Timers
    from granian.process.waiting import Waiting

# A watcher that has ended is replaced after this time.
AGAIN_AFTER_S = 2.0


class Helper(Protocol):
    """What this needs of the supervisor."""

    situation: Situation
    timers: Timers
    waiting: Waiting

    def help(self, life: Callable[[], int], ended: Callable[[int], None]) -> int: ...

    def give_up(self, failure: StartFailure | None) -> None: ...


class AutoReload:
    """Watches what it is told to until it is told otherwise."""

    def __init__(self, helper: Helper, begin: Callable[[Callable[[Refused | None], object]], object]) -> None:
        """`begin` starts a reload, and calls back with what came of it."""
        self._helper = helper
        self._begin = begin
        self._settings: WatchSettings | None = None
        self._watcher: Watcher | None = None
        self._timer: Timer | None = None

    @property
    def waits_out_failures(self) -> bool:
        return self._settings is not None and self._settings.ignore_failure

    def follow(self, settings: WatchSettings | None) -> None:
        """Watch that, or nothing."""
        if settings == self._settings:
            return
        self.stop()
        self._settings = settings
        if settings is not None:
            self._start(settings)
            logger.info('Watching for changes: %s', ', '.join(settings.paths))

    def stop(self) -> None:
        self._settings = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._let_go()

    def _let_go(self) -> None:
        if self._watcher is not None:
            self._helper.waiting.let_go(self._watcher)
            self._watcher = None

    def _start(self, settings: WatchSettings) -> None:
        self._timer = None
        try:
            self._watcher = watcher = self._watch_in_child(settings)
        except OSError as exc:
            logger.error('Files cannot be watched: %s', (exc.strerror or str(exc)).lower())
            self._try_again()
            return
        self._helper.waiting.wait_for(watcher, lambda: self._read(watcher))

    def _watch_in_child(self, settings: WatchSettings) -> Watcher:
        """Raises OSError where the system has no room for that."""
        watcher = Watcher(settings, self._helper.situation.extras.watch_filter)
        try:
            self._helper.help(watcher.life, lambda _: self._ended(watcher))
        except OSError:
            watcher.close()
            raise
        watcher.is_running()
        return watcher

    def _read(self, watcher: Watcher) -> None:
        said = list(watcher.said())
        if not said and self._watcher is watcher:
            # Its end, of which we are told apart.
            self._let_go()
            return
        for each in said:
            if each['say'] == 'failed':
                logger.error('Files cannot be watched: %s', each['why'])
            else:
                self._on_changes(each)

    def _on_changes(self, said: dict[str, Any]) -> None:
        if self._settings is None:
            return
        logger.info('Changes detected, reloading workers..')
        for name in said['names']:
            logger.info('%s', name)
        if said['more']:
            logger.info('and %d more', said['more'])
        self._begin(self._on_outcome)

    def _on_outcome(self, refused: Refused | None) -> None:
        if refused is None or not refused.by_worker or self._settings is None:
            return
        if self._settings.ignore_failure:
            logger.info('Waiting for the next change')
        else:
            self._helper.give_up(None)

    def _ended(self, watcher: Watcher) -> None:
        if self._watcher is watcher:
            self._let_go()
        if self._settings is not None and self._watcher is None and self._timer is None:
            self._try_again()

    def _try_again(self) -> None:
        settings = self._settings
        if settings is not None:
            self._timer = self._helper.timers.after(AGAIN_AFTER_S, lambda: self._start(settings))
