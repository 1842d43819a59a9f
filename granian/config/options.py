"""The options as a list, read off the model: what the command line, the variables, the schema and the reference share."""

from __future__ import annotations

import types
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MinLen
from pydantic import BaseModel, SecretStr

from granian.config.model import Config
from granian.config.reading.tree import key_text
from granian.config.types.bind import parse_bind
from granian.config.types.fields import Flag, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

    from granian.config.reading.positions import Path
    from granian.config.types.bind import Bind

ITEM = '[]'
TOPICS = {
    'server': 'Processes',
    'listeners': 'Listening',
    'tls': 'TLS',
    'apps': 'Application',
    'static': 'Static files',
    'http1': 'HTTP/1',
    'http2': 'HTTP/2',
    'websocket': 'WebSockets',
    'logging': 'Logging',
    'metrics': 'Metrics',
    'reload': 'Auto reload',
}


@dataclass(frozen=True, slots=True)
class Bounds:
    least: float | None = None
    most: float | None = None
    over: float | None = None
    length_least: int | None = None


@dataclass(frozen=True, slots=True)
class Option:
    """One key of the document. In `path`, `[]` stands for the index of a list."""

    path: tuple[str, ...]
    kind: Kind
    choices: tuple[str, ...]
    bounds: Bounds
    required: bool
    # As a document holds it; None: not set.
    default: Any
    description: str
    example: Any
    flags: tuple[Flag, ...]

    @property
    def key(self) -> str:
        return '.'.join(self.path).replace(f'.{ITEM}', ITEM)

    @property
    def variable(self) -> str:
        return 'GRANIAN_' + '__'.join('0' if part == ITEM else part.upper() for part in self.path)

    @property
    def topic(self) -> str:
        return TOPICS['tls' if 'tls' in self.path else self.path[0]]

    def is_switch(self, flag: Flag) -> bool:
        """Whether that flag is given without a value."""
        return flag.words is not None or self.kind.schema.get('type') == 'boolean'


@dataclass(frozen=True, slots=True)
class Table:
    """One section of the document, or one item of a list of sections."""

    path: tuple[str, ...]
    model: type[BaseModel]
    description: str
    # Whether a document without it has none of it, rather than its defaults.
    optional: bool = False

    @property
    def header(self) -> str:
        name = '.'.join(part for part in self.path if part != ITEM)
        return f'[[{name}]]' if self.path[-1] == ITEM else f'[{name}]'


@cache
def options() -> tuple[Option, ...]:
    """Every option, in the order of the document."""
    return tuple(found for found in _walk(Config, ()) if isinstance(found, Option))


@cache
def tables() -> tuple[Table, ...]:
    """Every section, in the order of the document."""
    return tuple(found for found in _walk(Config, ()) if isinstance(found, Table))


def pattern_of(path: Path) -> tuple[str, ...]:
    """`('listeners', 3, 'bind')` → `('listeners', '[]', 'bind')`."""
    return tuple(ITEM if isinstance(part, int) else part for part in path)


@cache
def _by_path() -> dict[tuple[str, ...], Option]:
    return {option.path: option for option in options()}


@cache
def _table_by_path() -> dict[tuple[str, ...], Table]:
    return {table.path: table for table in tables()}


def option_at(path: Path) -> Option | None:
    return _by_path().get(pattern_of(path))


def table_at(path: Path) -> Table | None:
    return _table_by_path().get(pattern_of(path))


def is_table_list(path: Path) -> bool:
    return (*pattern_of(path), ITEM) in _table_by_path()


def keys_in(path: Path) -> list[str]:
    """The keys a section has; the document's own for ()."""
    table = table_at(path)
    model = Config if not path else table.model if table else None
    return [key_of(name, field) for name, field in model.model_fields.items()] if model else []


def key_of(name: str, field: FieldInfo) -> str:
    """A field's key in the document: some are words of Python."""
    return field.alias or name


def _walk(model: type[BaseModel], path: tuple[str, ...]) -> Iterator[Option | Table]:
    for name, field in model.model_fields.items():
        section = section_of(field)
        key = key_of(name, field)
        if section is None:
            yield _option((*path, key), field)
            continue
        inner = (*path, key, ITEM) if get_origin(field.annotation) is tuple else (*path, key)
        yield Table(inner, section, field.description or '', optional=field.default is None or field.default == ())
        yield from _walk(section, inner)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The section that a field holds, once or as a list, if it holds one."""
    annotation = field.annotation
    if get_origin(annotation) is tuple:
        annotation = get_args(annotation)[0]
    elif get_origin(annotation) in {Union, types.UnionType}:
        # A section that need not be there.
        annotation = get_args(annotation)[0]
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _option(path: tuple[str, ...], field: FieldInfo) -> Option:
    choices = _choices(field.annotation)
    kind = _kind(field, choices)
    default = None if field.is_required() or field.default_factory else field.get_default()
    return Option(
        path=path,
        kind=kind,
        choices=choices,
        bounds=_bounds(field.metadata),
        required=field.is_required(),
        default=None if default is None else kind.write(default),
        description=field.description or '',
        example=field.examples[0] if field.examples else None,
        flags=tuple(entry for entry in field.metadata if isinstance(entry, Flag)),
    )


def _choices(annotation: Any) -> tuple[str, ...]:
    return get_args(annotation) if get_origin(annotation) is Literal else ()


def _kind(field: FieldInfo, choices: tuple[str, ...]) -> Kind:
    if choices:
        # A bare number where the choice is one: http = 1.
        numbers = [int(choice) for choice in choices if choice.isdigit()]
        return Kind('one of ' + ', '.join(choices), '|'.join(choices), {'enum': [*choices, *numbers]})
    for entry in [*field.metadata, *_inner_metadata(field.annotation)]:
        if isinstance(entry, Kind):
            return entry
    raise TypeError(f'{field!r} has no kind')


def _inner_metadata(annotation: Any) -> list[Any]:
    """What `Annotated` says inside of `X | None`."""
    if get_origin(annotation) not in {Union, types.UnionType}:
        return []
    return [entry for member in get_args(annotation) for entry in getattr(member, '__metadata__', ())]


def _bounds(metadata: list[Any]) -> Bounds:
    found: dict[str, Any] = {}
    for entry in metadata:
        match entry:
            case Ge():
                found['least'] = entry.ge
            case Le():
                found['most'] = entry.le
            case Gt():
                found['over'] = entry.gt
            case MinLen():
                found['length_least'] = entry.min_length
            case _:
                pass
    return Bounds(**found)


def document_of(config: BaseModel, path: Path = ()) -> dict[str, Any]:
    """A Config as a document holds it: durations and sizes as text, what is not set left out, secrets masked."""
    document: dict[str, Any] = {}
    for name, field in type(config).model_fields.items():
        key = key_of(name, field)
        written = _written(getattr(config, name), (*path, key))
        if written is not None and written != {}:
            document[key] = written
    return document


def _written(value: Any, path: Path) -> Any:
    if value is None:
        return None
    if isinstance(value, BaseModel):
        return document_of(value, path)
    if is_table_list(path):
        return [document_of(item, (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, SecretStr):
        return str(value)  # asterisks
    option = option_at(path)
    if option is None:
        raise KeyError(key_text(path))
    return option.kind.write(value)


def default_bind(path: Path) -> Bind:
    """The address at that place that a host or a port alone completes."""
    option = option_at(path)
    assert option is not None
    return parse_bind(option.default)
