"""The two loggers, upstream's names and default configuration, and how a person's own configuration is merged in."""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import logging.config
import os
import stat
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from granian.errors import ConfigurationError, FatalError

if TYPE_CHECKING:
    from pathlib import Path

logger = logging.getLogger('_granian')
access_logger = logging.getLogger('granian.access')

DATE_FORMAT = '[%Y-%m-%d %H:%M:%S %z]'
LEVELS = {
    'critical': logging.CRITICAL,
    'error': logging.ERROR,
    'warning': logging.WARNING,
    'warn': logging.WARNING,
    'info': logging.INFO,
    'debug': logging.DEBUG,
    'notset': logging.NOTSET,
}
SILENT = logging.CRITICAL + 1

DEFAULTS: dict[str, Any] = {
    'version': 1,
    'disable_existing_loggers': False,
    'formatters': {
        'generic': {'()': 'logging.Formatter', 'fmt': '[%(levelname)s] %(message)s', 'datefmt': DATE_FORMAT},
        'access': {'()': 'logging.Formatter', 'fmt': '%(message)s', 'datefmt': DATE_FORMAT},
    },
    'handlers': {
        'console': {'formatter': 'generic', 'class': 'logging.StreamHandler', 'stream': 'ext://sys.stdout'},
        'access': {'formatter': 'access', 'class': 'logging.StreamHandler', 'stream': 'ext://sys.stdout'},
    },
    'loggers': {
        '_granian': {'handlers': ['console'], 'level': 'INFO', 'propagate': False},
        'granian.access': {'handlers': ['access'], 'level': 'INFO', 'propagate': False},
    },
}


def configure(level: str, config: dict[str, Any] | None = None, *, enabled: bool = True) -> None:
    """Set up both loggers. The top-level keys of `config` replace the defaults whole, as upstream does."""
    merged = {**copy.deepcopy(DEFAULTS), **(config or {})}
    try:
        logging.config.dictConfig(merged)
    except (ValueError, TypeError, AttributeError, ImportError) as exc:
        raise ConfigurationError(f'logging.config: {_root(exc)}') from exc
    logger.setLevel(LEVELS[level] if enabled else SILENT)
    for handler in {*logger.handlers, *access_logger.handlers}:
        handler.handleError = _FirstFailure(handler)  # type: ignore[method-assign]


def reopen() -> None:
    """Open the files of all handlers anew, ours and the application's: somebody has moved the old ones away."""
    # As logging.shutdown does: every handler of this process, in whatever logger.
    for reference in list(logging._handlerList):  # type: ignore[attr-defined]
        handler = reference()
        # One that waits for its first record (delay) opens the new file then.
        if isinstance(handler, logging.FileHandler) and handler.stream is not None:
            _reopen(handler)


def outputs() -> set[tuple[int, int]]:
    """Device and inode of each plain file that this process's output and logs go to."""
    handlers = [reference() for reference in list(logging._handlerList)]  # type: ignore[attr-defined]
    streams = [each.stream for each in handlers if isinstance(each, logging.FileHandler)]
    found = set()
    for fd in (1, 2, *[stream.fileno() for stream in streams if stream is not None and not stream.closed]):
        # One of the first two may have been closed before the program started.
        with contextlib.suppress(OSError):
            file = os.fstat(fd)
            if stat.S_ISREG(file.st_mode):
                found.add((file.st_dev, file.st_ino))
    return found


def _reopen(handler: logging.FileHandler) -> None:
    handler.acquire()
    try:
        old: Any = handler.stream
        handler.stream = handler._open()
        old.close()
    except OSError as exc:
        logger.error('The log file %s cannot be opened again: %s', handler.baseFilename, exc.strerror)
    finally:
        handler.release()


class _FirstFailure:
    """What a handler does with a record it could not write: a full disk is told once, a faulty handler as ever."""

    def __init__(self, handler: logging.Handler) -> None:
        self._otherwise = partial(type(handler).handleError, handler)
        self._told = False

    def __call__(self, record: logging.LogRecord) -> None:
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self._otherwise(record)
        elif not self._told and sys.stderr is not None:
            self._told = True
            _say(f'[WARNING] {record.name}: a line could not be written ({error.strerror}); no more is said of this')


def _say(line: str) -> None:
    # Standard error may be on the same full disk.
    with contextlib.suppress(OSError):
        sys.stderr.write(f'{line}\n')
        sys.stderr.flush()


def read_config(path: Path) -> dict[str, Any]:
    """A file in the form of `logging.config.dictConfig`, as JSON."""
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as exc:
        raise FatalError('Unable to parse provided logging config.') from exc
    if not isinstance(config, dict):
        raise FatalError('Unable to parse provided logging config.')
    return config


def _root(exc: BaseException) -> str:
    # dictConfig says 'Unable to configure handler …' and keeps what is wrong with it in the cause.
    return f'{exc}: {exc.__cause__}' if exc.__cause__ is not None else str(exc)
