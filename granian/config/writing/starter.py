"""The commented file that `granian init` writes, made from the model."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from granian.config.options import options, tables
from granian.config.writing.toml_writer import toml_value

if TYPE_CHECKING:
    from granian.config.options import Option, Table

_HEAD = """\
# The configuration of a server: `granian serve` reads it, `granian check` tries it.
# What stands behind a # is the default, or an example where nothing is set by default.
# For completion and checks in an editor: `granian schema > granian.schema.json`, and this as the first line:
# #:schema granian.schema.json
"""
# What a starter says instead of leaving it to the defaults.
_SAID = {'listeners[].bind': None, 'apps[].target': 'main:app', 'apps[].interface': 'asgi'}


def starter_text() -> str:
    """A file that loads, with every key in it."""
    return _HEAD + ''.join(_section(table) for table in tables())


def _section(table: Table) -> str:
    lines = [option for option in options() if option.path[:-1] == table.path]
    # A section that a server can do without: with its header it would be there.
    without = table.optional and not any(option.key in _SAID for option in lines)
    return f'\n# {table.description}\n{"# " if without else ""}{table.header}\n' + ''.join(map(_entry, lines))


def _entry(option: Option) -> str:
    said = option.key in _SAID
    value = (_SAID.get(option.key) or option.default) if said or option.default is not None else option.example
    unset = '' if said or option.default is not None else ' Not set by default.'
    help_text = textwrap.fill(option.description + unset, 116, initial_indent='# ', subsequent_indent='# ')
    return f'{help_text}\n{"" if said else "# "}{option.path[-1]} = {toml_value(value)}\n'
