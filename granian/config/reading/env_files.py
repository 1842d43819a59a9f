"""Env files: NAME=value lines. The same reading configures the server and reaches the application."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, NamedTuple

from dotenv import dotenv_values
from dotenv.parser import parse_stream

from granian.config.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


class Entry(NamedTuple):
    name: str
    value: str
    line: int


def read_env_file(path: Path, shown: str, faults: list[Fault]) -> list[Entry]:
    """The entries of one file; a line that is none is a fault."""
    try:
        text = path.read_text('utf-8')
    except OSError as exc:
        faults.append(Fault(shown, '', f'cannot be read: {(exc.strerror or str(exc)).lower()}', shown, 'file'))
        return []
    except UnicodeDecodeError:
        faults.append(Fault(shown, '', 'is not UTF-8', shown, 'file'))
        return []
    lines: dict[str, int] = {}
    broken = False
    for binding in parse_stream(io.StringIO(text)):
        # The parser counts the blank lines before an entry into it.
        line = binding.original.line + _leading_lines(binding.original.string)
        if binding.error:
            faults.append(Fault(f'{shown}:{line}', '', 'is not a NAME=value line', shown, 'file'))
            broken = True
        elif binding.key is not None:
            lines[binding.key] = line
    if broken:
        return []
    values = dotenv_values(stream=io.StringIO(text))
    return [Entry(name, value, lines[name]) for name, value in values.items() if value is not None]


def _leading_lines(text: str) -> int:
    return text[: len(text) - len(text.lstrip())].count('\n')


def variables(paths: Iterable[Path]) -> dict[str, str]:
    """What the files say, for the application. The first file that has a name wins. Broken files were refused before."""
    found: dict[str, str] = {}
    for path in paths:
        for entry in read_env_file(path, str(path), []):
            found.setdefault(entry.name, entry.value)
    return found
