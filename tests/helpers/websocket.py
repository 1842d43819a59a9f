"""A client of raw frames on a `Served`: it may break any rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from granian.protocol.websocket.handshake import accept_value
from tests.helpers.websocket_engines import BINARY, CLOSE, PING, PONG, TEXT, Frame, close, frame

if TYPE_CHECKING:
    from tests.helpers.serving import Client, Reply, Served

KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
OPENING = ('Connection: Upgrade', 'Upgrade: websocket', f'Sec-WebSocket-Key: {KEY}', 'Sec-WebSocket-Version: 13')


async def ask(server: Served, path: str = '/', *fields: str, **options: Any) -> tuple[Client, Reply]:
    """The answer to an opening, its body left unread."""
    client = await server.connect(**options)
    await client.get(path, *OPENING, *fields)
    return client, await client.head()


async def open_session(server: Served, path: str = '/', *fields: str, **options: Any) -> Peer:
    client, reply = await ask(server, path, *fields, **options)
    assert reply.status == 101, reply
    assert reply['sec-websocket-accept'] == accept_value(KEY.encode())
    return Peer(client, reply)


class Peer:
    """The client's side of an open session."""

    def __init__(self, client: Client, reply: Reply) -> None:
        self.client = client
        self.reply = reply

    async def send(self, data: str | bytes) -> None:
        await self.client.send(frame(TEXT, data.encode()) if isinstance(data, str) else frame(BINARY, data))

    async def close(self, code: int | None = None, reason: bytes = b'') -> None:
        await self.client.send(close(code, reason))

    async def frame(self) -> Frame:
        first, size = await self.client.exactly(2)
        assert not size & 0x80
        if size >= 126:
            size = int.from_bytes(await self.client.exactly(2 if size == 126 else 8), 'big')
        return Frame(first & 0x0F, await self.client.exactly(size), bool(first & 0x80), first >> 4 & 7)

    async def message(self) -> str | bytes:
        """The next message."""
        got = await self.frame()
        assert got.opcode in (TEXT, BINARY), got
        return got.payload.decode() if got.opcode == TEXT else got.payload

    async def closed(self) -> tuple[int | None, bytes]:
        """The code and reason of the close frame that comes next."""
        got = await self.frame()
        assert got.opcode == CLOSE, got
        return (int.from_bytes(got.payload[:2], 'big') if got.payload else None), got.payload[2:]

    async def gone(self) -> tuple[int | None, bytes]:
        """`closed`, then answer it and see the connection end."""
        told = await self.closed()
        await self.close(told[0])
        assert await self.client.rest() == b''
        self.client.close()
        return told

    async def pinged(self) -> bytes:
        """What the ping asks for that comes next."""
        got = await self.frame()
        assert got.opcode == PING, got
        return got.payload

    async def pong(self, data: bytes = b'') -> None:
        await self.client.send(frame(PONG, data))


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""
    assert (await receive())['type'] == 'websocket.connect'
    await send({'type': 'websocket.accept'})
    while (message := await receive())['type'] == 'websocket.receive':
        await send({**message, 'type': 'websocket.send'})
