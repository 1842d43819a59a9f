"""All sources → one frozen Config, or every fault at once."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from granian.config.faults import ConfigurationFaults, Fault
from granian.config.leniency import items_of, leniently
from granian.config.model import Config
from granian.config.options import default_bind, option_at, table_at
from granian.config.reading.settings import reading
from granian.config.reading.sources import PRECEDENCE, Layer, Situation, file_sources, label_of, read_env_files
from granian.config.reading.tree import ROOT, Node, Origin, find, key_text, leaves, merge, nested, plain
from granian.config.rules import Breach, broken_rules
from granian.config.types.bind import LISTENER_FLAGS, METRICS_FLAGS, Bind, parse_bind, tcp_bind
from granian.config.types.values import Given
from granian.config.wording import is_echo, nearest_key, words_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from granian.config.reading.positions import Path as KeyPath
    from granian.config.types.bind import AddressFlags

# Addresses that are given in parts, and by which flags.
_BINDS: Mapping[KeyPath, AddressFlags] = {('listeners', 0, 'bind'): LISTENER_FLAGS, ('metrics', 'bind'): METRICS_FLAGS}
_SOURCE_ORDER = {'file': 0, 'variable': 1, 'flag': 2, 'argument': 2}
NO_APP = 'no application to serve; name one as the argument APP, or in a table [[apps]] with target = "module:app"'


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration, and for every key that somebody set where that was."""

    config: Config
    origins: Mapping[str, Origin]
    # Its files, or where there is none the directory: what tells it from other configurations of this machine.
    label: str = ''
    # The configuration files that were read.
    files: tuple[Path, ...] = ()

    def origin(self, key: str) -> Origin:
        """Where the value of `listeners[0].bind` came from."""
        # A list has that of its first value: one source gives all of it.
        return self.origins.get(key) or self.origins.get(f'{key}[0]') or Origin('default')


def load(
    *,
    files: Sequence[Path] = (),
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    cwd: Path,
    needs_app: bool = False,
    argument_names: Mapping[str, str] | None = None,
) -> Loaded:
    """Read every source and validate; ConfigurationFaults holds all that is wrong. `flags` by name: `--workers`, `APP`, `--set`.

    `argument_names`: the flags are the arguments of a call, and this is what it names them.
    """
    faults: list[Fault] = []
    unused: list[str] = []
    situation = Situation(files, flags, environ, cwd, argument_names)
    root = _merged(situation, faults, unused)
    whole = not any(fault.unread for fault in faults)
    config, wrong = _validated(root, faults)
    if config is not None and whole:
        breaches = list(broken_rules(config))
        if needs_app and not (config.apps or config.static or config.rules):
            breaches.append(Breach('apps', NO_APP))
        faults += [_breach_fault(root, breach) for breach in breaches if not _reads_wrong(breach, wrong)]
    if faults or config is None:
        raise ConfigurationFaults(sorted(faults, key=_report_order))
    origins = {key_text(path): node.origin for path, node in leaves(root)}
    return Loaded(
        config.noting(unused),
        origins,
        label_of(situation),
        tuple(cwd / source.path for source in file_sources(situation)),
    )


def _merged(situation: Situation, faults: list[Fault], unused: list[str]) -> Node:
    """One document of all sources, by their precedence."""
    layers = {reader: reader(situation, faults) for reader in PRECEDENCE if reader is not read_env_files}
    provisional = _stacked([layer for reader in PRECEDENCE for layer in layers.get(reader, ())], [], [])
    with_env_files = replace(situation, env_files=_env_files(provisional))
    layers[read_env_files] = read_env_files(with_env_files, faults)
    return _stacked([layer for reader in PRECEDENCE for layer in layers[reader]], faults, unused)


def _stacked(layers: Sequence[Layer], faults: list[Fault], unused: list[str]) -> Node:
    root = ROOT
    # Addresses that a socket path was given for.
    socket_named: set[KeyPath] = set()
    every: dict[tuple[str, str], Node] = {}
    for layer in layers:
        root = merge(root, layer.root, (), faults)
        every |= layer.every
        root = _with_every(root, layer.every, every)
        socket_named |= {path for path, parts in layer.parts.items() if 'uds' in parts}
        for path, parts in layer.parts.items():
            if 'uds' in parts or path not in socket_named:
                root = merge(root, nested(path, _completed_bind(root, path, parts, faults)), (), faults)
    unused += [
        f'{leaf.origin.where()}: {key} has no effect: there is no [[{section}]] that it could be for'
        for (section, key), leaf in every.items()
        if not items_of(root, section)
    ]
    return leniently(root, unused)


