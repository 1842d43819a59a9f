"""The document: model, sources, loading, provenance, schema. `load` is the way in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from granian.config.faults import ConfigurationFaults, Fault
    from granian.config.loading import Loaded, load
    from granian.config.model import Config

__all__ = ['Config', 'ConfigurationFaults', 'Fault', 'Loaded', 'load']

_HOME = {'Config': 'model', 'ConfigurationFaults': 'faults', 'Fault': 'faults', 'Loaded': 'loading', 'load': 'loading'}


def __getattr__(name: str) -> Any:
    # Late, so that `granian --version` does not pay for the validation library.
    if name not in _HOME:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from importlib import import_module

    return getattr(import_module(f'{__name__}.{_HOME[name]}'), name)
