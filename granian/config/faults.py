"""What is wrong with a configuration: each fault with its place, its key and what would do, all reported at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from granian.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PLURALS = {'file': 'files', 'variable': 'variables', 'flag': 'flags', 'argument': 'arguments'}


def printable(text: str) -> str:
    """The text with what would command a terminal, or break the line, written as escapes."""
    return ''.join(letter if letter.isprintable() else letter.encode('unicode_escape').decode() for letter in text)


@dataclass(frozen=True, slots=True)
class Fault:
    """`where`: `granian.toml:14:13`, `environment GRANIAN_WORKERS`, `flag --workers`. `key`: `listeners[0].http`."""

    where: str
    key: str
    message: str
    # What is counted in the closing line: the file, variable or flag, and which of these it is.
    source: str = ''
    source_kind: str = ''
    # The source gave nothing: what it would have said is not known, so nothing may be called missing.
    unread: bool = False

    def __str__(self) -> str:
        return printable(': '.join(part for part in (self.where, self.key, self.message) if part))


class ConfigurationFaults(ConfigurationError):  # noqa: N818  (it is several)
    """Every fault of a configuration. Its text is the report a person reads."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__('\n'.join([*map(str, self.faults), summary(self.faults)]))


def summary(faults: Sequence[Fault]) -> str:
    """`2 files and 1 variable have faults; nothing was started`."""
    counts = {kind: len({f.source for f in faults if f.source_kind == kind}) for kind in _PLURALS}
    parts = [f'{count} {kind if count == 1 else _PLURALS[kind]}' for kind, count in counts.items() if count]
    if not parts:
        return 'the configuration has faults; nothing was started'
    listed = parts[0] if len(parts) == 1 else f'{", ".join(parts[:-1])} and {parts[-1]}'
    verb = 'has' if sum(counts.values()) == 1 else 'have'
    return f'{listed} {verb} faults; nothing was started'
