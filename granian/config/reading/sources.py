"""Where values come from. Each reader gives documents of one source; `PRECEDENCE` is the one list that ranks them."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomli

from granian.config.faults import Fault
from granian.config.options import ITEM, is_table_list, option_at, options, table_at, tables
from granian.config.reading.env_files import read_env_file
from granian.config.reading.files import FileSource, read_files
from granian.config.reading.positions import NESTING_MAX, TOO_DEEP, Place, Spot
from granian.config.reading.positions import Path as KeyPath
from granian.config.reading.tree import ROOT, Node, Origin, from_plain, gather, key_text, nested
from granian.config.types.checks import nearest
from granian.config.types.fields import word_of_switch
from granian.config.types.values import index_of, is_deeper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from granian.config.types.fields import Flag

PREFIX = 'GRANIAN_'
# They say where to read; they are no options.
CONFIG_VARIABLE, SECRETS_VARIABLE = 'GRANIAN_CONFIG', 'GRANIAN_SECRETS_DIR'
# What Kubernetes sets in every pod for a service named granian or granian-metrics (service links); their GRANIAN_PORT and
# GRANIAN_METRICS_PORT are refused where they are read.
_SERVICE_LINKS = re.compile(
    r'GRANIAN_(METRICS_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)',
    re.ASCII,
)
_NOT_IN_ENV_FILES = (CONFIG_VARIABLE, SECRETS_VARIABLE, 'GRANIAN_ENV_FILES', 'GRANIAN_SERVER__ENV_FILES')


@dataclass(frozen=True, slots=True)
class Situation:
    """What a start was given."""

    files: Sequence[Path]
    flags: Mapping[str, object]
    environ: Mapping[str, str]
    cwd: Path
    # Where the flags are the arguments of a call: what it names them. Only what it names is read then, no file besides.
    argument_names: Mapping[str, str] | None = None
    # Found before the others are merged, since any of the others may name them.
    env_files: Sequence[tuple[Path, str]] = ()


@dataclass(slots=True)
class Layer:
    """One source's document. `parts`: by address, a host, port or socket path given by itself, to complete it.

    `every`: by section and key, what all items of a list are given.
    """

    root: Node = ROOT
    parts: dict[KeyPath, dict[str, Node]] = field(default_factory=dict)
    every: dict[tuple[str, str], Node] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Named:
    """What a variable or flag stands for."""

    path: KeyPath
    flag: Flag | None = None


def read_environment(situation: Situation, faults: list[Fault]) -> list[Layer]:
    origins = {name: Origin('variable', name) for name in situation.environ}
    return [_variables(situation.environ, origins, situation.cwd, faults)]


def read_env_files(situation: Situation, faults: list[Fault]) -> list[Layer]:
    """The first file that has a name wins, as upstream's loading without override does: so it is merged last."""
    layers = []
    for path, shown in reversed(situation.env_files):
        entries = read_env_file(path, shown, faults)
        values = {entry.name: entry.value for entry in entries}
        spots = {entry.name: Place(Spot(entry.line, 1), Spot(entry.line, 1)) for entry in entries}
        origins = {name: Origin('env file', name, spots[name], shown) for name in values}
        forbidden = [name for name in _NOT_IN_ENV_FILES if values.pop(name, None) is not None]
        faults += [
            origins[name].fault('', 'cannot be set in an env file; set it in the environment') for name in forbidden
        ]
        layers.append(_variables(values, origins, situation.cwd, faults))
    return layers


