"""Configuration files: found, read and parsed, every value with its line and column."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tomli

from granian.config.faults import Fault
from granian.config.reading.positions import TOO_DEEP, Place, Spot, TooDeepError, positions
from granian.config.reading.positions import Path as KeyPath
from granian.config.reading.tree import Node, Origin
from granian.config.types.values import Given

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

# What no int is made of: the interpreter refuses to read it.
_LONG_NUMBER = re.compile(r'[0-9_]{640,}')
_SPOT = re.compile(r' \(at (?:line (\d+), column (\d+)|end of document)\)$')


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file to read. `named_by`: what to blame when it is not there."""

    path: Path
    named_by: str = ''
    named_by_kind: str = 'file'
    # Without a table of ours it is as if it were not there.
    optional: bool = False


def read_files(sources: Sequence[FileSource], cwd: Path, faults: list[Fault]) -> list[Node]:
    """The documents of the files, in their order; a file that cannot be read is a fault."""
    documents = (_read(source, cwd, faults) for source in sources)
    return [document for document in documents if document is not None]


def _read(source: FileSource, cwd: Path, faults: list[Fault]) -> Node | None:
    shown = str(source.path)
    try:
        text = (cwd / source.path).read_bytes().decode('utf-8-sig')
    except OSError as exc:
        where = source.named_by or shown
        message = f"'{shown}': {(exc.strerror or str(exc)).lower()}" if source.named_by else 'cannot be read'
        faults.append(_unread(where, '', message, where, source.named_by_kind))
        return None
    except UnicodeDecodeError as exc:
        line = exc.object.count(b'\n', 0, exc.start) + 1
        faults.append(_unread(f'{shown}:{line}:1', '', 'is not UTF-8', shown, 'file'))
        return None
    return _parse(text, source, cwd, faults)


def _parse(text: str, source: FileSource, cwd: Path, faults: list[Fault]) -> Node | None:
    shown = str(source.path)
    try:
        data, places = _data_and_places(text)
    except _NotTomlError as exc:
        where = f'{shown}:{exc.spot.line}:{exc.spot.column}'
        faults.append(_unread(where, '', f'not valid TOML: {exc}', shown, 'file'))
        return None
    table: KeyPath = ('tool', 'granian') if source.path.name == 'pyproject.toml' else ()
    for part in table:
        data = data.get(str(part)) if isinstance(data, dict) else None  # type: ignore[assignment]
    if data is None:
        if not source.optional:
            faults.append(_unread(f'{shown}:1:1', '', 'has no table [tool.granian]', shown, 'file'))
        return None
    return _located(data, table, places, shown, (cwd / source.path).parent)


class _NotTomlError(Exception):
    def __init__(self, spot: Spot, message: str) -> None:
        super().__init__(message)
        self.spot = spot


def _data_and_places(text: str) -> tuple[dict[str, Any], dict[KeyPath, Place]]:
    try:
        return tomli.loads(text), positions(text)
    except tomli.TOMLDecodeError as exc:
        line, column, message = syntax_fault(text, str(exc))
        raise _NotTomlError(Spot(line, column), message) from None
    except TooDeepError as exc:
        raise _NotTomlError(exc.spot, TOO_DEEP) from None
    except RecursionError:
        raise _NotTomlError(_deep_spot(text), TOO_DEEP) from None
    except ValueError:
        raise _NotTomlError(_long_number_spot(text), 'a number of too many digits') from None


def _deep_spot(text: str) -> Spot:
    """Where a text goes too deep that the parser has given up on: what stands before that place is TOML."""
    try:
        positions(text)
    except TooDeepError as exc:
        return exc.spot
    except (ValueError, IndexError):
        pass
    return Spot(1, 1)


def _long_number_spot(text: str) -> Spot:
    match = _LONG_NUMBER.search(text)
    before = text[: match.start()] if match else ''
    return Spot(before.count('\n') + 1, len(before) - before.rfind('\n'))


def syntax_fault(text: str, message: str) -> tuple[int, int, str]:
    """The parser's message → line, column, message without the place."""
    match = _SPOT.search(message)
    if match is None:
        return 1, 1, message
    what = message[: match.start()]
    what = what[:1].lower() + what[1:]
    if match[1]:
        return int(match[1]), int(match[2]), what
    lines = text.split('\n')
    return len(lines), len(lines[-1]) + 1, f'{what} at the end of the file'


def _located(value: Any, path: KeyPath, places: dict[KeyPath, Place], shown: str, base: Path) -> Node:
    origin = Origin('file', shown, places[path]) if path in places else Origin('default')
    if isinstance(value, dict):
        items = {key: _located(item, (*path, key), places, shown, base) for key, item in value.items()}
        return Node(items, origin)
    if isinstance(value, list):
        return Node([_located(item, (*path, i), places, shown, base) for i, item in enumerate(value)], origin)
    return Node(Given(value, base=base, loose=False) if isinstance(value, str) else value, origin)


def _unread(where: str, key: str, message: str, source: str, kind: str) -> Fault:
    return Fault(where, key, message, source, kind, unread=True)
