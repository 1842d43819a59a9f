"""Rules between keys. Each says which key is concerned; a rule is left out when a key it reads is itself at fault."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from granian.config.model import App, Config, Listener


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
    yield from _same_bind(config)
    if len(config.apps) > 1:
        yield Breach('apps[1]', 'this version serves exactly one application; leave one of them')
    for index, app in enumerate(config.apps):
        yield from _app(f'apps[{index}]', app)


def _server(config: Config) -> Iterator[Breach]:
    loop = config.server.loop
    if loop not in {'auto', 'asyncio'} and not _installed(loop):
        yield Breach('server.loop', f'\'{loop}\' is not installed here; install it, or write "auto"')
    if config.server.process_name is not None and not _installed('setproctitle'):
        yield Breach('server.process_name', "needs the package setproctitle; install 'granian[pname]'")


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _listener(key: str, listener: Listener) -> Iterator[Breach]:
    if listener.http == '2':
        yield Breach(f'{key}.http', 'HTTP/2 is not served by this version yet; write "auto" or "1"')
    if listener.permissions is not None and listener.bind.kind != 'unix':
        yield Breach(
            f'{key}.permissions', f'only a unix: listener has permissions, not {listener.bind}', (f'{key}.bind',)
        )


def _same_bind(config: Config) -> Iterator[Breach]:
    first: dict[str, int] = {}
    for index, listener in enumerate(config.listeners):
        bind = listener.bind
        earlier = first.setdefault(str(bind), index)
        if earlier != index and not (bind.kind == 'tcp' and bind.port == 0):
            yield Breach(
                f'listeners[{index}].bind',
                f"'{bind}' is the bind of listeners[{earlier}] already",
                (f'listeners[{earlier}].bind',),
            )


def _app(key: str, app: App) -> Iterator[Breach]:
    if app.interface in {'rsgi', 'wsgi'}:
        how = ' (the default)' if 'interface' not in app.model_fields_set else ''
        yield Breach(
            f'{key}.interface',
            f'this version serves asgi and asginl, not {app.interface}{how}; '
            'write interface = "asgi", or give --interface asgi',
        )
    if app.interface == 'asginl' and app.lifespan == 'on':
        yield Breach(
            f'{key}.lifespan',
            '\'on\' contradicts interface = "asginl", which is ASGI without lifespan; write "asgi"',
            (f'{key}.interface',),
        )
    if app.interface != 'wsgi' and (app.blocking_threads or 1) > 1:
        yield Breach(
            f'{key}.blocking_threads',
            f'{app.blocking_threads} threads need an application that blocks; {app.interface} runs on 1',
            (f'{key}.interface',),
        )
