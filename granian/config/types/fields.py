"""The types a field may have, and what a declaration says besides the type: its flag, its topic, how it is shown."""

# ruff: noqa: TRY004  (a ValueError of these is what a person reads)

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, PlainValidator, SecretStr
from pydantic_core import PydanticCustomError

from granian.config.types import values
from granian.config.types.bind import Bind, parse_bind
from granian.config.types.values import Given, is_loose, show

if TYPE_CHECKING:
    from collections.abc import Callable

TARGET_PATTERN = r'^[^\s:]([^:]|:[\\/])*(:[^:\\/\s][^:]*)?$'
_ATTRIBUTE = re.compile(r'[^\W\d]\w*(\.[^\W\d]\w*)*')
_TRUE = frozenset({'1', 'true', 't', 'yes', 'y', 'on'})
_FALSE = frozenset({'0', 'false', 'f', 'no', 'n', 'off'})


@dataclass(frozen=True, slots=True)
class Flag:
    """The command line's and the environment's short name of a key, upstream's where upstream has one."""

    name: str
    help: str
    # Upstream's variable, where it is not the flag in capitals.
    variable: str = ''
    # The flag gives only this part of an address.
    part: Literal['', 'host', 'port', 'uds'] = ''
    # A bare number means milliseconds here, seconds in the document.
    milliseconds: bool = False
    # A bare number means mebibytes here, bytes in the document.
    mebibytes: bool = False
    # It speaks of a list of sections: may be repeated, the n-th value for the n-th section …
    each: bool = False
    # … or its one value is for every section there is.
    every: bool = False
    # A switch on the command line, for a choice in the document: what it says when on, and when off.
    words: tuple[str, str] | None = None
    # How several values of `each` stand in one variable.
    split: Literal['', 'words', 'paths'] = ''

    @property
    def environment_name(self) -> str:
        return self.variable or 'GRANIAN_' + self.name.removeprefix('--').replace('-', '_').upper()


@dataclass(frozen=True, slots=True)
class Kind:
    """What a person calls a type, its JSON Schema, and how a value of it is written in a document."""

    name: str
    metavar: str
    schema: dict[str, Any] = field(hash=False)
    write: Callable[[Any], Any] = lambda value: value
    # How a list of these is split in one variable, 'table': given as JSON; '' where it is neither.
    split: Literal['', 'words', 'paths', 'table'] = ''


