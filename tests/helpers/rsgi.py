"""RSGI applications on a `Served`, as `serve` does it for ASGI ones.

    async def test_it_answers(serve_rsgi):
        async with serve_rsgi(app) as server:
            assert (await server.get('/')).status == 200

A `conftest.py` imports `serve_rsgi` beside the fixtures of `tests.helpers.serving`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from granian.adapters.rsgi.http import RsgiAdapter
from granian.server.websocket import ClosedDoor, OpenDoor
from tests.helpers.serving import Served, over_tls

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.serving import TestLoop


class ServedRsgi(Served):
    def __init__(self, loop: TestLoop, engine: str, application: Any, *, strip: int = 0, **options: Any) -> None:
        super().__init__(loop, engine, None, **options)
        app = self.settings.apps[0]
        door = OpenDoor(app.websockets, self.serving.sessions) if app.websockets else ClosedDoor()
        self.serving.adapters[0] = RsgiAdapter(application, loop.loop, door=door, strip=strip)


@pytest.fixture
def serve_rsgi(engine: str, loop: TestLoop, tmp_path: Path) -> partial[ServedRsgi]:
    return partial(ServedRsgi, loop, engine, **over_tls(tmp_path))


def by_path(**handlers: Any) -> Any:
    """An application that hands `/name` to the handler of that name, called with the protocol alone, and answers /next."""

    async def app(scope: Any, protocol: Any) -> None:
        name = scope.path[1:]
        if name == 'next':
            protocol.response_str(body='next')
        else:
            await handlers[name](protocol)

    return app
