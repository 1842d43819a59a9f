"""Files on their way: past the transport or through it, in order, in bounded memory, and cut cleanly."""

from __future__ import annotations

import asyncio
import errno
import os
import threading

import pytest

from granian.errors import ClientDisconnected, FlowError, InvalidResponse
from granian.protocol.contract import ResponseDefaults
from granian.protocol.responses import response_head
from granian.server import passage
from tests.helpers.engines import HTTP1_ENGINES, LIMITS, Recorder
from tests.helpers.folders import folder, put
from tests.helpers.serving import answer, body, one_loop, start

ONLY_FAST = pytest.mark.parametrize('engine', ['fast'], indirect=True)
LARGE = 64 * 1024 * 1024


@pytest.fixture
def large(tmp_path):
    """More than any socket holds, in a folder of its own."""
    path = put(tmp_path, 'site/large')
    os.truncate(path, LARGE)
    return path


def descriptors():
    return len(os.listdir('/proc/self/fd'))


# ── the engines' part ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def talk(engine):
    """An engine that was asked something, by the request line."""

    def ask(line):
        made = HTTP1_ENGINES[engine](LIMITS, ResponseDefaults(b'', b''), Recorder())
        made.receive(line.encode() + b'\r\nhost: x\r\n\r\n')
        return made

    return ask


def length(count):
    return response_head(200, [(b'content-length', b'%d' % count)])


def test_skipped_bytes_count(talk):
    engine = talk('GET / HTTP/1.1')
    engine.start(1, length(1_000_000_000_000))
    assert engine.skip(1, 999_999_999_990)
    engine.write(1, b'0123456789')
    engine.finish(1)
    assert b''.join(engine.output).endswith(b'\r\n\r\n0123456789')
    assert not engine.closing


def test_skipping_less_than_was_said_cuts(talk):
    engine = talk('GET / HTTP/1.1')
    engine.start(1, length(10))
    assert engine.skip(1, 9)
    with pytest.raises(InvalidResponse):
        engine.finish(1)
    assert engine.closing


def test_skipping_more_than_was_said_cuts(talk):
    engine = talk('GET / HTTP/1.1')
    engine.start(1, length(10))
    with pytest.raises(InvalidResponse):
        engine.skip(1, 11)
    assert engine.closing


@pytest.mark.parametrize('line', ['GET / HTTP/1.1', 'HEAD / HTTP/1.1'])
def test_what_does_not_go_as_it_is_cannot_be_skipped(talk, line):
    engine = talk(line)
    engine.start(1, response_head(200, []))
    assert not engine.skip(1, 10)
    engine.write(1, b'x')
    engine.finish(1)
    assert not engine.closing


def test_a_body_that_ends_by_closing_can_be_skipped(talk):
    engine = talk('GET / HTTP/1.0')
    engine.start(1, response_head(200, []))
    assert engine.skip(1, 10)
    engine.finish(1)
    assert engine.closing
    assert not engine.broken


def test_nothing_can_be_skipped_out_of_order(talk):
    engine = talk('GET / HTTP/1.1')
    with pytest.raises(FlowError):
        engine.skip(1, 1)
    engine.respond(1, response_head(200, []), b'')
    with pytest.raises(FlowError):
        engine.skip(1, 1)


# ── open files ───────────────────────────────────────────────────────────────────────────────────────────────────────


def sends(*messages, headers=()):
    async def app(scope, receive, send):
        if scope['path'] == '/next':
            await answer(send, b'next')
            return
        await start(send, headers=headers)
        for message in messages:
            if isinstance(message, bytes):
                await body(send, message, more=True)
            else:
                await send({'type': 'http.response.zerocopysend', **message})

    return app


async def test_pieces_of_files_and_bytes_keep_their_order(serve, tmp_path):
    content = os.urandom(3_000_000)
    path = put(tmp_path, 'file', content)
    spans = [(0, 1_000_000), (5, 10), (100, 70_000), (1_000_000, 2_000_000)]
    with path.open('rb') as file:
        messages, wanted = [], b''
        for offset, count in spans:
            messages += [b'<', {'file': file, 'offset': offset, 'count': count, 'more_body': True}]
            wanted += b'<' + content[offset : offset + count]
        messages[-1]['more_body'] = False
        for headers in ([(b'content-length', b'%d' % len(wanted))], []):
            async with serve(sends(*messages, headers=headers)) as server:
                client = await server.connect()
                await client.send(b'GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n')
                assert (await client.reply()).body == wanted
                assert (await client.reply()).body == b'next'


@one_loop
async def test_a_buffered_file_is_sent_from_where_it_stands_and_moves_on(serve, tmp_path):
    content = os.urandom(300_000)
    with put(tmp_path, 'file', content).open('rb') as file:
        file.read(10)
        async with serve(sends({'file': file, 'count': 200_000}, headers=[(b'content-length', b'200000')])) as server:
            assert (await server.get()).body == content[10:200_010]
        assert file.read(5) == content[200_010:200_015]