def _with_every(root: Node, own: Mapping[tuple[str, str], Node], known: Mapping[tuple[str, str], Node]) -> Node:
    """What a source says of all items of a list wins over sources below it; what one of those said still fills gaps."""
    for (section, key), leaf in known.items():
        items = [
            Node({**item.value, key: leaf}, item.origin)
            if isinstance(item.value, dict) and ((section, key) in own or key not in item.value)
            else item
            for item in items_of(root, section)
        ]
        if items:
            root = Node({**root.value, section: Node(items, root.value[section].origin)}, root.origin)
    return root


def _env_files(root: Node) -> list[tuple[Path, str]]:
    """The env files that are there; for the others validation has a fault."""
    node, depth = find(root, ('server', 'env_files'))
    items = node.value if depth == 2 and isinstance(node.value, list) else []
    texts = [item.value for item in items if isinstance(item.value, Given)]
    return [(text.base / text, str(text)) for text in texts if (text.base / text).is_file()]


def _completed_bind(root: Node, path: KeyPath, parts: Mapping[str, Node], faults: list[Fault]) -> Node:
    """A host or a port by itself completes the address below it. A socket path wins over both, from whatever source."""
    if 'uds' in parts:
        uds = parts['uds']
        base = uds.value.base if isinstance(uds.value, Given) else Path.cwd()
        return Node(Given(f'unix:{uds.value}', base=base, loose=True), uds.origin)
    bind, origin, flags = _current_bind(root, path), Origin('default'), _BINDS[path]
    for part in ('host', 'port'):
        if part not in parts:
            continue
        value, origin = parts[part].value, parts[part].origin
        try:
            bind = tcp_bind(str(value), bind.port, flags) if part == 'host' else tcp_bind(bind.host, str(value), flags)
        except ValueError as exc:
            faults.append(origin.fault(key_text(path), str(exc)))
    return Node(bind, origin)


def _current_bind(root: Node, path: KeyPath) -> Bind:
    node, depth = find(root, path)
    try:
        bind = parse_bind(node.value) if depth == len(path) else default_bind(path)
    except ValueError:
        return default_bind(path)
    return bind if bind.kind == 'tcp' else default_bind(path)


def _validated(root: Node, faults: list[Fault]) -> tuple[Config | None, set[str]]:
    """The Config, and the keys at fault, in whose place it has defaults."""
    data, wrong = plain(root), set[str]()
    # A second round is for what only shows when the first faults are taken out; its faults are echoes.
    for _ in range(3):
        try:
            with reading(data):
                return Config(), wrong
        except ValidationError as exc:
            errors = [error for error in exc.errors(include_url=False) if not is_echo(error)]
        if not wrong:
            faults += [_error_fault(root, error) for error in errors]
        for error in errors:
            wrong |= _keys_at_fault(error)
            _take_out(data, error)
    return None, wrong


def _error_fault(root: Node, error: Any) -> Fault:
    path: KeyPath = error['loc']
    node, _ = find(root, path)
    return node.origin.fault(key_text(path), words_for(error, path), at_key=error['type'] == 'extra_forbidden')


def _keys_at_fault(error: Any) -> set[str]:
    path: KeyPath = error['loc']
    keys = {key_text(path)}
    if error['type'] == 'extra_forbidden' and (meant := nearest_key(path)):
        keys.add(key_text((*path[:-1], meant)))
    return keys


def _take_out(data: Any, error: Any) -> None:
    """Remove what is at fault, or put an example where something is missing."""
    path: KeyPath = error['loc']
    option = option_at(path)
    if isinstance(path[-1], int) and table_at(path) is None:
        path = path[:-1]
    try:
        for part in path[:-1]:
            data = data[part]
        if error['type'] == 'missing' and option is not None:
            data[path[-1]] = option.example
        elif isinstance(path[-1], int):
            data[path[-1]] = {}
        else:
            data.pop(path[-1], None)
    except (KeyError, IndexError, TypeError):
        return  # taken out already, together with what held it


def _reads_wrong(breach: Breach, wrong: set[str]) -> bool:
    return any(
        key == bad or key.startswith((f'{bad}.', f'{bad}[')) for key in (breach.key, *breach.reads) for bad in wrong
    )


def _breach_fault(root: Node, breach: Breach) -> Fault:
    path = tuple(int(part) if part.isdigit() else part for part in re.findall(r'\w+', breach.key))
    node, depth = find(root, path)
    # The document as a whole is of whatever source said something last: what is missing from it is no fault of that one.
    origin = node.origin if depth else Origin('default')
    return origin.fault(breach.key, breach.message)


def _report_order(fault: Fault) -> tuple[int, str, int, int]:
    """Files first, each from top to bottom; then variables, then flags."""
    spot = re.search(r':(\d+)(?::(\d+))?', fault.where) if fault.source_kind == 'file' else None
    line, column = (int(spot[1]), int(spot[2] or 0)) if spot else (0, 0)
    return _SOURCE_ORDER.get(fault.source_kind, 3), fault.source if spot else '', line, column
