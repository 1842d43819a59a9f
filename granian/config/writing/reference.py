"""The reference page of the document's keys, made from the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from granian.config.options import options, tables
from granian.config.writing.toml_writer import toml_value

if TYPE_CHECKING:
    from granian.config.options import Option

_HEAD = """\
# Configuration reference

Made from the model by `python -m granian.cli.artefacts`; do not edit. How the sources fit together is in
[Configure](../how-to/configure.md), the command line in [Command line](command-line.md).

**Duration**: a number of seconds, or text like `1d2h3m4s` or `250ms`. **Size**: bytes, or text like `64KiB` or `16MB`.
**File mode**: octal, `0o660`. **Paths**: in a file relative to that file, in a variable or flag to the working directory.
"""


def configuration_page() -> str:
    """`docs/reference/configuration.md`."""
    parts = [_HEAD]
    for table in tables():
        parts.append(f'\n## `{table.header}`\n\n{table.description}\n')
        parts += [_entry(option) for option in options() if option.path[:-1] == table.path]
    return ''.join(parts)


def range_text(option: Option) -> str:
    """`at least 1, at most 1800`, in the words of the type."""
    bounds, write = option.bounds, option.kind.write
    named = (('at least', bounds.least), ('at most', bounds.most), ('more than', bounds.over))
    return ', '.join(f'{words} {write(bound)}' for words, bound in named if bound is not None)


def _entry(option: Option) -> str:
    kind = 'one of ' + ', '.join(f'`{choice}`' for choice in option.choices) if option.choices else option.kind.name
    facts = [kind, *filter(None, [range_text(option)])]
    facts.append('required' if option.required else _default(option))
    facts.append(f'example `{toml_value(option.example)}`')
    lines = [f'\n### `{option.key}`\n\n{option.description}\n\n- {"; ".join(facts)}']
    named = [f'`{flag.name}`' for flag in option.flags]
    flat = [f'`{flag.environment_name}`' for flag in option.flags if flag.name != 'APP']
    if named:
        lines.append(f'- flag: {", ".join(named)}')
    lines.append(f'- variable: {", ".join([*flat, f"`{option.variable}`"])}')
    return '\n'.join(lines) + '\n'


def _default(option: Option) -> str:
    if option.path == ('apps', '[]', 'name'):
        return 'default: made from the target'
    return 'not set by default' if option.default is None else f'default `{toml_value(option.default)}`'
