"""Checks of one value that need more than its type. ValueError says what is wrong, in words to be shown."""

# ruff: noqa: TRY004  (a ValueError of these is what a person reads)

from __future__ import annotations

import difflib
import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

ACCESS_ATOMS = ('addr', 'time', 'dt_ms', 'status', 'path', 'query_string', 'method', 'scheme', 'protocol')
_ATOM = re.compile(r'%\(([^)]*)\)')
_SAMPLE: dict[str, object] = dict.fromkeys(ACCESS_ATOMS, '') | {'status': 200, 'dt_ms': 0.5}


def nearest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """The known word that this one may have been meant to be, or ''."""
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return near[0] if near else ''


def suggestion(word: str, known: list[str] | tuple[str, ...]) -> str:
    """`; did you mean 'x'?`, or nothing if no known word is near."""
    near = nearest(word, known)
    return f"; did you mean '{near}'?" if near else ''


def check_access_format(text: str) -> None:
    """Refuse an access log format with an atom that does not exist, or that cannot be formatted."""
    if text in {'text', 'json'}:
        return
    names = _ATOM.findall(text)
    if not names:
        raise ValueError(f"{text!r} is neither 'text' nor 'json' nor a format with atoms like %(path)s")
    for name in names:
        if name not in ACCESS_ATOMS and re.fullmatch(r'header\{[^{}]+\}', name) is None:
            near = suggestion(name, ACCESS_ATOMS) or f'; known are {", ".join(ACCESS_ATOMS)} and header{{Name}}'
            raise ValueError(f'%({name}) is not an atom of the access log{near}')
    try:
        _ = text % (dict.fromkeys(names, '') | _SAMPLE)
    except (ValueError, TypeError) as exc:
        raise ValueError(f'{text!r} is not a format: {exc}') from None


def check_logging_file(path: Path) -> None:
    """Refuse a logging configuration that is not a JSON object."""
    try:
        document = json.loads(path.read_bytes())
    except json.JSONDecodeError as exc:
        raise ValueError(f'{path} is not JSON: line {exc.lineno}, column {exc.colno}: {exc.msg}') from None
    except UnicodeDecodeError:
        raise ValueError(f'{path} is not JSON: it is not UTF-8') from None
    except RecursionError:
        raise ValueError(f'{path} is not JSON: nested too deeply') from None
    if not isinstance(document, dict):
        raise ValueError(f'{path} is not a JSON object')


def check_field_value(text: str) -> None:
    """Refuse what no header field can say."""
    if re.fullmatch(r'([\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?)?', text) is None:
        raise ValueError(f'{text!r} is not what a header field may say')