def checked(parse: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A parser's ValueError becomes a fault in its own words."""

    def validate(value: Any) -> Any:
        try:
            return parse(value)
        except ValueError as exc:
            raise PydanticCustomError('granian', '{said}', {'said': str(exc)}) from None

    return validate


def _whole(value: object) -> object:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if is_loose(value) and re.fullmatch(r'\s*[+-]?[0-9]{1,300}\s*', str(value)):
        return int(str(value))
    raise ValueError(f'{show(value)} is not a whole number' + _unquote_hint(value, r'[+-]?[0-9]+'))


def _switch(value: object) -> object:
    if isinstance(value, bool):
        return value
    if is_loose(value) and str(value).lower() in _TRUE | _FALSE:
        return str(value).lower() in _TRUE
    raise ValueError(f'{show(value)} is not true or false' + _unquote_hint(value, 'true|false'))


def _unquote_hint(value: object, wanted: str) -> str:
    quoted = isinstance(value, str) and not is_loose(value) and re.fullmatch(wanted, value)
    return '; write it without quotes' if quoted else ''


def word_of_switch(words: tuple[str, str], value: object) -> object:
    """The word that a switch stands for; what is neither true nor false stays, to be refused by name."""
    text = str(value).lower()
    return words[0] if text in _TRUE else words[1] if text in _FALSE else value


def _choice(value: object) -> object:
    if is_loose(value):
        return str(value).lower()
    return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else value


def text_of(value: object) -> str:
    """Text, or a ValueError that says what it is instead."""
    if not isinstance(value, str):
        raise ValueError(f'{show(value)} is not text; write it in quotes')
    if '\0' in value:
        raise ValueError('must not hold a NUL character')
    return str(value)


def path_of(value: object) -> Path:
    if isinstance(value, Path):
        return Path.cwd() / value
    if not isinstance(value, str):
        raise ValueError(f'{show(value)} is not a path; write it in quotes')
    if not value or '\0' in value:
        raise ValueError(f'{show(value)} is not a path')
    return Path(os.path.normpath((value.base if isinstance(value, Given) else Path.cwd()) / value))


def _file(value: object) -> Path:
    path = path_of(value)
    if not path.exists():
        raise ValueError(f'{show(value)}: no such file' + _looked_at(path, value))
    if path.is_dir():
        raise ValueError(f'{show(value)} is a directory, not a file')
    if not os.access(path, os.R_OK):
        raise ValueError(f'{show(value)} is not readable by this user')
    return path


def _directory(value: object) -> Path:
    path = path_of(value)
    if not path.exists():
        raise ValueError(f'{show(value)}: no such directory' + _looked_at(path, value))
    if not path.is_dir():
        raise ValueError(f'{show(value)} is not a directory')
    return path


def _looked_at(path: Path, value: object) -> str:
    return '' if str(path) == str(value) else f' (looked for {path})'


def split_target(target: str) -> tuple[str, str]:
    """`module:attr.sub` → (module or path, attribute). The first colon that no drive letter explains is the border."""
    parts = re.split(r':(?![\\/])', target, maxsplit=1)
    return (parts[0], parts[1]) if len(parts) == 2 else (target, 'app')


def is_path_target(module: str) -> bool:
    """Say whether a target's first part names a file or folder rather than a dotted module."""
    return module.endswith('.py') or '/' in module or os.sep in module


def name_of(target: str) -> str:
    """The name an application has when nobody gives it one."""
    module, _ = split_target(target)
    if not is_path_target(module):
        return module.rpartition('.')[2] or 'app'
    parts = [part for part in module.replace('\\', '/').split('/') if part not in {'', '__init__', '__init__.py'}]
    return parts[-1].removesuffix('.py') if parts else 'app'


def _target(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f'{show(value)} is not a target; write it like "module:app"')
    module, attribute = split_target(value)
    if not module.strip():
        raise ValueError(f"{show(value)} names no module; write it like 'module:app' or 'path/to/file.py:app'")
    if _ATTRIBUTE.fullmatch(attribute) is None:
        raise ValueError(f"{show(value)}: {attribute!r} is not an attribute; write it like 'module:app'")
    if is_path_target(module):
        return f'{path_of(_moved(module, value))}:{attribute}'
    if _ATTRIBUTE.fullmatch(module) is None:
        raise ValueError(f'{show(value)}: {module!r} is not a module or a file')
    return str(value)


def _moved(text: str, source: str) -> str:
    return Given(text, base=source.base, loose=source.loose) if isinstance(source, Given) else text


def _alternatives(number: str, pattern: str) -> dict[str, Any]:
    return {'anyOf': [{'type': number}, {'type': 'string', 'pattern': pattern}]}


_PATH_SCHEMA = {'type': 'string', 'minLength': 1}
_FILE_KIND = Kind('path of a file that is there', 'FILE', _PATH_SCHEMA, str)

Whole = Annotated[int, BeforeValidator(checked(_whole)), Kind('whole number', 'INTEGER', {'type': 'integer'})]
Switch = Annotated[bool, BeforeValidator(checked(_switch)), Kind('true or false', '', {'type': 'boolean'})]
Text = Annotated[str, BeforeValidator(checked(text_of)), Kind('text', 'TEXT', {'type': 'string'})]
Secret = Annotated[SecretStr, BeforeValidator(checked(text_of)), Kind('text', 'TEXT', {'type': 'string'})]
CHOICE = BeforeValidator(_choice)
Duration = Annotated[
    float,
    BeforeValidator(checked(values.duration_s)),
    Kind('duration', 'DURATION', _alternatives('number', values.DURATION_PATTERN), values.duration_text),
]
Size = Annotated[
    int,
    BeforeValidator(checked(values.size_bytes)),
    Kind('size', 'SIZE', _alternatives('integer', values.SIZE_PATTERN), values.size_text),
]
Mode = Annotated[
    int,
    BeforeValidator(checked(values.mode)),
    Kind(
        'file mode',
        'MODE',
        {
            'anyOf': [
                {'type': 'integer', 'minimum': 0, 'maximum': values.MODE_MAX},
                {'type': 'string', 'pattern': values.MODE_PATTERN},
            ]
        },
        values.mode_text,
    ),
]
AnyPath = Annotated[Path, BeforeValidator(checked(path_of)), Kind('path', 'PATH', _PATH_SCHEMA, str)]
FilePath = Annotated[Path, BeforeValidator(checked(_file)), _FILE_KIND]
DirectoryPath = Annotated[
    Path,
    BeforeValidator(checked(_directory)),
    Kind('path of a directory that is there', 'DIRECTORY', _PATH_SCHEMA, str),
]
Target = Annotated[
    str, BeforeValidator(checked(_target)), Kind('target', 'MODULE:ATTRIBUTE', {'type': 'string', 'minLength': 1})
]
Address = Annotated[
    Bind, PlainValidator(checked(parse_bind)), Kind('address', 'ADDRESS', {'type': 'string', 'minLength': 1}, str)
]


FilePaths = Annotated[
    tuple[FilePath, ...],
    Kind(
        'list of paths of files that are there',
        'FILE',
        {'type': 'array', 'items': _PATH_SCHEMA},
        lambda paths: [str(path) for path in paths],
        split='paths',
    ),
]


def checked_text(check: Callable[[str], None]) -> BeforeValidator:
    """A text field that `check` may refuse with a ValueError."""

    def parse(value: object) -> object:
        text = text_of(value)
        check(text)
        return text

    return BeforeValidator(checked(parse))


def checked_file(check: Callable[[Path], None]) -> BeforeValidator:
    """A file whose contents `check` may refuse with a ValueError."""

    def parse(value: object) -> object:
        path = _file(value)
        check(path)
        return path

    return BeforeValidator(checked(parse))
