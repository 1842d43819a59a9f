"""Patterns of file paths: `*` and `?` within a segment, `**` over segments, `[…]` sets."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_split_glob = re.compile(r'\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|[^*?\[]+|\[').findall
_find_members = re.compile(r'(.)-(.)|(.)', re.DOTALL).findall
_PARTS = {'**/': '(?:.*/)?', '**': '.*', '*': '[^/]*', '?': '[^/]'}


def matcher(glob: str) -> Callable[[str], object]:
    """Whether a path matches. One without a slash is held against its last segment. Raises ValueError."""
    pattern = ''.join(_PARTS.get(part) or _set(part) for part in _split_glob(glob.lstrip('/')))
    return re.compile(pattern if '/' in glob else f'(?:.*/)?{pattern}', re.DOTALL).fullmatch


def _set(part: str) -> str:
    if len(part) < 3 or not part.startswith('['):
        return re.escape(part)
    negated = part[1] == '!'
    members = ''.join(_member(*found) for found in _find_members(part[1 + negated : -1]))
    return f'[{"^/" if negated else ""}{members}]'


def _member(first: str, last: str, alone: str) -> str:
    if alone:
        return re.escape(alone)
    if last < first:
        raise ValueError(f"'{first}-{last}' runs backwards; write '{last}-{first}'")
    return f'{re.escape(first)}-{re.escape(last)}'
