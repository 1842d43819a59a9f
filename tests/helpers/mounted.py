"""A document with mounts, served on the test's own loop; its applications are objects of the test.

    async def test_it(mounted):
        async with mounted(TOML, api=app) as server:
            assert (await server.get('/api/x')).status == 200

Targets in the document are names of the keyword arguments.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import tomli

from granian.config.model import Config
from granian.process.listening.sockets import Bound
from granian.process.plan import sections
from granian.server.serving import Serving
from tests.helpers.serving import Reply, Served, answer, read_body

if TYPE_CHECKING:
    from tests.helpers.serving import TestLoop


class Mounted(Served):
    def __init__(self, loop: TestLoop, engine: str, toml: str, **applications: Any) -> None:
        super().__init__(loop, engine, None)
        config = Config.model_validate(tomli.loads(toml))
        listener = self.settings.listeners[0]
        made = sections.serving(config, [Bound(0, listener.address, ())])
        listener = replace(listener, http1=replace(made.listeners[0].http1, require_host=False))
        self.settings = replace(made, listeners=(listener,))
        self.serving = Serving(self.settings, [applications[app.target] for app in self.settings.apps], self.loop)
        self.shared = self.serving.shared

    async def ask(self, host: str, target: str, *fields: str, method: str = 'GET') -> Reply:
        """One request for a host, on a connection of its own."""
        client = await self.connect()
        lines = [f'{method} {target} HTTP/1.1', f'host: {host}', 'connection: close', *fields, '', '']
        await client.send('\r\n'.join(lines).encode())
        return await client.reply(to_head=method == 'HEAD')


@pytest.fixture
def mounted(engine: str, loop: TestLoop) -> partial[Mounted]:
    return partial(Mounted, loop, engine)


def named(name: str) -> Any:
    """An ASGI application that answers with its name, root path, path as sent, and the size of the body."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        size = len(await read_body(receive))
        raw = scope['raw_path'].decode()
        await answer(send, f'{name} {scope["root_path"]} {scope["path"]} {raw} {size}'.encode())

    return app