def read_secrets(situation: Situation, faults: list[Fault]) -> list[Layer]:
    """One file per key, named as the variable, in capitals or not. Files of other names belong to somebody else."""
    directories = [part for part in situation.environ.get(SECRETS_VARIABLE, '').split(os.pathsep) if part]
    layers = []
    for directory in (situation.cwd / part for part in directories):
        if not directory.is_dir():
            where = f'environment {SECRETS_VARIABLE}'
            faults.append(Fault(where, '', f"'{directory}' is not a directory", SECRETS_VARIABLE, 'variable'))
            continue
        values, origins = {}, {}
        for path in sorted(directory.iterdir()):
            if path.name.upper().startswith(PREFIX) and path.is_file():
                origins[path.name.upper()] = origin = Origin('secret', str(path))
                try:
                    values[path.name.upper()] = path.read_text('utf-8').strip()
                except (OSError, UnicodeDecodeError) as exc:
                    faults.append(origin.fault('', f'cannot be read: {getattr(exc, "strerror", None) or "not UTF-8"}'))
        layers.append(_variables(values, origins, situation.cwd, faults))
    return layers


def read_config_files(situation: Situation, faults: list[Fault]) -> list[Layer]:
    return [Layer(root) for root in read_files(file_sources(situation), situation.cwd, faults)]


def file_sources(situation: Situation) -> list[FileSource]:
    """The named files, else those of GRANIAN_CONFIG, else `./granian.toml`, else `./pyproject.toml` if it has a table."""
    if situation.argument_names is not None:
        return []
    if situation.files:
        return [FileSource(Path(path), 'flag -c', 'flag') for path in situation.files]
    named = [part for part in situation.environ.get(CONFIG_VARIABLE, '').split(os.pathsep) if part]
    if named:
        return [FileSource(Path(part), f'environment {CONFIG_VARIABLE}', 'variable') for part in named]
    if (situation.cwd / 'granian.toml').is_file():
        return [FileSource(Path('granian.toml'))]
    if (situation.cwd / 'pyproject.toml').is_file():
        return [FileSource(Path('pyproject.toml'), optional=True)]
    return []


def label_of(situation: Situation) -> str:
    """The files as absolute paths, or the directory where there is none."""
    paths = [situation.cwd / source.path for source in file_sources(situation)] or [situation.cwd]
    return os.pathsep.join(os.path.normpath(path) for path in paths)


def read_flags(situation: Situation, faults: list[Fault]) -> list[Layer]:
    layer, seen = Layer(), _Seen(faults)
    known = _flags()
    for name, value in situation.flags.items():
        if name == '--set':
            continue
        origin = _flag_origin(name, value, situation.argument_names)
        for named, part in _spread(known[name], value, origin, seen):
            _put(layer, named, _flag_leaf(named.flag, part, origin, situation.cwd), seen)
    settings = situation.flags.get('--set', ())
    for setting in settings if isinstance(settings, (list, tuple)) else [settings]:
        _read_setting(str(setting), layer, situation.cwd, seen)
    return [layer]


def _flag_origin(name: str, value: object, argument_names: Mapping[str, str] | None) -> Origin:
    if argument_names is not None:
        return Origin('argument', argument_names[name])
    if name == 'APP':
        return Origin('argument', name)
    return Origin('flag', f'--no-{name[2:]}' if value is False else name)


# The one list. A later source wins over an earlier one, key by key; below them all are the defaults of the model.
PRECEDENCE: tuple[Callable[[Situation, list[Fault]], list[Layer]], ...] = (
    read_config_files,
    read_secrets,
    read_env_files,
    read_environment,
    read_flags,
)


@dataclass(slots=True)
class _Seen:
    """Refuses two names of one source for one key: which of them wins would be a guess."""

    faults: list[Fault]
    by_key: dict[tuple[KeyPath, str], Origin] = field(default_factory=dict)
    # By section, the names that give each of its items something: how many values.
    counts: dict[str | int, dict[Origin, int]] = field(default_factory=dict)

    def count(self, named: Named, origin: Origin, values: int) -> None:
        """Refuse names that belong together and have different numbers of values."""
        counts = self.counts.setdefault(named.path[0], {})
        for other, count in counts.items():
            if count != values:
                fault = f'{values} of these and {count} of {other.name}; give as many of each'
                self.faults.append(origin.fault(str(named.path[0]), fault))
        counts[origin] = values

    def clash(self, named: Named, origin: Origin) -> bool:
        part = named.flag.part if named.flag else ''
        earlier = next(
            (
                seen
                for (path, other), seen in self.by_key.items()
                if path == named.path and (other == part or not (other and part))
            ),
            None,
        )
        self.by_key[named.path, part] = origin
        if earlier is None:
            return False
        self.faults.append(origin.fault(key_text(named.path), f'is set by {earlier.where()} too; keep one of them'))
        return True


