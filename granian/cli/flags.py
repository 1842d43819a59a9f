"""The model's options as click parameters. They carry text: reading it is the configuration's, so that all faults agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from granian.config.options import TOPICS, Option, options
from granian.config.types.values import duration_s
from granian.config.writing.reference import range_text

if TYPE_CHECKING:
    from granian.config.types.fields import Flag

    _ParamType = click.ParamType[Any]
else:
    # Generic for the type checker; not so at run time in every release of click.
    _ParamType = click.ParamType

_GENERAL = 'Configuration'
_FILE_METAVARS = {'FILE': 'file', 'PATH': 'file', 'DIRECTORY': 'dir'}


class Duration(_ParamType):
    """Seconds, or `1d2h3m4s`, within bounds: a click type for other people's command lines, as upstream exports it."""

    name = 'duration'

    def __init__(self, min_seconds: float | None = None, max_seconds: float | None = None) -> None:
        self.min_seconds = min_seconds
        self.max_seconds = max_seconds

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = duration_s(value)
        except ValueError:
            self.fail(f'{value!r} is not a valid duration', param, ctx)
        if self.min_seconds is not None and seconds < self.min_seconds:
            bound = f'the minimum allowed value of {self.min_seconds} seconds'
            self.fail(f'{value!r} is less than {bound}', param, ctx)
        if self.max_seconds is not None and seconds > self.max_seconds:
            bound = f'the maximum allowed value of {self.max_seconds} seconds'
            self.fail(f'{value!r} is greater than {bound}', param, ctx)
        return int(seconds) if seconds.is_integer() else seconds


class _Passed(_ParamType):
    """Text as it came; knows what a shell may complete."""

    name = 'text'

    def __init__(self, metavar: str, choices: tuple[str, ...]) -> None:
        self.metavar = metavar
        self.choices = choices

    def shell_complete(self, _ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        if self.metavar in _FILE_METAVARS:
            return [CompletionItem(incomplete, type=_FILE_METAVARS[self.metavar])]
        return [CompletionItem(choice) for choice in self.choices if choice.startswith(incomplete.lower())]


class TopicOption(click.Option):
    """An option with the heading under which --help lists it, and the name by which the configuration knows it."""

    def __init__(self, *args: Any, topic: str, flag: str = '', **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.topic = topic
        self.flag = flag


def _commands(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Where APP stands first, a command may stand too."""
    commands = ctx.command.commands if isinstance(ctx.command, click.Group) else {}
    return [
        CompletionItem(name, help=command.help) for name, command in commands.items() if name.startswith(incomplete)
    ]


def parameters() -> list[click.Parameter]:
    """APP, -c, --set, and a flag for every option of the model that has one."""
    found: list[click.Parameter] = [
        click.Argument(['app'], required=False, metavar='[APP]', shell_complete=_commands),
        TopicOption(
            ['-c', '--config', 'files'],
            topic=_GENERAL,
            multiple=True,
            metavar='FILE',
            type=_Passed('FILE', ()),
            help='Configuration file; may be repeated, a later one wins. [default: granian.toml, pyproject.toml]',
        ),
        TopicOption(
            ['--set', 'settings'],
            topic=_GENERAL,
            multiple=True,
            metavar='KEY=VALUE',
            type=_Passed('', ()),
            help='Set any key, like http1.keep_alive=false; may be repeated.',
        ),
    ]
    return found + [_parameter(option, flag) for option in options() for flag in option.flags if flag.name != 'APP']


def _parameter(option: Option, flag: Flag) -> TopicOption:
    name = flag.name.removeprefix('--')
    if option.is_switch(flag):
        declared, extra = f'--{name}/--no-{name}', {}
    else:
        metavar = metavar_of(option, flag)
        declared, extra = flag.name, {'metavar': metavar, 'type': _Passed(metavar, option.choices)}
    return TopicOption(
        [declared, name.replace('-', '_')],
        topic=option.topic,
        flag=flag.name,
        default=None,
        multiple=bool(option.kind.split) or flag.each,
        help=f'{flag.help}. {facts(option, flag)}'.rstrip(),
        **extra,
    )


def metavar_of(option: Option, flag: Flag) -> str:
    part_metavars = {'host': 'TEXT', 'port': 'INTEGER', 'uds': 'PATH'}
    if flag.part:
        return part_metavars[flag.part]
    if flag.mebibytes:
        return 'MEBIBYTES'
    return 'MILLISECONDS' if flag.milliseconds else option.kind.metavar


def facts(option: Option, flag: Flag) -> str:
    """`[default: 1; at least 1; GRANIAN_WORKERS]`."""
    default = default_of(option, flag)
    said = [f'default: {default}'] if default else []
    if flag.milliseconds:
        said.append(f'{bound(option.bounds.least)} to {bound(option.bounds.most)}')
    elif range_text(option):
        said.append(range_text(option))
    return f'[{"; ".join([*said, flag.environment_name])}]'


def bound(seconds: float | None) -> int:
    return round((seconds or 0) * 1000)


def default_of(option: Option, flag: Flag) -> str:
    """The default as the flag would be given."""
    if option.default in {None, ''} if not isinstance(option.default, list) else not option.default:
        return ''
    if flag.part:
        host, _, port = str(option.default).rpartition(':')
        return {'host': host, 'port': port, 'uds': ''}[flag.part]
    if option.is_switch(flag):
        on = option.default if flag.words is None else option.default == flag.words[0]
        return 'enabled' if on else 'disabled'
    return str(bound(duration_s(option.default))) if flag.milliseconds else str(option.default)


def topics() -> list[str]:
    """The headings of --help, in their order."""
    return [_GENERAL, *dict.fromkeys(TOPICS.values())]


def given_flags(ctx: click.Context) -> dict[str, object]:
    """What the command line said, by the names that the configuration knows."""
    given: dict[str, object] = {
        param.flag: ctx.params[param.name]
        for param in ctx.command.params
        if isinstance(param, TopicOption) and param.flag and param.name and ctx.params[param.name] not in {None, ()}
    }
    if ctx.params['app'] is not None:
        given['APP'] = ctx.params['app']
    if ctx.params['settings']:
        given['--set'] = ctx.params['settings']
    return given


def given_files(ctx: click.Context) -> tuple[Path, ...]:
    return tuple(Path(file) for file in ctx.params['files'])
