"""Write what is made from the model: the schema and the reference pages. `python -m granian.cli.artefacts [ROOT]`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from granian.cli.commands import root
from granian.cli.flags import default_of, metavar_of
from granian.config.options import options
from granian.config.writing.reference import configuration_page, range_text
from granian.config.writing.schema import schema_text

_HEAD = """\
# Command line

Made from the model by `python -m granian.cli.artefacts`; do not edit. Every flag here works on `granian APP …`,
`granian serve`, `granian check` and `granian config show` alike. An empty variable counts as not set.

| command | does |
| --- | --- |
| `granian [OPTIONS] [APP]` | what `granian serve` does |
"""
_TAIL = """
## For every key

`-c FILE`, `--config FILE`: a configuration file; may be repeated, a later one wins. `--set KEY=VALUE`: any key of the document, the
value read as TOML, or JSON, else as text: `--set http1.keep_alive=false`, `--set listeners[0].backlog=2048`.

## Exit status

0 after a clean stop, also one that came before the server was there · 1 for a server that could not start or that failed · 2 for a faulty
configuration or command line · 130 or 143 for `check` and the other commands, when SIGINT or SIGTERM ended them.

## Completion in a shell

`eval "$(_GRANIAN_COMPLETE=bash_source granian)"`; `zsh_source` and `fish_source` likewise.
"""


def artefacts() -> dict[str, str]:
    """The text of every generated file, by its path from the root of the repository."""
    return {
        'schemas/granian.schema.json': schema_text(),
        'docs/reference/configuration.md': configuration_page(),
        'docs/reference/command-line.md': command_line_page(),
    }


def command_line_page() -> str:
    return _HEAD + _command_rows(root, 'granian') + _topics() + _TAIL


def _command_rows(group: click.Group, prefix: str) -> str:
    rows = ''
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            rows += _command_rows(command, f'{prefix} {name}')
        else:
            rows += f'| `{prefix} {name}` | {command.help} |\n'
    return rows


def _topics() -> str:
    text, topic = '', ''
    for option in options():
        for flag in option.flags:
            if option.topic != topic:
                topic = option.topic
                text += f'\n## {topic}\n\n| flag | variable | key | default | does |\n| --- | --- | --- | --- | --- |\n'
            name = f'{flag.name}`, `--no-{flag.name[2:]}' if option.is_switch(flag) else flag.name
            metavar = (
                ''
                if option.is_switch(flag) or flag.name == 'APP'
                else ' ' + metavar_of(option, flag).replace('|', '\\|')
            )
            variable = '' if flag.name == 'APP' else f'`{flag.environment_name}`'
            bounds = f' ({range_text(option)})' if range_text(option) else ''
            default = f'`{default_of(option, flag)}`' if default_of(option, flag) else ''
            text += f'| `{name}{metavar}` | {variable} | `{option.key}` | {default} | {flag.help}{bounds} |\n'
    return text


def main() -> None:
    base = Path(sys.argv[1] if len(sys.argv) > 1 else '.')
    for name, text in artefacts().items():
        path = base / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