def _spread(named: Named, value: object, origin: Origin, seen: _Seen) -> list[tuple[Named, object]]:
    """Values of which the n-th is for the n-th section, each with its own name."""
    if named.flag is None or not named.flag.each:
        return [(named, value)]
    values = value if isinstance(value, (list, tuple)) else [value]
    seen.count(named, origin, len(values))
    head, _, *rest = named.path
    return [(Named((head, index, *rest), named.flag), part) for index, part in enumerate(values)]


def _put(layer: Layer, named: Named, leaf: Node, seen: _Seen) -> None:
    if seen.clash(named, leaf.origin):
        return
    if named.flag is not None and named.flag.part:
        layer.parts.setdefault(named.path, {})[named.flag.part] = leaf
    elif named.flag is not None and named.flag.every:
        layer.every[str(named.path[0]), str(named.path[-1])] = leaf
    else:
        layer.root = gather(layer.root, nested(named.path, leaf), seen.faults)


def _first(path: tuple[str, ...]) -> KeyPath:
    """The flat names speak of the first listener and the first application."""
    return tuple(0 if part == ITEM else part for part in path)


def _flags() -> dict[str, Named]:
    return {flag.name: Named(_first(option.path), flag) for option in options() for flag in option.flags}


def _flat_variables() -> dict[str, Named]:
    return {
        named.flag.environment_name: named for named in _flags().values() if named.flag and named.flag.name != 'APP'
    }


def known_variables() -> list[str]:
    """Every name that means something, for suggestions."""
    sections = {PREFIX + table.path[0].upper() for table in tables()}
    nested_names = [option.variable for option in options()]
    return [*_flat_variables(), *nested_names, *sorted(sections), CONFIG_VARIABLE, SECRETS_VARIABLE]


def _variables(values: Mapping[str, str], origins: Mapping[str, Origin], cwd: Path, faults: list[Fault]) -> Layer:
    """What variables say. An empty one counts as not set, as upstream has it."""
    layer, seen, flat = Layer(), _Seen(faults), _flat_variables()
    ours = sorted(
        (name for name in values if name.startswith(PREFIX) and values[name]), key=lambda name: (name.count('__'), name)
    )
    for name in ours:
        if name in {CONFIG_VARIABLE, SECRETS_VARIABLE} or _is_service_link(name, origins[name]):
            continue
        if (named := flat.get(name) or _nested_name(name)) is None:
            faults.append(origins[name].fault('', _unknown_variable(name)))
            continue
        value = _split(named.flag.split if named.flag else '', values[name])
        for one, part in _spread(named, value, origins[name], seen):
            leaf = _variable_leaf(one, str(part), origins[name], cwd, faults)
            if leaf is not None:
                _put(layer, one, leaf, seen)
    return layer


def _is_service_link(name: str, origin: Origin) -> bool:
    return origin.kind == 'variable' and _SERVICE_LINKS.fullmatch(name) is not None


def _nested_name(name: str) -> Named | None:
    parts = name.removeprefix(PREFIX).lower().split('__')
    if not all(parts) or parts[0].isdigit() or len(parts) > NESTING_MAX:
        return None
    path = _key_path(parts)
    is_section = table_at(path) is not None or is_table_list(path)
    return Named(path) if len(path) > 1 or is_section else None


