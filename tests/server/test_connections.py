from __future__ import annotations

import socket

from tests.helpers.serving import answer


async def test_small_writes_are_not_held_back_for_acknowledgements(serve):
    options = []

    async def app(scope, receive, send):
        (connection,) = server.shared.connections
        sock = connection._transport.get_extra_info('socket')
        options.append(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        await answer(send)

    async with serve(app) as server:
        await server.get()
    assert options[0] != 0
