"""Files watched for changes, in a process of its own: what watches has threads, and the supervisor must not."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.observe import logs
from granian.process.report import Lines, in_short, line_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    # What tells one state of a file from another.
    Signature = tuple[int, int, int] | None

# More names than this are not told of one change.
NAMES_MAX = 20


@dataclass(frozen=True, slots=True)
class WatchSettings:
    # With all that is below them.
    paths: tuple[str, ...]
    ignore_dirs: tuple[str, ...]
    ignore_patterns: tuple[str, ...]
    ignore_paths: tuple[str, ...]
    # Each by itself, ignored or not: those that configure.
    files: tuple[str, ...]
    tick_s: float
    # An application that fails to start does not end the server.
    ignore_failure: bool


class Watcher:
    """The supervisor's end."""

    def __init__(self, settings: WatchSettings, watch_filter: type[Any] | None = None) -> None:
        """`watch_filter`: a class of watchfiles' filters, in place of its DefaultFilter."""
        self._settings = settings
        self._filter = watch_filter
        self._ours, self._theirs = socket.socketpair()
        self._lines = Lines()

    def life(self) -> int:
        """In the child: until the supervisor closes its end, or is gone."""
        self._ours.close()
        with self._theirs:
            return _Watch(self._settings, self._theirs, self._filter).run()

    def is_running(self) -> None:
        """The child is there."""
        self._theirs.close()
        self._ours.setblocking(False)

    def fileno(self) -> int:
        return self._ours.fileno()

    def close(self) -> None:
        self._ours.close()
        self._theirs.close()

    def said(self) -> Iterator[dict[str, Any]]:
        """What it has said since the last call: `changed` with names, or `failed` with why."""
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while data := self._ours.recv(65536):
                yield from self._lines.take(data)


class _Watch:
    """What the child does: one thread for all below the paths, one for the files by themselves, one for the supervisor."""

    def __init__(self, settings: WatchSettings, channel: socket.socket, watch_filter: type[Any] | None) -> None:
        self._settings = settings
        self._filter = watch_filter
        self._channel = channel

    def run(self) -> int:
        threading.Thread(target=self._end_with_supervisor, daemon=True).start()
        try:
            threading.Thread(target=self._watch_files, daemon=True).start()
            self._watch_paths()
        # The library's own errors have no common class: a path that went away, a limit of the system.
        except Exception as exc:
            self._say(say='failed', why=in_short(exc))
            return 1
        return 0

    def _end_with_supervisor(self) -> None:
        with contextlib.suppress(OSError):
            self._channel.recv(1)
        os._exit(0)

    def _watch_paths(self) -> None:
        from watchfiles import DefaultFilter, watch

        settings = self._settings
        wanted = _ignoring(self._filter or DefaultFilter, settings)()
        # Each reload is logged: where the log is among what is watched, the next one would begin at once.
        ours = logs.outputs()
        for changes in watch(*settings.paths, watch_filter=wanted, step=self._step_ms, raise_interrupt=False):
            self._tell(path for _, path in changes if _identity(path) not in ours)

    def _watch_files(self) -> None:
        from watchfiles import watch

        # Their folders: an editor puts a new file in the place of the old one, a container a new link.
        folders = {str(Path(name).parent) for name in self._settings.files if Path(name).parent.is_dir()}
        if not folders:
            return
        seen = signatures(self._settings.files)
        for _ in watch(*folders, watch_filter=None, step=self._step_ms, recursive=False, raise_interrupt=False):
            before, seen = seen, signatures(self._settings.files)
            self._tell(name for name in seen if seen[name] != before[name])

    @property
    def _step_ms(self) -> int:
        return round(self._settings.tick_s * 1000)

    def _tell(self, names: Iterable[str]) -> None:
        changed = sorted(set(names))
        for name in changed:
            forget_compiled(name)
        if changed:
            self._say(say='changed', names=changed[:NAMES_MAX], more=max(0, len(changed) - NAMES_MAX))

    def _say(self, **said: Any) -> None:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._channel.sendall(line_of(**said))


def _identity(name: str) -> tuple[int, int] | None:
    try:
        found = os.stat(name)  # noqa: PTH116  (as below)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _ignoring(base: type[Any], settings: WatchSettings) -> type[Any]:
    """The filter with what the document ignores besides: its constructor may take nothing."""
    more = {
        'ignore_dirs': (*base.ignore_dirs, *settings.ignore_dirs),
        'ignore_entity_patterns': (*base.ignore_entity_patterns, *settings.ignore_patterns),
        'ignore_paths': (*base.ignore_paths, *settings.ignore_paths),
    }
    return type(base.__name__, (base,), more)


def signatures(names: Iterable[str]) -> Mapping[str, Signature]:
    return {name: _signature(name) for name in names}


def _signature(name: str) -> Signature:
    try:
        found = os.stat(name)  # noqa: PTH116  (follows links, which may lead elsewhere now)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def forget_compiled(name: str) -> None:
    """Python takes a source of the same second and size for the one it has compiled: a second save would go unseen."""
    if name.endswith('.py'):
        with contextlib.suppress(OSError, NotImplementedError):
            Path(importlib.util.cache_from_source(name)).unlink(missing_ok=True)
