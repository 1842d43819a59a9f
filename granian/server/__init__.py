"""One worker's I/O: connections, deadlines, back-pressure, draining. Upstream's import path of its server, too."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    # Late, and not for the eyes of a linter: it stands far above this package, and a worker needs nothing of it.
    if name in {'Server', 'Granian'}:
        return import_module('granian.api.server').Granian
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
