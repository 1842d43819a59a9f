"""Granian: an application server for Python, configured by one validated TOML file.

The tree, from the bottom up (imports only ever point down this list):

errors      the exceptions a person may see
protocol    sans-IO: engine contract, HTTP rules, the engines themselves
config      the document: model, sources, loading, where each value came from, schema
exchange    one request and its response, whatever the HTTP version
routing     which application answers a request
adapters    ASGI, RSGI, WSGI, files: an exchange on one side, an application or a folder on the other
observe     server log and access log
server      one worker's I/O: connection, exchange, deadlines
process     sockets, supervisor, worker: the only code that sees a whole Config
cli         argv in, exit status out
api         arguments of a Python program in, a server out (`Granian`)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from granian import loops as loops
    from granian.api.server import Granian as Granian

__version__ = '0.1.0'
__all__ = ['Granian', '__version__', 'loops']


def __getattr__(name: str) -> Any:
    # Late: `granian --version` pays for neither, and a worker needs neither.
    from importlib import import_module

    if name == 'Granian':
        return import_module('granian.api.server').Granian
    if name == 'loops':
        return import_module('granian.loops')
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
