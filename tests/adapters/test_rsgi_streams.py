from __future__ import annotations

import asyncio
import gc
import threading

import pytest

from granian.rsgi import HTTPStreamTransport, ProtocolClosed, ProtocolError
from tests.helpers.rsgi import by_path
from tests.helpers.serving import PATIENCE_S, asyncio_timeout, one_loop

MIB = 1024 * 1024


async def test_a_body_is_streamed_in_chunks(serve_rsgi):
    async def stream(protocol):
        transport = protocol.response_stream(201, [('x-one', '1')])
        assert isinstance(transport, HTTPStreamTransport)
        await transport.send_bytes(b'ab')
        await asyncio.sleep(0)
        await transport.send_str('ç')

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get('/stream')
            head = await client.head()
            assert (head.status, head['x-one'], head['transfer-encoding']) == (201, b'1', b'chunked')
            assert [await client.chunk(), await client.chunk(), await client.chunk()] == [b'ab', 'ç'.encode(), b'']
            assert await client.line() == b''


async def test_defaults_are_200_and_no_headers(serve_rsgi):
    async def stream(protocol):
        await protocol.response_stream().send_str('x')

    async with serve_rsgi(by_path(stream=stream)) as server:
        reply = await server.get('/stream')
        assert (reply.status, reply.body) == (200, b'x')
        assert {name for name, _ in reply.fields} == {b'server', b'date', b'transfer-encoding'}


@one_loop
async def test_a_stream_of_nothing_is_an_empty_body(serve_rsgi):
    async def stream(protocol):
        protocol.response_stream(200, [])

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream')
        assert (await client.reply()).body == b''
        await client.get('/next')
        assert (await client.reply()).body == b'next'


@pytest.mark.parametrize('kind', [bytes, bytearray, memoryview])
async def test_empty_pieces_do_not_end_the_body(serve_rsgi, kind):
    async def stream(protocol):
        transport = protocol.response_stream()
        await transport.send_bytes(kind(b''))
        await transport.send_str('')
        await transport.send_bytes(kind(b'x'))

    async with serve_rsgi(by_path(stream=stream)) as server:
        assert (await server.get('/stream')).body == b'x'


@pytest.mark.parametrize(('version', 'headers'), [('1.0', []), ('1.1', [('content-length', '6')])])
async def test_a_body_is_framed_as_the_client_and_the_application_want_it(serve_rsgi, version, headers):
    async def stream(protocol):
        transport = protocol.response_stream(200, headers)
        await transport.send_bytes(b'abc')
        await transport.send_bytes(b'def')

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream', version=version)
        reply = await client.reply()
        assert reply.body == b'abcdef'
        assert 'transfer-encoding' not in reply


async def test_head_gets_no_body(serve_rsgi):
    async def stream(protocol):
        await protocol.response_stream().send_bytes(b'abc')

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream', method='HEAD')
        assert (await client.reply(to_head=True)).status == 200
        await client.get('/next')
        assert (await client.reply()).body == b'next'


async def test_the_head_is_sent_while_the_application_waits_for_its_first_piece(serve_rsgi):
    go_on = asyncio.Event()

    async def stream(protocol):
        transport = protocol.response_stream(200, [('x-one', '1')])
        await go_on.wait()
        await transport.send_bytes(b'x')

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream')
        assert (await client.head())['x-one'] == b'1'
        go_on.set()
        assert await client.chunk() == b'x'
        assert await client.chunk() == b''


async def test_each_piece_is_sent_at_once(serve_rsgi):
    go_on = asyncio.Event()

    async def stream(protocol):
        transport = protocol.response_stream()
        await transport.send_bytes(b'first')
        await go_on.wait()
        await transport.send_bytes(b'second')

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream')
        await client.head()
        assert await client.chunk() == b'first'
        go_on.set()
        assert await client.chunk() == b'second'


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('where', ['here', 'in a cycle', 'in a thread'])
async def test_a_stream_ends_when_its_transport_is_dropped(serve_rsgi, where):
    go_on = asyncio.Event()

    async def stream(protocol):
        transport = protocol.response_stream()
        await transport.send_bytes(b'x')
        held = [transport]
        del transport
        if where == 'in a cycle':
            held.append(held)
            del held
            gc.collect()
        elif where == 'in a thread':
            thread = threading.Thread(target=held.clear)
            thread.start()
            thread.join()
        else:
            held.clear()
        await go_on.wait()

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream')
        assert (await client.reply()).body == b'x'
        await client.get('/next')
        assert (await client.reply()).body == b'next'
        go_on.set()


