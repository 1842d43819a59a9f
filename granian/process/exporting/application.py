"""What is served where metrics are: everything, on every path and to every method, as upstream does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from granian.observe.metrics import CONTENT_TYPE, exposition

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from granian.observe.board import Board


def application(board: Board) -> Callable[..., Awaitable[None]]:
    """As ASGI."""

    async def answer(_scope: Any, _receive: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        body = exposition(board.own(), board.shown())
        headers = [
            (b'content-type', CONTENT_TYPE),
            (b'content-length', b'%d' % len(body)),
            (b'cache-control', b'no-store'),
        ]
        await send({'type': 'http.response.start', 'status': 200, 'headers': headers})
        await send({'type': 'http.response.body', 'body': body})

    return answer
