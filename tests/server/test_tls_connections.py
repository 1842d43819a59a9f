"""What goes over an encrypted connection once the handshake is done: both ends of it, and nothing but whole."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import tracemalloc

import pytest

from granian.server.connection import Connection
from tests.attacks.key_updates import KeyUpdater, library
from tests.helpers.serving import answer, asyncio_timeout, body, echo, one_loop, read_body, start
from tests.helpers.tls import tls_settings

MIB = 1024 * 1024
fast = pytest.mark.parametrize('engine', ['fast'], indirect=True)


@pytest.fixture
def encrypted(serve, tmp_path):
    """`serve` over TLS; changes to TlsSettings by `tls`."""

    def make(app, tls=None, **options):
        return serve(app, tls=tls_settings(tmp_path, **(tls or {})), **options)

    return make


def open_ones(server):
    """The connections; clients are done with a handshake before the server is."""
    return [each for each in server.connections if isinstance(each, Connection)]


async def test_requests_are_answered_one_after_another(encrypted):
    async with encrypted(echo) as server:
        client = await server.connect()
        for size in (1, 1000, 16384, 100_000, 3 * MIB):
            await client.post('/', bytes(size))
            reply = await client.reply()
            assert (reply.status, reply.body) == (200, bytes(size))


class Updating:
    """`async with`: a client that can update its keys, and has sent the head of a request."""

    def __init__(self, server, *fields):
        if library() is None:
            pytest.skip('there is no libssl, which updates keys')
        self.address = server.address
        self.head = ''.join(f'{line}\r\n' for line in ('POST / HTTP/1.1', 'Host: a', *fields, '')).encode()

    async def __aenter__(self):
        self.reader, self.writer = await asyncio.open_connection(*self.address)
        self.tls = KeyUpdater(library(), b'\x08http/1.1')
        done = self.tls.shake()
        while not done:
            await self.send()
            done = self.tls.shake(await self.reader.read(65536))
        await self.send(self.head)
        return self

    async def __aexit__(self, *_):
        self.writer.close()
        self.tls.close()

    async def send(self, data=b'', updates=0, times=1):
        for _ in range(times):
            self.tls.update(updates)
            self.tls.write(data)
        self.writer.write(self.tls.out())
        await self.writer.drain()
        # The server's turn.
        await asyncio.sleep(0)


@fast
@one_loop
@pytest.mark.parametrize('between', [0, 10, 100])
async def test_a_client_that_only_updates_its_keys_is_cut(encrypted, between):
    """RFC 8446 4.6.3 lets it, and each time costs us more than it. `between`: bytes of data after each hundred."""
    async with encrypted(echo) as server, Updating(server, 'Content-Length: 1000000') as client:
        await server.until(lambda: any(each._exchange for each in open_ones(server)))
        for _ in range(100):
            try:
                await client.send(bytes(between), updates=100, times=10)
            except ConnectionError:
                return
    raise AssertionError('never cut')


@fast
@one_loop
async def test_a_client_whose_updates_are_answered_in_vain_is_not_read(encrypted):
    async with encrypted(echo) as server, Updating(server, 'Connection: close', 'Content-Length: 10') as client:
        await server.until(lambda: any(each._exchange for each in open_ones(server)))
        pump = open_ones(server)[0]._transport
        # As the socket does when it is full.
        pump.pause_writing()
        await client.send(updates=1)
        await server.until(lambda: not pump._transport.is_reading())
        await client.send(bytes(10))
        pump.resume_writing()
        async with asyncio_timeout(20):
            assert len(await client.reader.read()) > 100


@fast
@one_loop
async def test_a_client_may_update_its_keys_now_and_then(encrypted):
    async with encrypted(echo) as server:
        async with Updating(server, 'Connection: close', 'Content-Length: 100000') as client:
            for _ in range(100):
                await client.send(bytes(1000), updates=10)
            async with asyncio_timeout(20):
                # The answer, its close_notify and the end of the socket.
                assert len(await client.reader.read()) > 100_000


@fast
async def test_application_is_told_of_https(encrypted):
    scopes = []

    async def app(scope, receive, send):
        scopes.append(scope)
        await answer(send)

    async with encrypted(app) as server:
        await server.get()
        assert (scopes[0]['scheme'], scopes[0]['client'][0]) == ('https', '127.0.0.1')


@fast
async def test_pipelined_requests_in_one_record_are_answered_in_one(encrypted):
    async with encrypted(echo, pipeline_flush=True) as server:
        client = await server.connect()
        await client.send(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n' * 20)
        assert [(await client.reply()).status for _ in range(20)] == [200] * 20


@fast
async def test_records_of_one_byte_make_a_request(encrypted):
    async with encrypted(echo) as server:
        client = await server.connect()
        for byte in b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc':
            client.peer.tls.write(bytes([byte]))
        data = client.peer.outgoing.read()
        # Not in step with the records either.
        for at in range(0, len(data), 7):
            await client.raw_send(data[at : at + 7])
        assert (await client.reply()).body == b'abc'


@fast
async def test_head_and_small_body_are_one_record(encrypted):
    async with encrypted(echo) as server:
        client = await server.connect()
        await client.get()
        await client.reply()
        await client.get()
        data = await client.raw_more()
        # One record: its header says how long it is (RFC 8446 5.1).
        assert (data[0], int.from_bytes(data[3:5], 'big')) == (23, len(data) - 5)


@pytest.mark.parametrize('kind', ['streamed', 'whole'])
async def test_memory_is_bounded_where_a_client_does_not_read(encrypted, kind):
    size = 60
    sent = []

    async def app(scope, receive, send):
        if kind == 'whole':
            await answer(send, whole)
            return
        await start(send, headers=[(b'content-length', b'%d' % (size * MIB))])
        for _ in range(size):
            await body(send, bytes(MIB), more=True)
            sent.append(MIB)
        await body(send)

    whole = bytes(size * MIB)
    async with encrypted(app) as server:
        client = await server.connect(receive_buffer_bytes=16384)
        await client.get()
        tracemalloc.start()
        try:
            await server.until(lambda: any(each.blocked for each in open_ones(server)))
            before = -1
            while len(sent) != before:
                before = len(sent)
                await asyncio.sleep(0.02)
            assert tracemalloc.get_traced_memory()[1] < 8 * MIB
        finally:
            tracemalloc.stop()
        assert sum(sent) < 20 * MIB
        assert len((await client.reply()).body) == size * MIB


@fast
async def test_a_client_that_sends_without_end_is_not_read_ahead_of_the_application(encrypted):
    may_read = asyncio.Event()

    async def app(scope, receive, send):
        await may_read.wait()
        await answer(send, b'%d' % len(await read_body(receive)))

    async with encrypted(app) as server:
        client = await server.connect()
        sending = asyncio.ensure_future(client.post('/', bytes(40 * MIB)))
        await server.until(lambda: any(each.engine.paused for each in open_ones(server)))
        assert not sending.done()
        may_read.set()
        assert (await client.reply()).body == b'%d' % (40 * MIB)
        await sending


async def test_server_says_the_end(encrypted):
    async with encrypted(echo) as server:
        client = await server.connect()
        await client.get('/', 'Connection: close')
        await client.reply()
        await client.closed()


@fast
async def test_response_that_ends_with_the_connection_is_whole_by_close_notify(encrypted):
    async def app(scope, receive, send):
        await start(send)
        await body(send, b'all of it')

    async with encrypted(app) as server:
        client = await server.connect()
        await client.get('/', version='1.0')
        assert (await client.reply()).body == b'all of it'


@fast
async def test_response_that_is_cut_has_no_close_notify(encrypted, caplog):
    caplog.set_level('CRITICAL', logger='_granian')

    async def app(scope, receive, send):
        await start(send)
        await body(send, b'some', more=True)
        raise ValueError

    async with encrypted(app) as server:
        client = await server.connect()
        await client.get('/', version='1.0')
        with pytest.raises(ConnectionResetError):
            await client.reply()


def late(may_answer):
    """An application that answers then."""

    async def app(scope, receive, send):
        await may_answer.wait()
        await answer(send, b'late')

    return app


async def test_client_that_has_said_its_end_is_still_answered(encrypted):
    may_answer = asyncio.Event()
    async with encrypted(late(may_answer)) as server:
        client = await server.connect()
        await client.get()
        client.half_close()
        await server.until(lambda: any(each._ended for each in open_ones(server)))
        may_answer.set()
        assert (await client.reply()).body == b'late'
        await client.closed()


async def test_client_that_ends_without_close_notify_is_not_answered(encrypted):
    # RFC 8446 6.1: somebody else may have cut it.
    may_answer = asyncio.Event()
    async with encrypted(late(may_answer)) as server:
        client = await server.connect()
        await client.get()
        await server.until(lambda: open_ones(server))
        client.sock.shutdown(socket.SHUT_WR)
        await server.until(lambda: not server.shared.connections)
        may_answer.set()


async def test_client_that_ends_without_close_notify_is_gone(encrypted):
    told = asyncio.Event()

    async def app(scope, receive, send):
        while (await receive())['type'] != 'http.disconnect':
            pass
        told.set()

    async with encrypted(app) as server:
        client = await server.connect()
        await client.send(b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
        client.sock.shutdown(socket.SHUT_WR)
        async with asyncio_timeout(10):
            await told.wait()
        await server.until(lambda: not server.shared.connections)


async def test_idle_connection_of_a_client_that_says_its_end_is_closed(encrypted):
    async with encrypted(echo) as server:
        client = await server.connect()
        await client.get()
        await client.reply()
        client.say_end()
        await client.closed()
        await server.until(lambda: not server.shared.connections)


@fast
async def test_idle_connection_is_closed_in_an_orderly_way(encrypted):
    async with encrypted(echo, timeouts={'keep_alive_s': 0.1}) as server:
        client = await server.connect()
        await client.get()
        await client.reply()
        await client.closed()


@fast
async def test_damaged_record_ends_the_connection_with_an_alert(encrypted):
    async with encrypted(echo) as server:
        client = await server.connect()
        client.peer.tls.write(b'GET / HTTP/1.1\r\n')
        record = bytearray(client.peer.outgoing.read())
        record[-1] ^= 1
        await client.raw_send(bytes(record))
        with pytest.raises(ssl.SSLError, match='BAD_RECORD_MAC'):
            await client.more()
        await server.until(lambda: not server.shared.connections)


@fast
async def test_garbage_after_the_handshake_ends_the_connection(encrypted):
    async with encrypted(echo) as server:
        client = await server.connect()
        await client.raw_send(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await client.rest()
        await server.until(lambda: not server.shared.connections)


@fast
async def test_tls_1_2_is_not_renegotiated(encrypted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    async with encrypted(echo) as server:
        client = await server.connect(shake=False)
        await client.handshake(context)
        assert client.peer.tls.version() == 'TLSv1.2'
        await client.get()
        assert (await client.reply()).status == 200


@pytest.mark.parametrize('end', ['reset', 'close', 'half_close'])
async def test_nothing_is_left_of_a_client_that_leaves_in_the_middle(encrypted, end):
    async def app(scope, receive, send):
        await start(send)
        with contextlib.suppress(OSError):
            while True:
                await body(send, bytes(MIB), more=True)

    async with encrypted(app) as server:
        client = await server.connect()
        await client.get()
        await client.head()
        getattr(client, end)()
        if end == 'half_close':
            client.reset()
        await server.until(lambda: not server.shared.connections)


@one_loop
@fast
async def test_large_body_in_pieces_of_every_kind_arrives_in_order(encrypted):
    pieces = [
        bytes([number % 251]) * size
        for number, size in enumerate([1, 5000, 300_000, 0, 17, 70_000, 1_000_000, 3, 3, 262_144, 262_145])
    ]

    async def app(scope, receive, send):
        await start(send, headers=[(b'content-length', b'%d' % sum(map(len, pieces)))])
        for piece in pieces:
            await body(send, piece, more=True)
        await body(send)

    async with encrypted(app) as server:
        assert (await server.get()).body == b''.join(pieces)
