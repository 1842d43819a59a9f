"""The commands. Each loads the configuration, calls downward, and turns what comes back into an exit status."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from granian import __version__
from granian.cli import not_written
from granian.cli.flags import TopicOption, given_files, given_flags, parameters, topics
from granian.config.faults import ConfigurationFaults, printable
from granian.config.loading import load
from granian.config.options import document_of
from granian.config.reading.tree import key_text
from granian.config.writing.toml_writer import json_text, toml_text
from granian.errors import ConfigurationError, FatalError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from granian.config.loading import Loaded
    from granian.config.reading.positions import Path as KeyPath
    from granian.process.reading import Reading

# Wide enough for the long names of upstream's options.
_WIDE = {'max_content_width': 110}
# What writing to standard output may come to. (click deals with EPIPE.)
UNWRITABLE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
_VERSION = click.version_option(__version__, message='granian %(version)s')


class ConfiguredCommand(click.Command):
    """A command that takes APP and every flag of the model; its --help is grouped by topic."""

    def __init__(
        self, name: str, callback: Callable[..., Any], text: str, extra: tuple[click.Option, ...] = ()
    ) -> None:
        params = [*parameters(), *extra]
        super().__init__(name, params=params, callback=callback, help=text, context_settings=_WIDE)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return _parsed(super().parse_args, ctx, args)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        _write_topics(self, ctx, formatter)


def _parsed(parse: Callable[[click.Context, list[str]], list[str]], ctx: click.Context, args: list[str]) -> list[str]:
    """Parse; what is wrong is said so that a terminal can print it."""
    try:
        return parse(ctx, args)
    except click.UsageError as exc:
        raise click.UsageError(printable(exc.format_message()), exc.ctx or ctx) from None


def _write_topics(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    by_topic: dict[str, list[tuple[str, str]]] = {topic: [] for topic in topics()}
    for param in command.get_params(ctx):
        record = param.get_help_record(ctx)
        if record is not None and isinstance(param, click.Option):
            by_topic.setdefault(param.topic if isinstance(param, TopicOption) else 'Other', []).append(record)
    for topic, records in by_topic.items():
        if records:
            with formatter.section(topic):
                formatter.write_dl(records)


class Root(click.Group):
    """A first word that is a command is one; everything else is upstream's `granian [OPTIONS] APP`."""

    def main(self, *args: Any, **extra: Any) -> Any:
        try:
            return super().main(*args, **extra)
        except OSError as exc:
            if exc.errno not in UNWRITABLE or exc.filename is not None:
                raise
            sys.exit(not_written(exc))

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] in self.commands:
            ctx.args = args
            return args
        ctx.allow_interspersed_args = True
        return _parsed(lambda inner, rest: click.Command.parse_args(self, inner, rest), ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        if not ctx.args:
            return click.Command.invoke(self, ctx)
        # The group's own callback is the upstream form: it is not run before a command, as a group's would be.
        name, command, args = self.resolve_command(ctx, ctx.args)
        if command is None:
            raise click.UsageError(f'{ctx.args[0]} is not a command', ctx)
        # No parent: the usage line would name the parent's arguments.
        with command.make_context(f'{ctx.info_name} {name}', args, obj=ctx.obj) as inner:
            return command.invoke(inner)

    def format_usage(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_usage('granian', '[OPTIONS] [APP]')
        formatter.write_usage('granian', 'COMMAND …', prefix='   or: ')

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        self.format_commands(ctx, formatter)
        _write_topics(self, ctx, formatter)


def _finish(ctx: click.Context, action: Callable[[], int]) -> None:
    """Run it and exit with its status."""
    ctx.exit(_status_of(action))


def _status_of(action: Callable[[], int]) -> int:
    """2 for a faulty configuration, 1 for a server that could not start or failed."""
    try:
        return action()
    except ConfigurationError as exc:
        click.echo('\n'.join(map(printable, str(exc).split('\n'))), err=True)
        return 2
    except FatalError as exc:
        click.echo(printable(' '.join(str(exc).split())) or type(exc).__name__, err=True)
        return 1


def _loaded(ctx: click.Context, *, needs_app: bool) -> Loaded:
    return load(files=given_files(ctx), flags=given_flags(ctx), environ=os.environ, cwd=Path.cwd(), needs_app=needs_app)


@click.pass_context
def _serve(ctx: click.Context, /, **_params: Any) -> None:
    read = partial(_loaded, ctx, needs_app=True)
    if ctx.obj is not None:
        # Somebody else serves, and only asks what there is to be read.
        ctx.obj.append(read)
        return

    def action() -> int:
        loaded = read()
        from granian.process.main import serve
        from granian.process.reloading.rereading import Source

        with _placed_by(loaded):
            return serve(loaded.config, Source(lambda: read().config, loaded.label, loaded.files))

    _finish(ctx, action)


@contextmanager
def _placed_by(loaded: Loaded) -> Iterator[None]:
    """What turns out to be wrong with a key is told with the place of that."""
    try:
        yield
    except ConfigurationFaults:
        raise
    except ConfigurationError as exc:
        key, _, message = str(exc).partition(': ')
        raise ConfigurationFaults([loaded.origin(key).fault(key, message)]) from exc


def reader(arguments: Sequence[str]) -> Callable[[], Loaded]:
    """What reads the configuration that `granian ARGUMENTS` serves. Raises ConfigurationError for arguments that are wrong."""
    found: list[Callable[[], Loaded]] = []
    try:
        root.main(list(arguments), prog_name='granian', standalone_mode=False, obj=found)
    except click.ClickException as exc:
        raise ConfigurationError(exc.format_message()) from exc
    return found[0]


def hand_over_reading(arguments: Sequence[str], hand_over: Callable[[Reading], object]) -> int:
    """Read what `granian ARGUMENTS` serves; the exit status, where that is not for somebody else to find."""
    found: list[Callable[[], Loaded]] = []
    try:
        root.main(list(arguments), prog_name='granian', obj=found)
    except SystemExit as exc:
        if not found:
            # Help was shown, or an argument is wrong.
            return exc.code if isinstance(exc.code, int) else int(exc.code is not None)

    def action() -> int:
        loaded = found[0]()
        from granian.process.plan import planning
        from granian.process.privileges import Umask
        from granian.process.reading import Reading

        # Before the first file is made, which may be a log.
        Umask().set(loaded.config.server.umask)
        with _placed_by(loaded):
            plan = planning.plan_of(loaded.config)
        hand_over(Reading(plan, list(planning.oddities(loaded.config)), loaded.label, loaded.files))
        return 0

    return _status_of(action)


def explain(error: FatalError, arguments: Sequence[str]) -> int:
    """Say why what `granian ARGUMENTS` serves could not start or go on; the exit status."""

    def action() -> int:
        if not isinstance(error, ConfigurationError):
            raise error
        # Where what is wrong was set is only known to who reads.
        with _placed_by(reader(arguments)()):
            raise error

    return _status_of(action)


@click.pass_context
def _check(ctx: click.Context, /, **_params: Any) -> None:
    def action() -> int:
        loaded = _loaded(ctx, needs_app=True)
        from granian.process.plan import holdings
        from granian.process.plan.check import check, warnings

        # A server that runs already may be about to read it. Where there is no fork there is no such thing.
        held = holdings.asked(_control_path(loaded)) if hasattr(os, 'fork') else holdings.NOTHING
        problems = check(loaded.config, held=held)
        for problem in problems:
            click.echo(printable(_placed(problem, loaded)), err=True)
        if not problems:
            for warning in warnings(loaded.config):
                click.echo(printable(f'warning: {warning}'), err=True)
            click.echo('the configuration has no faults')
        return 2 if problems else 0

    _finish(ctx, action)


def _placed(problem: str, loaded: Loaded) -> str:
    """`apps[0].target: …` with the place where that key was set before it."""
    where = loaded.origin(problem.partition(': ')[0]).where()
    return f'{where}: {problem}' if where else problem


@click.pass_context
def _show(ctx: click.Context, /, *, origin: bool, format_: str, **_params: Any) -> None:
    def action() -> int:
        loaded = _loaded(ctx, needs_app=False)
        click.echo(
            _shown_json(loaded, origin=origin) if format_ == 'json' else _shown_toml(loaded, origin=origin), nl=False
        )
        return 0

    _finish(ctx, action)


def _shown_toml(loaded: Loaded, *, origin: bool) -> str:
    def comment(path: KeyPath) -> str:
        return printable(str(loaded.origin(key_text(path)))) if origin else ''

    return toml_text(document_of(loaded.config), comment)


def _shown_json(loaded: Loaded, *, origin: bool) -> str:
    document = document_of(loaded.config)
    shown = _with_origins(document, (), loaded) if origin else document
    return json_text(shown, indent=2) + '\n'


def _with_origins(value: Any, path: KeyPath, loaded: Loaded) -> Any:
    """Each value as {"value": …, "origin": …}."""
    if isinstance(value, dict):
        return {key: _with_origins(item, (*path, key), loaded) for key, item in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return [_with_origins(item, (*path, index), loaded) for index, item in enumerate(value)]
    return {'value': value, 'origin': str(loaded.origin(key_text(path)))}


@click.command('schema')
def _schema() -> None:
    """Print the JSON Schema of the configuration file."""
    from granian.config.writing.schema import schema_text

    click.echo(schema_text(), nl=False)


@click.command('init')
@click.argument('path', default='granian.toml', type=click.Path(path_type=Path))
@click.pass_context
def _init(ctx: click.Context, path: Path) -> None:
    """Write a commented starter file to PATH; an existing file stays as it is."""
    from granian.config.writing.starter import starter_text

    def action() -> int:
        try:
            with path.open('x', encoding='utf-8') as file:
                file.write(starter_text())
        except FileExistsError:
            raise FatalError(f'{path} is there already; nothing was written') from None
        except OSError as exc:
            raise FatalError(f'{path} cannot be written: {(exc.strerror or str(exc)).lower()}') from None
        click.echo(printable(f'wrote {path}; serve it with: granian serve -c {path}'))
        return 0

    _finish(ctx, action)


def _control_path(loaded: Loaded) -> Path:
    from granian.process import control

    server = loaded.config.server
    return control.path_of(server.control, server.pid_file, loaded.label)


def _asking(command: str) -> Callable[..., None]:
    """A command that the running server of the configuration carries out."""

    @click.pass_context
    def ask(ctx: click.Context, /, **_params: Any) -> None:
        def action() -> int:
            loaded = _loaded(ctx, needs_app=False)
            from granian.process import control

            status, message = control.ask(_control_path(loaded), command)
            click.echo('\n'.join(map(printable, message.split('\n'))), err=status != 0)
            return status

        _finish(ctx, action)

    return ask


_SHOW_OPTIONS = (
    click.Option(['--origin'], is_flag=True, help='Say where each value came from.'),
    click.Option(
        ['--format', 'format_'], type=click.Choice(['toml', 'json']), default='toml', help='Format. [default: toml]'
    ),
)
_SERVE_HELP = 'Serve APP, or the application of the configuration file.'


def _root() -> Root:
    config = click.Group('config', help='Look at the configuration.')
    config.add_command(
        ConfiguredCommand('show', _show, 'Print the effective configuration, secrets masked.', extra=_SHOW_OPTIONS)
    )
    root = Root(
        'granian',
        params=parameters(),
        callback=_serve,
        invoke_without_command=True,
        help=_SERVE_HELP,
        context_settings=_WIDE,
    )
    root.add_command(ConfiguredCommand('serve', _serve, _SERVE_HELP))
    root.add_command(ConfiguredCommand('check', _check, 'Try everything that serving needs, and start nothing.'))
    root.add_command(
        ConfiguredCommand('reload', _asking('reload'), 'Have the running server read its configuration anew.')
    )
    root.add_command(
        ConfiguredCommand(
            'upgrade', _asking('upgrade'), 'Have the running server replaced by the version that is installed.'
        )
    )
    root.add_command(ConfiguredCommand('status', _asking('status'), 'Say what the running server and its workers do.'))
    for command in (config, _schema, _init):
        root.add_command(command)
    return _VERSION(root)


root = _root()
