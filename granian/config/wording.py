"""What a person reads for each way in which a document can be wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from granian.config.options import Option, is_table_list, keys_in, option_at
from granian.config.types.checks import nearest, suggestion
from granian.config.types.values import show
from granian.config.writing.toml_writer import toml_value

if TYPE_CHECKING:
    from granian.config.reading.positions import Path


def is_echo(error: Any) -> bool:
    """Say whether it only follows from another fault: a name that cannot be made, a list whose items are faulty."""
    if error['type'] == 'too_short':
        return bool(error['input'])
    return bool(error['type'] == 'default_factory_not_called')


def words_for(error: Any, path: Path) -> str:
    """The message for one of the validation library's errors."""
    kind, context, value = error['type'], error.get('ctx', {}), error['input']
    option = option_at(path)
    if kind == 'granian':
        return str(context['said'])
    if kind == 'extra_forbidden':
        return _unknown_key(path)
    if kind == 'missing':
        return 'is missing' + (
            f'; write it like {option.key.rpartition(".")[2]} = {toml_value(option.example)}' if option else ''
        )
    if kind == 'literal_error' and option is not None:
        near = suggestion(value, option.choices) if isinstance(value, str) else ''
        return f'{show(value)} is not one of: {", ".join(option.choices)}{near}'
    if kind in {'greater_than_equal', 'less_than_equal', 'greater_than'} and option is not None:
        return _out_of_range(option, kind, value, next(iter(context.values())))
    if kind in {'string_too_short', 'too_short'}:
        return 'must not be empty'
    return _wrong_shape(path, option, value)


def _unknown_key(path: Path) -> str:
    return f'unknown key{suggestion(str(path[-1]), keys_in(path[:-1]))}'


def nearest_key(path: Path) -> str:
    """The key that an unknown one was meant to be, or ''."""
    return nearest(str(path[-1]), keys_in(path[:-1]))


def _out_of_range(option: Option, kind: str, value: Any, bound: float) -> str:
    limit = option.kind.write(bound)
    words = {
        'greater_than_equal': 'less than the minimum allowed value of',
        'less_than_equal': 'greater than the maximum allowed value of',
        'greater_than': 'not more than',
    }
    return f'{show(value)} is {words[kind]} {limit}'


def _wrong_shape(path: Path, option: Option | None, value: Any) -> str:
    if option is not None:
        return f'{show(value)} is not a {option.kind.name}'
    if is_table_list(path):
        return f'must be a list of tables, like [[{path[-1]}]], not {show(value)}'
    return f'must be a table, not {show(value)}'
