"""What a running server holds for the whole of it, and what of it changes from one generation to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.errors import FatalError
from granian.observe.logs import logger
from granian.process import control, pid_file, titles
from granian.process.generation import Generation
from granian.process.planning import configure_logs
from granian.process.sockets import bind_all

if TYPE_CHECKING:
    from pathlib import Path

    from granian.process.privileges import Umask
    from granian.process.rereading import Reread
    from granian.process.sections import LogSettings, Plan
    from granian.process.sockets import Sockets


class Situation:
    """`generation` is the one that serves; `coming` the one that is being built, if any."""

    def __init__(self, plan: Plan, reread: Reread | None, umask: Umask, label: str) -> None:
        """Bind everything. Raises BindError, PidFileError. `label` tells this configuration from others."""
        self.reread = reread
        self._umask = umask
        self._label = label
        self.logs: LogSettings = plan.worker.logs
        self.pid_file = pid_file.PidFile(plan.pid_file)
        try:
            self.generation = Generation(
                1, plan, bind_all(plan.wanted, plan.supervisor.workers), plan.supervisor.workers
            )
        except FatalError:
            self.pid_file.close()
            raise
        self.coming: Generation | None = None
        self._new_pid_file: pid_file.PidFile | None = None

    def every_sockets(self) -> list[Sockets]:
        return [each.sockets for each in (self.generation, self.coming) if each is not None]

    def control_path(self) -> Path:
        plan = self.generation.plan
        return control.path_of(plan.control, plan.pid_file, self._label)

    def build(self, plan: Plan, workers: int) -> Generation:
        """The next generation, with all it listens on. Raises BindError, PidFileError; then nothing has changed."""
        now = self.generation
        self._umask.set(plan.umask)
        try:
            sockets = bind_all(plan.wanted, workers, now.sockets)
        except FatalError:
            self._umask.set(now.plan.umask)
            raise
        try:
            if plan.pid_file != self.pid_file.path:
                self._new_pid_file = pid_file.PidFile(plan.pid_file)
        except FatalError:
            self._umask.set(now.plan.umask)
            _let_go(sockets.without(now.sockets))
            raise
        self.coming = Generation(now.number + 1, plan, sockets, workers)
        return self.coming

    def forget_coming(self) -> None:
        """It will not serve."""
        assert self.coming is not None
        self._umask.set(self.generation.plan.umask)
        _let_go(self.coming.sockets.without(self.generation.sockets))
        if self._new_pid_file is not None:
            self._new_pid_file.close()
        self.coming = self._new_pid_file = None

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
        for each in now.sockets.without(before.sockets).bound:
            if each.address not in {one.address for one in before.sockets.bound}:
                logger.info('Listening at: %s', now.plan.url(each))
        if now.plan.summary != before.plan.summary:
            logger.info('%s', now.plan.summary)
        gone = before.sockets.without(now.sockets)
        gone.refuse_more()
        gone.remove_files()
        for bound in gone.bound:
            logger.info('No longer listening at: %s', before.plan.url(bound))
        now.sockets.set_permissions()

    def _log_as(self, settings: LogSettings) -> None:
        if settings == self.logs:
            return
        try:
            configure_logs(settings)
            self.logs = settings
        except FatalError as exc:
            # The process that read the configuration could do it, a moment ago.
            logger.error('The log stays as it was: %s', exc)

    def refuse_more(self) -> None:
        if self.coming is not None:
            self.forget_coming()
        self.generation.sockets.refuse_more()

    def close(self) -> None:
        self.generation.sockets.close()
        self.generation.sockets.remove_files()
        self.pid_file.close()


def _let_go(sockets: Sockets) -> None:
    sockets.close()
    sockets.remove_files()
