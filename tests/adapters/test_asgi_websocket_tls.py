"""A WebSocket over TLS: its application is told of the connection as one of HTTP is."""

from __future__ import annotations

import pytest

from tests.helpers.tls import site, tls_settings


@pytest.mark.parametrize('engine', ['fast'], indirect=True)
async def test_session_is_told_of_tls(serve, tmp_path):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        await receive()
        await send({'type': 'websocket.accept'})
        await send({'type': 'websocket.close'})

    async with serve(app, tls=tls_settings(tmp_path)) as server:
        client = await server.connect()
        fields = (
            'Upgrade: websocket',
            'Connection: upgrade',
            'Sec-WebSocket-Version: 13',
            'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
        )
        await client.get('/', *fields)
        assert b'101' in await client.line()
    assert scopes[0]['scheme'] == 'wss'
    assert scopes[0]['extensions']['tls']['server_cert'] == site().pem
