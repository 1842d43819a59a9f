"""WSGI applications on a `Served`, as `serve` does it for ASGI ones.

    async def test_it_answers(serve_wsgi):
        async with serve_wsgi(app) as server:
            assert (await server.get('/')).status == 200

A `conftest.py` imports `serve_wsgi` beside the fixtures of `tests.helpers.serving`.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from granian.server.serving import Serving
from granian.server.settings import ThreadSettings
from tests.helpers.serving import Served, over_tls

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers.serving import TestLoop


class ServedWsgi(Served):
    def __init__(
        self,
        loop: TestLoop,
        engine: str,
        application: Any,
        *,
        threads: int = 4,
        idle_timeout_s: float = 30,
        siblings: bool = False,
        **options: Any,
    ) -> None:
        super().__init__(loop, engine, None, **options)
        app = replace(self.settings.apps[0], interface='wsgi', threads=ThreadSettings(threads, idle_timeout_s))
        self.settings = replace(self.settings, apps=(app,), has_siblings=siblings)
        self.serving = Serving(self.settings, [application], self.loop)
        self.shared = self.serving.shared


@pytest.fixture
def serve_wsgi(engine: str, loop: TestLoop, tmp_path: Path) -> partial[ServedWsgi]:
    return partial(ServedWsgi, loop, engine, **over_tls(tmp_path))


def answer(start_response: Any, body: bytes = b'', *headers: tuple[str, str], status: str = '200 OK') -> list[bytes]:
    start_response(status, list(headers))
    return [body]
