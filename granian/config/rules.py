"""Rules between keys. Each says which key is concerned; a rule is left out when a key it reads is itself at fault."""

from __future__ import annotations

import importlib.util
import os
import posixpath
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from granian.config.sections.tls import broken_tls_rules
from granian.protocol.proxies.forwarded import FORWARDED, X_FORWARDED
from granian.protocol.proxies.trusted import EVERYBODY, UNIX

if TYPE_CHECKING:
    from collections.abc import Iterator

    from granian.config.model import Config, Listener
    from granian.config.sections.mounts import App, Rule, Static


@dataclass(frozen=True, slots=True)
class Breach:
    """A rule that does not hold: the key it is reported at, the keys it read, what would do."""

    key: str
    message: str
    reads: tuple[str, ...] = ()


def broken_rules(config: Config) -> Iterator[Breach]:
    yield from _server(config)
    for index, listener in enumerate(config.listeners):
        yield from _listener(f'listeners[{index}]', listener)
        yield from _proxies(f'listeners[{index}]', listener)
    yield from _same_bind(config)
    for index, app in enumerate(config.apps):
        yield from _app(f'apps[{index}]', app)
    yield from _same_name(config)
    for index, folder in enumerate(config.static):
        yield from _folder(f'static[{index}]', folder)
    for index, rule in enumerate(config.rules):
        yield from _rule(f'rules[{index}]', rule)
    yield from _loops(config)
    yield from _same_place(config)


def _server(config: Config) -> Iterator[Breach]:
    loop = config.server.loop
    if loop not in {'auto', 'asyncio'} and not _installed(loop):
        yield Breach('server.loop', f'\'{loop}\' is not installed here; install it, or write "auto"')
    if config.server.process_name is not None and not _installed('setproctitle'):
        yield Breach('server.process_name', "needs the package setproctitle; install 'granian[pname]'")
    if config.server.preload and (config.server.user or config.server.group):
        yield Breach(
            'server.preload',
            'would import applications as root, before workers become somebody else; leave out one of the two',
            ('server.user', 'server.group'),
        )
    if config.server.preload and config.reload.enabled:
        yield Breach(
            'server.preload',
            'imports the code once, so no change of it would be seen; leave it out where reload.enabled is true',
            ('reload.enabled',),
        )


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _listener(key: str, listener: Listener) -> Iterator[Breach]:
    if listener.tls is not None:
        yield from (Breach(*found) for found in broken_tls_rules(f'{key}.tls', listener.tls))
    if listener.permissions is not None and listener.bind.kind != 'unix':
        yield Breach(
            f'{key}.permissions', f'only a unix: listener has permissions, not {listener.bind}', (f'{key}.bind',)
        )


def _proxies(key: str, listener: Listener) -> Iterator[Breach]:
    trusted = set(listener.trusted_proxies)
    reads = (f'{key}.trusted_proxies',)
    if listener.proxy_protocol and not trusted:
        yield Breach(f'{key}.proxy_protocol', 'needs trusted_proxies: nobody else may say who the client is', (*reads,))
    if listener.bind.kind == 'unix' and trusted and not trusted & {UNIX, EVERYBODY}:
        yield Breach(
            f'{key}.trusted_proxies',
            f"the peers of {listener.bind} have no addresses; add 'unix', or every claim is ignored",
            (f'{key}.bind',),
        )
    if listener.forwarded_fields != X_FORWARDED and not trusted:
        yield Breach(f'{key}.forwarded_fields', 'needs trusted_proxies: without them nobody is believed', (*reads,))
    if FORWARDED in listener.forwarded_fields and len(listener.forwarded_fields) > 1:
        yield Breach(
            f'{key}.forwarded_fields',
            "'forwarded' stands alone: a proxy that sets one kind passes on the other as any client wrote it",
        )


def _same_bind(config: Config) -> Iterator[Breach]:
    first: dict[str, int] = {}
    for index, listener in enumerate(config.listeners):
        bind = listener.bind
        earlier = first.setdefault(str(bind), index)
        if earlier != index and not bind.is_chosen_by_kernel:
            yield Breach(
                f'listeners[{index}].bind',
                f"'{bind}' is the bind of listeners[{earlier}] already",
                (f'listeners[{earlier}].bind',),
            )
    earlier = first.get(str(config.metrics.bind), -1)
    if config.metrics.enabled and earlier != -1 and not (bind := config.metrics.bind).is_chosen_by_kernel:
        yield Breach(
            'metrics.bind',
            f"'{bind}' is the bind of listeners[{earlier}] already",
            (f'listeners[{earlier}].bind', 'metrics.enabled'),
        )


