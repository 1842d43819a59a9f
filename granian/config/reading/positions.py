"""Where each key and value of a TOML text stands. The text has been accepted by the TOML parser before."""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from typing import NamedTuple

import tomli

Path = tuple[str | int, ...]

# Far beyond what the document needs, far below what recursion bears.
NESTING_MAX = 64
TOO_DEEP = 'nested too deeply'

_BLANK = re.compile(r'[ \t]*')
_FILLER = re.compile(r'(?:[ \t\n]|#[^\n]*)*')
_BARE_KEY = re.compile(r'[A-Za-z0-9_-]+')
_STRING = re.compile(
    r'"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}'
    r"|'''(?:[^']|'{1,2}(?!'))*'{3,5}"
    r'|"(?:[^"\\]|\\.)*"'
    r"|'[^']*'",
    re.DOTALL,
)
# A date and a time may be apart by one space.
_SCALAR = re.compile(r'\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]+|[^\s,\]}#]+')


class Spot(NamedTuple):
    """A line and a column, both from 1; columns count characters."""

    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Place:
    key: Spot
    value: Spot


class TooDeepError(Exception):
    """A path of more than NESTING_MAX parts. `spot`: where the first one goes too far."""

    def __init__(self, spot: Spot) -> None:
        super().__init__(TOO_DEEP)
        self.spot = spot


def positions(text: str) -> dict[Path, Place]:
    """Every table, key and array item of the text, by its path; TooDeepError for one that is too long."""
    scanner = _Scanner(text.replace('\r\n', '\n'))
    scanner.document()
    return scanner.places


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.places: dict[Path, Place] = {}
        # Arrays of tables and how many items they have so far.
        self.counts: dict[Path, int] = {}
        self.line_starts = [0, *(match.end() for match in re.finditer('\n', text))]

    def document(self) -> None:
        prefix: Path = ()
        self.skip(_FILLER)
        while self.at < len(self.text):
            if self.text.startswith('[', self.at):
                prefix = self.header()
            else:
                self.pair(prefix)
            self.skip(_FILLER)

    def header(self) -> Path:
        opening = self.spot()
        is_array = self.text.startswith('[[', self.at)
        self.at += 2 if is_array else 1
        keys = self.dotted_key(())
        self.at += 2 if is_array else 1
        path: Path = ()
        for name, spot in keys[:-1]:
            path = self.latest_item((*path, name))
            self.places.setdefault(path, Place(spot, opening))
        name, spot = keys[-1]
        path = (*path, name)
        if is_array:
            self.places.setdefault(path, Place(spot, opening))
            self.counts[path] = self.counts.get(path, 0) + 1
            path = self.latest_item(path)
        # A table may have been implied by a header below it: its own header is the better place.
        self.places[path] = Place(spot, opening)
        return path

    def latest_item(self, path: Path) -> Path:
        return (*path, self.counts[path] - 1) if path in self.counts else path

    def pair(self, prefix: Path) -> None:
        keys = self.dotted_key(prefix)
        self.at += 1  # the equals sign
        self.skip(_BLANK)
        path = prefix
        for name, spot in keys[:-1]:
            path = (*path, name)
            self.places.setdefault(path, Place(spot, spot))
        name, spot = keys[-1]
        self.value((*path, name), spot)

    def dotted_key(self, prefix: Path) -> list[tuple[str, Spot]]:
        keys: list[tuple[str, Spot]] = []
        while True:
            self.skip(_BLANK)
            spot = self.spot()
            keys.append((self.key(), spot))
            if len(prefix) + len(keys) > NESTING_MAX:
                raise TooDeepError(spot)
            self.skip(_BLANK)
            if not self.text.startswith('.', self.at):
                return keys
            self.at += 1

    def key(self) -> str:
        if self.text[self.at] not in '"\'':
            return self.skip(_BARE_KEY)
        quoted = self.skip(_STRING)
        return str(tomli.loads(f'key = {quoted}')['key'])

    def value(self, path: Path, key: Spot | None = None) -> None:
        spot = self.spot()
        if len(path) > NESTING_MAX:
            raise TooDeepError(spot)
        self.places[path] = Place(key or spot, spot)
        first = self.text[self.at]
        if first == '[':
            self.array(path)
        elif first == '{':
            self.inline_table(path)
        else:
            self.skip(_STRING if first in '"\'' else _SCALAR)

    def array(self, path: Path) -> None:
        index = 0
        self.step()
        while self.text[self.at] != ']':
            self.value((*path, index))
            index += 1
            self.separator()
        self.at += 1

    def inline_table(self, path: Path) -> None:
        self.step()
        while self.text[self.at] != '}':
            self.pair(path)
            self.separator()
        self.at += 1

    def separator(self) -> None:
        self.skip(_FILLER)
        if self.text[self.at] == ',':
            self.step()

    def step(self) -> None:
        self.at += 1
        self.skip(_FILLER)

    def skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError(f'not TOML at {self.spot()}')
        self.at = match.end()
        return match[0]

    def spot(self) -> Spot:
        line = bisect_right(self.line_starts, self.at)
        return Spot(line, self.at - self.line_starts[line - 1] + 1)