def _unknown_variable(name: str) -> str:
    if name == 'GRANIAN_APP':
        return 'does not name the application; give it as the argument APP, or set GRANIAN_APPS__0__TARGET'
    near = nearest(name.removeprefix(PREFIX), [known.removeprefix(PREFIX) for known in known_variables()])
    return f'unknown variable; did you mean {PREFIX}{near}?' if near else 'unknown variable'


def _variable_leaf(named: Named, text: str, origin: Origin, cwd: Path, faults: list[Fault]) -> Node | None:
    option = option_at(named.path)
    if option is None and (table_at(named.path) or is_table_list(named.path)):
        return _json_leaf(named, text, origin, cwd, faults)
    if option is not None and option.kind.split:
        if text.startswith('[') or option.kind.split == 'table':
            return _json_leaf(named, text, origin, cwd, faults)
        return from_plain(_split(option.kind.split, text), origin, cwd, loose=True)
    return _flag_leaf(named.flag, text, origin, cwd)


def _split(how: str, text: str) -> str | list[str]:
    """The parts of a variable's text that stands for several values, as upstream has them apart."""
    if not how:
        return text
    return [part for part in (text.split(os.pathsep) if how == 'paths' else text.split()) if part]


def _json_leaf(named: Named, text: str, origin: Origin, cwd: Path, faults: list[Fault]) -> Node | None:
    try:
        value = json.loads(text)
        wrong = TOO_DEEP if is_deeper(value, NESTING_MAX) else ''
    except json.JSONDecodeError as exc:
        wrong = f'column {exc.colno}: {exc.msg}'
    except RecursionError:
        wrong = TOO_DEEP
    except ValueError:
        wrong = 'a number of too many digits'
    if not wrong:
        return from_plain(value, origin, cwd)
    message = f'a section or a list is given as JSON, and this is not: {wrong}'
    faults.append(origin.fault(key_text(named.path), message))
    return None


def _flag_leaf(flag: Flag | None, value: object, origin: Origin, cwd: Path) -> Node:
    """A value by a short name. Bare numbers of upstream's options may have a unit of their own."""
    if flag is not None and flag.words is not None:
        value = word_of_switch(flag.words, value)
    if flag is not None and str(value).isascii() and str(value).isdigit():
        unit = 'ms' if flag.milliseconds else 'MiB' if flag.mebibytes else ''
        value = f'{value}{unit}' if unit else value
    return from_plain(value, origin, cwd, loose=True)


def _read_setting(setting: str, layer: Layer, cwd: Path, seen: _Seen) -> None:
    key, equals, text = setting.partition('=')
    origin = Origin('flag', f'--set {key}')
    path = _setting_path(key.strip())
    if not equals or not path:
        message = f"'{setting}' is not key=value; write it like --set http1.keep_alive=false"
        seen.faults.append(Origin('flag', '--set').fault('', message))
        return
    _put(layer, Named(path), from_plain(_setting_value(text.strip()), origin, cwd, loose=True), seen)


def _setting_path(key: str) -> KeyPath:
    """`listeners[0].bind` and `listeners.0.bind` alike."""
    parts = key.replace('[', '.').replace(']', '').split('.')
    return () if not all(parts) or parts[0].isdigit() or len(parts) > NESTING_MAX else _key_path(parts)


def _key_path(parts: Sequence[str]) -> KeyPath:
    return tuple(part if (index := index_of(part)) is None else index for part in parts)


def _setting_value(text: str) -> Any:
    """TOML, as in a file; JSON, as in a variable; else it is text. Nothing that nests too deeply is either."""
    value = _toml_value(text)
    if value is None and text[:1] in {'[', '{'}:
        value = _json_value(text)
    return text if value is None or is_deeper(value, NESTING_MAX) else value


def _json_value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _toml_value(text: str) -> Any:
    try:
        value = tomli.loads(f'value = {text}')
    except (ValueError, RecursionError):
        return None
    # A date, or more than one line: nothing here is that, so it is text.
    plain = len(value) == 1 and isinstance(value['value'], (str, bool, int, float, list, dict))
    return value['value'] if plain else None
