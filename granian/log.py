"""Upstream's import path for what is in `granian.observe`."""

from __future__ import annotations

from typing import Any

from granian.constants import StrEnum
from granian.observe.access_log import TEXT_FORMAT as DEFAULT_ACCESSLOG_FMT
from granian.observe.logs import DEFAULTS as LOGGING_CONFIG
from granian.observe.logs import LEVELS, access_logger, configure, logger

__all__ = [
    'DEFAULT_ACCESSLOG_FMT',
    'LOGGING_CONFIG',
    'LogLevels',
    'access_logger',
    'configure_logging',
    'log_levels_map',
    'logger',
]


class LogLevels(StrEnum):
    critical = 'critical'
    error = 'error'
    warning = 'warning'
    warn = 'warn'
    info = 'info'
    debug = 'debug'
    notset = 'notset'


log_levels_map = {level: LEVELS[level.value] for level in LogLevels}


def configure_logging(level: LogLevels, config: dict[str, Any] | None = None, enabled: bool = True) -> None:
    """Upstream's name of `granian.observe.logs.configure`."""
    configure(str(level), config, enabled=enabled)
