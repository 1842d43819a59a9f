"""What a running server holds for the whole of it, and what of it changes from one generation to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from granian.errors import FatalError, PidFileError
from granian.observe.logs import logger
from granian.process import control, pid_file, titles
from granian.process.listening.lapsed import Lapsed
from granian.process.listening.sockets import bind_all
from granian.process.plan import encryption
from granian.process.plan.planning import configure_logs
from granian.process.pool.generation import Generation
from granian.process.reloading import succession

if TYPE_CHECKING:
    from pathlib import Path

    from granian.process.listening.sockets import Sockets
    from granian.process.plan.sections import LogSettings, Plan
    from granian.process.privileges import Umask
    from granian.process.reloading.rereading import Source
    from granian.process.reloading.succession import Predecessor
    from granian.process.reloading.watching import WatchSettings


class Situation:
    """`generation` is the one that serves; `coming` the one that is being built, if any."""

    def __init__(self, plan: Plan, source: Source, umask: Umask, predecessor: Predecessor | None = None) -> None:
        """Bind everything. Raises BindError, PidFileError, CertificateFault."""
        self.reread, self.extras = source.reread, source.extras
        self._files = tuple(map(str, source.files))
        self._umask = umask
        self._label = source.label
        self.logs: LogSettings = plan.worker.logs
        credentials = encryption.credentials_of(plan)
        # Whose place we are to take; it still has the pid file.
        self.predecessor = predecessor
        self.pid_file = pid_file.PidFile(None if predecessor else plan.pid_file)
        workers = plan.supervisor.workers
        try:
            sockets = bind_all(plan.wanted, workers, *([predecessor.sockets] if predecessor else []))
        except FatalError:
            self.pid_file.close()
            raise
        if predecessor is not None:
            predecessor.sockets.without(sockets).close()
        self.generation = Generation(1, plan, sockets, workers, credentials)
        self.coming: Generation | None = None
        self._lapsed = Lapsed()
        self._new_pid_file: pid_file.PidFile | None = None

    @property
    def watch(self) -> WatchSettings | None:
        """What is watched for changes; None: nothing."""
        settings = self.generation.plan.watch
        return None if settings is None else replace(settings, files=(*self._files, *settings.files))

    def say_where(self, before: Sockets | None = None) -> None:
        """Log every address that this serves on, but those that it served the same on `before`."""
        known = set() if before is None else {(each.address, before.is_of_metrics(each)) for each in before.bound}
        sockets = self.generation.sockets
        for each in sockets.bound:
            is_metrics = sockets.is_of_metrics(each)
            if (each.address, is_metrics) not in known:
                logger.info('%s at: %s', 'Metrics' if is_metrics else 'Listening', self.generation.plan.url(each))

    def every_sockets(self) -> list[Sockets]:
        generations = [self.generation] if self.coming is None else [self.generation, self.coming]
        return [*[each.sockets for each in generations], *self._lapsed.sockets]

    def control_path(self) -> Path:
        plan = self.generation.plan
        return control.path_of(plan.control, plan.pid_file, self._label)

    def build(self, plan: Plan, workers: int) -> Generation:
        """The next generation, with all it listens on. Raises BindError, PidFileError, CertificateFault; then nothing has changed."""
        now = self.generation
        credentials = encryption.credentials_of(plan)
        self._umask.set(plan.umask)
        try:
            sockets = bind_all(plan.wanted, workers, now.sockets, *self._lapsed.sockets)
        except FatalError:
            self._umask.set(now.plan.umask)
            raise
        try:
            if plan.pid_file != self.pid_file.path:
                self._new_pid_file = pid_file.PidFile(plan.pid_file)
        except FatalError:
            self._umask.set(now.plan.umask)
            self._forget(sockets)
            raise
        self.coming = Generation(now.number + 1, plan, sockets, workers, credentials)
        return self.coming

    def forget_coming(self) -> None:
        """It will not serve."""
        assert self.coming is not None
        self._umask.set(self.generation.plan.umask)
        self._forget(self.coming.sockets)
        if self._new_pid_file is not None:
            self._new_pid_file.close()
        self.coming = self._new_pid_file = None

    def _forget(self, sockets: Sockets) -> None:
        fresh = sockets.without(self.generation.sockets, *self._lapsed.sockets)
        fresh.close()
        fresh.remove_files()

    def follow(self) -> None:
        """What was coming serves now."""
        before, now = self.generation, self.coming
        assert now is not None
        self.generation, self.coming = now, None
        if self._new_pid_file is not None:
            self.pid_file.close()
            self.pid_file, self._new_pid_file = self._new_pid_file, None
        self._log_as(now.plan.worker.logs)
        titles.set_title(now.plan.title(now.sockets.bound))
        self.say_where(before.sockets)
        if now.plan.preload != before.plan.preload:
            logger.warning(
                'server.preload is in force from the next start or upgrade on; until then imports stay as they are'
            )
        if now.plan.summary != before.plan.summary:
            logger.info('%s', now.plan.summary)
        self._lapsed.give_back(now.sockets)
        gone = before.sockets.without(now.sockets)
        self._lapsed.take(gone)
        gone.remove_files()
        for bound in gone.bound:
            logger.info('No longer listening at: %s', before.plan.url(bound))
        now.sockets.set_permissions()

    def let_go(self, held: set[int]) -> None:
        """Close sockets of listeners that are gone, but for those `held` (by id) by workers."""
        coming = set() if self.coming is None else set(map(id, self.coming.sockets.every()))
        self._lapsed.let_go(held | coming)

    def _log_as(self, settings: LogSettings) -> None:
        if settings == self.logs:
            return
        try:
            configure_logs(settings)
            self.logs = settings
        except FatalError as exc:
            # The process that read the configuration could do it, a moment ago.
            logger.error('The log stays as it was: %s', exc)

    def take_over(self) -> None:
        """We serve: our predecessor may go, and what was its is ours."""
        predecessor, self.predecessor = self.predecessor, None
        assert predecessor is not None
        plan, sockets = self.generation.plan, self.generation.sockets
        succession.owned(sockets)
        sockets.set_permissions()
        try:
            self.pid_file = pid_file.PidFile(plan.pid_file, predecessor.pid)
        except PidFileError as exc:
            logger.error('%s', exc)
        # Last: whoever asked for this is told by the predecessor.
        predecessor.relieve(sockets)

    def hand_over(self, kept: set[int]) -> set[int]:
        """Another process serves on the sockets of these descriptors: they are nobody's here; their ids."""
        sockets = self.generation.sockets
        shared = {id(sock) for sock in sockets.every() if sock.fileno() in kept}
        sockets.bound = [replace(each, borrowed=id(each.sockets[0]) in shared) for each in sockets.bound]
        self.refuse_more()
        return shared

    def restore_umask(self) -> None:
        """As it was when we were started."""
        self._umask.set(None)

    def refuse_more(self) -> None:
        if self.coming is not None:
            self.forget_coming()
        self.generation.sockets.refuse_more()
        self._lapsed.let_go(())

    def close(self) -> None:
        self.generation.sockets.close()
        self._lapsed.let_go(())
        self.generation.sockets.remove_files()
        self.pid_file.close()