async def test_a_stream_ends_with_the_application_although_something_holds_its_transport(serve_rsgi):
    kept = []

    async def stream(protocol):
        kept.append(protocol.response_stream())
        await kept[-1].send_bytes(b'x')

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream')
        assert (await client.reply()).body == b'x'
        for send in (kept[0].send_bytes(b'y'), kept[0].send_str('y')):
            with pytest.raises(ProtocolClosed, match=r'^RSGI transport is closed$') as caught:
                await send
            assert isinstance(caught.value, RuntimeError)
        await client.get('/next')
        assert (await client.reply()).body == b'next'


@one_loop
async def test_a_sender_that_waits_is_let_go_when_the_application_ends(serve_rsgi):
    sent = asyncio.Event()
    senders = []

    async def send_much(transport):
        for _ in range(100):
            await transport.send_bytes(bytes(MIB))
            sent.set()

    async def stream(protocol):
        senders.append(asyncio.ensure_future(send_much(protocol.response_stream())))
        await sent.wait()
        while not senders[0].get_stack() or not server.shared.connections or not blocked(server):
            await asyncio.sleep(0)

    def blocked(server):
        return next(iter(server.shared.connections)).blocked

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect(receive_buffer_bytes=16384)
        await client.get('/stream')
        await server.until(lambda: senders and senders[0].done())
        with pytest.raises(ProtocolClosed):
            senders[0].result()
        client.reset()


@pytest.mark.parametrize('error', [ValueError('no'), asyncio.CancelledError()])
@pytest.mark.parametrize('headers', [[], [('content-length', '100')]])
async def test_an_exception_cuts_the_stream_short(serve_rsgi, error, headers, caplog):
    async def stream(protocol):
        transport = protocol.response_stream(200, headers)
        await transport.send_bytes(b'x')
        raise error

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream')
        with pytest.raises(asyncio.IncompleteReadError):
            await client.reply()
    assert caplog.messages == ['Application callable raised an exception']


@one_loop
async def test_a_stream_that_is_shorter_than_it_said_is_cut(serve_rsgi, caplog):
    async def stream(protocol):
        await protocol.response_stream(200, [('content-length', '100')]).send_bytes(b'x')

    async with serve_rsgi(by_path(stream=stream)) as server:
        with pytest.raises(asyncio.IncompleteReadError):
            await server.get('/stream')
    assert caplog.messages[0].startswith('Application response refused: body shorter')


@one_loop
async def test_a_stream_that_is_longer_than_it_said_is_an_error(serve_rsgi):
    raised = []

    async def stream(protocol):
        transport = protocol.response_stream(200, [('content-length', '2')])
        await transport.send_bytes(b'x')
        with pytest.raises(ProtocolError):
            await transport.send_bytes(b'yz')
        with pytest.raises(ProtocolClosed):
            await transport.send_bytes(b'y')
        raised.append(True)

    async with serve_rsgi(by_path(stream=stream)) as server:
        with pytest.raises(asyncio.IncompleteReadError):
            await server.get('/stream')
    assert raised


# ── more than one response, wrong use ────────────────────────────────────────────────────────────────────────────────


async def test_a_second_stream_is_an_error_and_a_second_response_is_nothing(serve_rsgi):
    async def stream(protocol):
        transport = protocol.response_stream()
        with pytest.raises(ProtocolError, match=r'^RSGI protocol error$'):
            protocol.response_stream()
        protocol.response_str(500, [], 'second')
        protocol.response_file(500, [], __file__)
        await transport.send_bytes(b'first')

    async with serve_rsgi(by_path(stream=stream)) as server:
        reply = await server.get('/stream')
        assert (reply.status, reply.body) == (200, b'first')