def _app(key: str, app: App) -> Iterator[Breach]:
    reads = (f'{key}.interface',)
    if app.lifespan == 'on' and app.interface != 'asgi':
        what = 'is ASGI without lifespan' if app.interface == 'asginl' else 'knows none'
        yield Breach(
            f'{key}.lifespan', f'\'on\' contradicts interface = "{app.interface}", which {what}; write "asgi"', reads
        )
    if app.interface != 'wsgi' and (app.blocking_threads or 1) > 1:
        yield Breach(
            f'{key}.blocking_threads',
            f'{app.blocking_threads} threads need an application that blocks; {app.interface} runs on 1',
            reads,
        )
    if app.interface == 'rsgi' and app.root_path:
        yield Breach(f'{key}.root_path', 'RSGI has no root path; leave it out, or write strip_prefix = true', reads)
    if app.debug and app.interface in {'rsgi', 'wsgi'}:
        yield Breach(f'{key}.debug', f'is an extension of ASGI, and this is {app.interface}', reads)
    if app.interface == 'wsgi' and app.websockets:
        yield Breach(f'{key}.websockets', 'WSGI knows none; leave it out, or write false', reads)
    if app.interface == 'wsgi':
        for name in sorted(app.websocket.model_fields_set):
            yield Breach(f'{key}.websocket.{name}', 'WSGI knows no WebSockets; leave it out', reads)
    if app.strip_prefix and app.interface != 'rsgi':
        yield Breach(f'{key}.strip_prefix', f'is for RSGI; {app.interface} has a root path', reads)
    elif app.strip_prefix and app.path == '/':
        yield Breach(f'{key}.strip_prefix', "there is nothing to strip off at '/'", (f'{key}.path',))


def _same_name(config: Config) -> Iterator[Breach]:
    first: dict[str, int] = {}
    for index, app in enumerate(config.apps):
        earlier = first.setdefault(app.name, index)
        if earlier != index:
            yield Breach(
                f'apps[{index}].name',
                f"'{app.name}' is the name of apps[{earlier}] already",
                (f'apps[{earlier}].name',),
            )


def _folder(key: str, folder: Static) -> Iterator[Breach]:
    if folder.fallback is not None and folder.fall_through:
        yield Breach(
            f'{key}.fall_through', 'nothing is left to fall through: `fallback` answers for all; keep one of them'
        )
    elif folder.fallback is not None and not os.path.isfile(folder.directory / folder.fallback):  # noqa: PTH113  (never raises)
        yield Breach(
            f'{key}.fallback', f"'{folder.fallback}' is not a file in '{folder.directory}'", (f'{key}.directory',)
        )


def _rule(key: str, rule: Rule) -> Iterator[Breach]:
    if rule.redirect is None and rule.return_ is None:
        yield Breach(
            key,
            'says nothing to do; write redirect = "https://…" or return = 404',
            (f'{key}.redirect', f'{key}.return'),
        )
    elif rule.redirect is not None and rule.return_ is not None:
        yield Breach(f'{key}.return', 'a rule redirects or returns; keep one of them', (f'{key}.redirect',))
    if rule.redirect is None:
        # By value: a shown document says all defaults.
        for name in ('status', 'keep_path', 'keep_query'):
            if getattr(rule, name) != type(rule).model_fields[name].default:
                yield Breach(f'{key}.{name}', 'is for a redirect', (f'{key}.redirect',))
    elif rule.keep_path and ('?' in rule.redirect or '#' in rule.redirect):
        yield Breach(
            f'{key}.redirect', 'no path can be kept behind a query; write keep_path = false', (f'{key}.keep_path',)
        )
    if rule.body and (rule.return_ is None or rule.return_ in {204, 205, 304}):
        what = 'a redirect' if rule.return_ is None else rule.return_
        yield Breach(f'{key}.body', f'{what} has no body', (f'{key}.return',))


def _loops(config: Config) -> Iterator[Breach]:
    """Redirects to a path that nobody but the same rule holds."""
    for index, rule in enumerate(config.rules):
        target = _local_path(rule.redirect or '')
        if not target or not _holds(rule.path, target):
            continue
        others = [
            mount
            for _, mount, answers_all in _mounts(config)
            if mount is not rule
            and _holds(mount.path, target)
            and (len(mount.path) > len(rule.path) or not answers_all)
        ]
        if not others:
            yield Breach(
                f'rules[{index}].redirect',
                f"leads to itself: '{target}' is below '{rule.path}'; redirect elsewhere, or give the rule a longer path",
                (f'rules[{index}].path',),
            )


def _local_path(redirect: str) -> str:
    """The path of this server that a redirect leads to, '' for another's."""
    path = redirect.partition('#')[0].partition('?')[0]
    return posixpath.normpath(unquote(path)) if path.startswith('/') else ''


def _holds(mount_path: str, path: str) -> bool:
    return f'{path}/'.startswith(mount_path.rstrip('/') + '/')


def _same_place(config: Config) -> Iterator[Breach]:
    """Two mounts at one place, of which the second would never be reached."""
    taken: dict[tuple[str, str], str] = {}
    for key, mount, answers_all in _mounts(config):
        for host in dict.fromkeys(mount.hosts or ('',)):
            earlier = taken.get((host, mount.path))
            if earlier is not None:
                where = f"'{mount.path}'" + (f' on {host}' if host else '')
                yield Breach(
                    f'{key}.path',
                    f'would never be reached: {earlier} has {where} already; give one of them another path or hosts',
                    (f'{key}.hosts', f'{earlier}.path', f'{earlier}.hosts', f'{earlier}.fall_through'),
                )
                break
        if answers_all:
            for host in mount.hosts or ('',):
                taken.setdefault((host, mount.path), key)


def _mounts(config: Config) -> Iterator[tuple[str, App | Static | Rule, bool]]:
    """In the order in which they are asked at one place, and whether they leave anything to the next."""
    for index, folder in enumerate(config.static):
        yield f'static[{index}]', folder, not folder.fall_through
    for index, rule in enumerate(config.rules):
        yield f'rules[{index}]', rule, True
    for index, app in enumerate(config.apps):
        yield f'apps[{index}]', app, True
