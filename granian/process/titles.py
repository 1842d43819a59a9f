"""What `ps` calls our processes, where the package setproctitle is installed."""

from __future__ import annotations

import importlib.util

from granian.errors import ConfigurationError


def check(process_name: str | None) -> None:
    """A name that was asked for must be possible. Raises ConfigurationError."""
    if process_name is not None and importlib.util.find_spec('setproctitle') is None:
        raise ConfigurationError("server.process_name: needs the package setproctitle; install 'granian[pname]'")


def set_title(title: str) -> None:
    """Name this process; without setproctitle nothing happens."""
    try:
        from setproctitle import setproctitle
    except ImportError:
        return
    setproctitle(title)