@one_loop
async def test_a_pipe_is_sent_as_it_comes(serve):
    reading, writing = os.pipe()
    try:
        async with serve(sends({'file': reading})) as server:
            client = await server.connect()
            await client.get()
            os.write(writing, b'one')
            assert (await client.head()).status == 200
            assert await client.chunk() == b'one'
            os.write(writing, b'two')
            assert await client.chunk() == b'two'
            os.close(writing)
            assert await client.chunk() == b''
    finally:
        os.close(reading)


@ONLY_FAST
@one_loop
async def test_a_file_that_cannot_be_mapped_is_copied(loop, engine, large, monkeypatch):
    def unmapped(*_):
        raise OSError(errno.EINVAL, 'not mapped')

    monkeypatch.setattr(passage.os, 'sendfile', unmapped)
    content = os.urandom(5_000_000)
    large.write_bytes(content)
    async with folder(loop, engine, large.parent) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get('/large')
            assert (await client.reply()).body == content


@ONLY_FAST
@one_loop
@pytest.mark.skipif(not hasattr(os, 'posix_fadvise'), reason='cannot have the page cache forget')
async def test_a_file_that_is_not_in_memory_is_fetched_first(loop, engine, large):
    content = os.urandom(3_000_000)
    large.write_bytes(content)
    descriptor = os.open(large, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    async with folder(loop, engine, large.parent) as server:
        assert (await server.get('/large')).body == content


# ── clients ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_client_that_leaves_leaves_no_descriptor(loop, engine, large):
    async with folder(loop, engine, large.parent) as server:
        before = descriptors()
        clients = [await server.connect(receive_buffer_bytes=65536) for _ in range(5)]
        for client in clients:
            await client.get('/large')
            await client.exactly(100_000)
        for client in clients:
            client.reset()
        await server.until(lambda: not server.shared.connections and not server.shared.tasks)
        await server.until(lambda: descriptors() == before)


async def test_a_stop_that_cuts_a_download_leaves_no_descriptor(loop, engine, large):
    async with folder(loop, engine, large.parent, graceful_timeout_s=0.1) as server:
        before = descriptors()
        client = await server.connect(receive_buffer_bytes=65536)
        await client.get('/large')
        await client.exactly(100_000)
        await server.stop()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await client.exactly(LARGE)
        client.close()
        await server.until(lambda: descriptors() < before)


@one_loop
async def test_a_client_that_takes_nothing_is_cut_in_time(loop, engine, large):
    async with folder(loop, engine, large.parent, holds_time=True, timeouts={'write_s': 30}) as server:
        client = await server.connect(receive_buffer_bytes=65536)
        await client.get('/large')
        await client.head()
        await server.until(lambda: any(each.blocked for each in server.connections))
        assert 30 <= await server.passes_until(lambda: not server.shared.connections) < 300


@one_loop
async def test_a_client_that_takes_a_little_at_a_time_is_not_cut(loop, engine, large):
    async with folder(loop, engine, large.parent, holds_time=True, timeouts={'write_s': 30}) as server:
        client = await server.connect(receive_buffer_bytes=65536)
        await client.get('/large')
        await client.head()
        await server.until(lambda: any(each.blocked for each in server.connections))
        for _ in range(40):
            # Far less than what makes the kernel say that there is room.
            assert len(await client.exactly(20_000)) == 20_000
            await server.passes(3)
        assert server.shared.connections


@ONLY_FAST
async def test_a_fast_client_does_not_keep_others_waiting(loop, engine, large):
    put(large.parent, 'small', b'small')
    async with folder(loop, engine, large.parent) as server:
        done = threading.Event()

        def download():
            import socket

            with socket.create_connection(server.address) as sock:
                sock.sendall(b'GET /large HTTP/1.1\r\nHost: x\r\n\r\n')
                taken = 0
                while taken < LARGE:
                    taken += len(sock.recv(1 << 20))
                done.set()

        thread = threading.Thread(target=download)
        thread.start()
        served = 0
        while not done.is_set():
            assert (await server.get('/small')).body == b'small'
            served += 1
        thread.join()
        assert served > 2


@one_loop
async def test_the_write_limits_of_the_transport_are_given_back(loop, engine, tmp_path):
    put(tmp_path, 'a', b'x' * 200_000)
    put(tmp_path, 'b', b'y')
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        await client.send(b'GET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /a HTTP/1.1\r\nHost: x\r\n\r\n')
        assert (await client.reply()).body == b'y'
        assert (await client.reply()).body == b'x' * 200_000
        (connection,) = server.shared.connections
        await server.until(lambda: not connection.blocked)
        assert connection._transport.get_write_buffer_limits() == (16 * 1024, 64 * 1024)


def test_a_passage_says_that_the_client_is_gone():
    class Closing:
        def is_closing(self):
            return True

        def get_extra_info(self, name):
            return self

        def fileno(self):
            return 0

        def abort(self):
            raise AssertionError

    way = passage.Passage(Closing(), None, None, None)
    with pytest.raises(ClientDisconnected):
        way.send(0, 0, 1)