@one_loop
@pytest.mark.parametrize('wrong', ['text', 3, None, [b'x']])
async def test_a_piece_of_the_wrong_type_is_an_error_and_harms_nothing(serve_rsgi, wrong):
    async def stream(protocol):
        transport = protocol.response_stream()
        with pytest.raises(TypeError):
            await transport.send_bytes(wrong)
        with pytest.raises(TypeError):
            await transport.send_str(b'bytes')
        await transport.send_bytes(b'x')

    async with serve_rsgi(by_path(stream=stream)) as server:
        assert (await server.get('/stream')).body == b'x'


# ── back-pressure ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('headers', [[], [('content-length', str(200 * MIB))]])
async def test_an_application_is_held_back_by_a_client_that_does_not_read(serve_rsgi, headers):
    sent = []

    async def stream(protocol):
        transport = protocol.response_stream(200, headers)
        for _ in range(200):
            await transport.send_bytes(bytes(MIB))
            sent.append(MIB)

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect(receive_buffer_bytes=16384)
        await client.get('/stream')
        counts = []
        while len(counts) < 3 or counts[-1] != counts[-3]:
            counts.append(len(sent))
            await asyncio.sleep(0.02)
        # The rest is in the kernel's buffers.
        assert sum(sent) < 20 * MIB
        await client.head()
        assert len(await client.exactly(8 * MIB)) == 8 * MIB
        async with asyncio_timeout(5):
            while len(sent) == counts[-1]:
                await asyncio.sleep(0)
        client.reset()


@one_loop
async def test_a_large_stream_arrives_whole(serve_rsgi):
    async def stream(protocol):
        transport = protocol.response_stream()
        for number in range(64):
            await transport.send_bytes(bytes([number]) * MIB)

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream')
        await client.head()
        received = bytearray()
        while piece := await client.chunk():
            received += piece
        assert received == b''.join(bytes([number]) * MIB for number in range(64))


@pytest.mark.parametrize('when', ['between pieces', 'held back'])
async def test_a_client_that_leaves_closes_the_transport(serve_rsgi, when, caplog):
    raised = asyncio.Queue()
    begun = asyncio.Event()

    async def stream(protocol):
        transport = protocol.response_stream()
        try:
            while True:
                await transport.send_bytes(b'x' if when == 'between pieces' else bytes(MIB))
                begun.set()
                await asyncio.sleep(0)
        except ProtocolClosed as exc:
            raised.put_nowait(str(exc))
            raise

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect(receive_buffer_bytes=16384)
        await client.get('/stream')
        await asyncio.wait_for(begun.wait(), 5)
        if when == 'held back':
            await server.until(lambda: next(iter(server.shared.connections)).blocked)
        client.reset()
        assert await asyncio.wait_for(raised.get(), 5) == 'RSGI transport is closed'
    assert not [record for record in caplog.records if record.levelname == 'ERROR']


async def test_request_and_response_can_stream_at_the_same_time(serve_rsgi):
    async def stream(protocol):
        transport = protocol.response_stream()
        async for piece in protocol:
            await transport.send_bytes(piece.upper())

    async with serve_rsgi(by_path(stream=stream)) as server:
        client = await server.connect()
        await client.get('/stream', 'Transfer-Encoding: chunked', method='POST')
        await client.head()
        for _ in range(3):
            await client.send(b'2\r\nab\r\n')
            assert await client.chunk() == b'AB'
        await client.send(b'0\r\n\r\n')
        assert await client.chunk() == b''


@one_loop
async def test_a_stream_that_its_client_takes_at_once_leaves_others_a_turn(serve_rsgi):
    told = asyncio.get_running_loop().create_future()

    async def app(scope, protocol):
        transport = protocol.response_stream()
        turn = asyncio.Event()
        await transport.send_bytes(b'x')
        asyncio.get_running_loop().call_soon(turn.set)
        pieces = 0
        while pieces < 1000 and not turn.is_set():
            await transport.send_bytes(b'x' * 1024)
            pieces += 1
        told.set_result(pieces)

    async with serve_rsgi(app) as server:
        client = await server.connect()
        await client.get('/')
        assert await asyncio.wait_for(told, PATIENCE_S) < 1000
