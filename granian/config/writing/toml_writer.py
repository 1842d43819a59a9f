"""A document as TOML text: tables, lists of tables, scalars and lists of scalars."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from granian.config.reading.positions import Path

_BARE_CONTROLS = re.compile('[\x7f-\x9f]')
_BARE_KEY = re.compile(r'[A-Za-z0-9_-]+')


def toml_text(document: dict[str, Any], comment: Callable[[Path], str] = lambda _path: '') -> str:
    """The document as text that loads to the same; `comment` may say something beside each value."""
    return '\n'.join(_table(document, (), (), comment)).strip('\n') + '\n'


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON, whose escapes are TOML's. It leaves DEL bare, which TOML does not allow, and C1, which command terminals."""
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _BARE_CONTROLS.sub(lambda match: f'\\u{ord(match[0]):04x}', text)


def toml_value(value: Any) -> str:
    """One value as it stands right of the equals sign."""
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, str):
        return json_text(value)
    if isinstance(value, (list, tuple)):
        return f'[{", ".join(map(toml_value, value))}]'
    if isinstance(value, dict):
        return '{' + ', '.join(f'{_key(key)} = {toml_value(item)}' for key, item in value.items()) + '}'
    return repr(value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else toml_value(key)


def _is_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value)


def _table(table: dict[str, Any], names: tuple[str, ...], path: Path, comment: Callable[[Path], str]) -> Iterator[str]:
    """Scalars first: after the header of a table inside, they would belong to that."""
    tables = {key: value for key, value in table.items() if isinstance(value, dict) or _is_tables(value)}
    for key, value in table.items():
        if key not in tables:
            said = comment((*path, key))
            yield f'{_key(key)} = {toml_value(value)}' + (f'  # {said}' if said else '')
    for key, value in tables.items():
        inner = (*names, _key(key))
        for index, item in enumerate([value] if isinstance(value, dict) else value):
            yield ''
            yield f'[{".".join(inner)}]' if isinstance(value, dict) else f'[[{".".join(inner)}]]'
            yield from _table(item, inner, (*path, key) if isinstance(value, dict) else (*path, key, index), comment)
