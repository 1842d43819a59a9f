"""From the arguments of upstream's constructors to a Config: each stands for a flag, and is read and checked as that is."""

from __future__ import annotations

import os
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from granian.config.loading import load
from granian.errors import ConfigurationError
from granian.http import HTTP1Settings, HTTP2Settings

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from granian.config.loading import Loaded

# Where an argument is not called as its flag is.
_OTHER_NAMES = {
    'target': 'APP',
    'address': '--host',
    'websockets': '--ws',
    'log_enabled': '--log',
    'metrics_enabled': '--metrics',
    'log_access': '--access-log',
    'log_access_format': '--access-log-fmt',
    'ssl_cert': '--ssl-certificate',
    'ssl_key': '--ssl-keyfile',
    'ssl_key_password': '--ssl-keyfile-password',
}
_PART_NAMES = {'http1_settings.max_buffer_size': '--http1-buffer-size'}
_AT_LEAST = {'workers': 1, 'runtime_threads': 1, 'backlog': 128, 'backpressure': 1}
# One path or several.
_LISTS = frozenset({'static_path_route', 'static_path_mount'})
_PARTS = {'http1_settings': HTTP1Settings, 'http2_settings': HTTP2Settings}


def given_to(server: Any, *, leave_out: Container[str]) -> dict[str, Any]:
    """The arguments that say something: those that are not as the dataclass has them by default. Its interface always does."""
    return {
        each.name: value
        for each in fields(server)
        if each.name not in leave_out
        and (value := getattr(server, each.name)) is not None
        and not _is_empty(value)
        and (value != each.default or each.name == 'interface')
    }


def _is_empty(value: Any) -> bool:
    """No files, no names: as if nobody had said it."""
    return isinstance(value, (list, tuple, set, frozenset)) and not value


def loaded(given: Mapping[str, Any]) -> Loaded:
    """Nothing else is read: no file of the working directory, no environment. ConfigurationFaults holds all that is wrong."""
    flags: dict[str, object] = {}
    names: dict[str, str] = {}
    for name, value in given.items():
        for flag, argument, text in _spelled(name, value):
            flags[flag], names[flag] = text, argument
    return load(flags=flags, environ={}, cwd=Path.cwd(), needs_app=True, argument_names=names)


def _spelled(name: str, value: Any) -> list[tuple[str, str, object]]:
    """Flags, the arguments that stand for them, and values."""
    if name in _PARTS:
        return _parts(name, value)
    return [(_OTHER_NAMES.get(name, _flag(name)), name, _meant(name, value))]


def _parts(name: str, settings: Any) -> list[tuple[str, str, object]]:
    kind = _PARTS[name]
    if not isinstance(settings, kind):
        raise ConfigurationError(f'argument {name}: {type(settings).__name__!r} is not {kind.__name__!r}')
    found = []
    for each in fields(kind):
        value, part = getattr(settings, each.name), f'{name}.{each.name}'
        if value != each.default:
            flag = _flag(f'{name.removesuffix("_settings")}_{each.name}')
            found.append((_PART_NAMES.get(part, flag), part, _meant(each.name, value)))
    return found


def _flag(name: str) -> str:
    return '--' + name.replace('_', '-')


def _meant(name: str, value: Any) -> object:
    """The value as the flag would be given."""
    if isinstance(value, bool):
        return value
    if name in _AT_LEAST and isinstance(value, int):
        value = max(_AT_LEAST[name], value)
    if name == 'uds_permissions' and isinstance(value, int):
        return f'0o{value:o}'
    if isinstance(value, (str, os.PathLike)):
        return [_text(value)] if name in _LISTS else _text(value)
    return [_text(each) for each in value] if isinstance(value, (list, tuple, set, frozenset)) else str(value)


def _text(value: object) -> str:
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)
