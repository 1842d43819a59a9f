"""Attacks on TLS, each a function that has one connection and ends where that is cut: ConnectionError, EOFError."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

from tests.attacks.key_updates import KeyUpdater, library
from tests.helpers import http2_client as h2
from tests.helpers.tls import finite_field_hello

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

UPDATES = 1000
READ_BYTES = 65536
PING = h2.frame(h2.PING, 0, 0, bytes(8))
TLS_ATTACKS: dict[str, tuple[Callable[[int], Awaitable[None]], int]] = {}
# Each of their connections does as it may, and leaves by itself.
NEVER_CUT = frozenset({'handshakes'})


def attack(connections):
    """Add an attack by so many connections at once."""

    def add(function):
        TLS_ATTACKS[function.__name__] = function, connections
        return function

    return add


async def updater(reader, writer):
    """A client whose handshake is done and that has said what HTTP/2 begins with."""
    client = KeyUpdater(library())
    done = client.shake()
    while not done:
        writer.write(client.out())
        done = client.shake(await read(reader))
    client.write(h2.PREFACE + h2.settings())
    writer.write(client.out())
    return client


async def read(reader):
    data = await reader.read(READ_BYTES)
    if not data:
        raise ConnectionResetError
    return data


async def until_cut(reader):
    while True:
        await read(reader)


@attack(4)
async def key_updates(reader, writer):
    """Each costs us hundreds of times what it costs to send."""
    client = await updater(reader, writer)
    try:
        while True:
            client.update(UPDATES)
            writer.write(client.out())
            await writer.drain()
    finally:
        client.close()


@attack(4)
async def key_updates_among_data(reader, writer):
    """As before, with a frame now and then, so that they are never all that comes."""
    client = await updater(reader, writer)
    try:
        while True:
            for _ in range(20):
                client.update(UPDATES // 20)
                client.write(PING)
            writer.write(client.out())
            await writer.drain()
    finally:
        client.close()


def hello():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        context.wrap_bio(incoming, outgoing).do_handshake()
    except ssl.SSLWantReadError:
        return outgoing.read()
    raise AssertionError('done without a server')


@attack(100)
async def silence(reader, writer):
    """Connections that say nothing."""
    await until_cut(reader)


@attack(100)
async def half_hellos(reader, writer):
    writer.write(hello()[:100])
    await until_cut(reader)


@attack(100)
async def abandoned_handshakes(reader, writer):
    """The server has done its expensive part, and hears no more."""
    writer.write(hello())
    await until_cut(reader)


@attack(400)
async def pile(reader, writer):
    """More unfinished ones than are worked on at once."""
    writer.write(hello()[:1])
    await until_cut(reader)


@attack(8)
async def slow_exchanges(reader, writer):
    """A key for which the server would work 600 times as long as usual."""
    writer.write(finite_field_hello(hello(), begun=True))
    await until_cut(reader)


@attack(8)
async def garbage(reader, writer):
    writer.write(hello()[:5] + bytes(2000))
    await until_cut(reader)


@attack(8)
async def handshakes(reader, writer):
    """Whole ones, and nothing after them."""
    client = await updater(reader, writer)
    client.close()


async def run(name, port):
    """One connection."""
    reader, writer = await asyncio.open_connection('127.0.0.1', port)
    try:
        await TLS_ATTACKS[name][0](reader, writer)
    finally:
        writer.close()
