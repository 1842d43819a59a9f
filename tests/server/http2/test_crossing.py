"""From HTTP/1.1 to HTTP/2 in clear by `Upgrade: h2c` (RFC 7540 3.2)."""

from __future__ import annotations

import base64

import pytest

from granian.server.settings import ProxySettings
from tests.helpers import http2_client as h2
from tests.helpers.http2_client import Peer
from tests.helpers.serving import answer, one_loop, read_body


async def say(scope, receive, send):
    body = await read_body(receive)
    names = b','.join(name for name, _ in scope['headers'])
    await answer(send, f'{scope["http_version"]} {scope["path"]} '.encode() + names + b' ' + body)


def offer(values=None, **changes):
    payload = h2.settings(values)[9:]
    fields = {
        'Connection': 'Upgrade, HTTP2-Settings',
        'Upgrade': 'h2c',
        'HTTP2-Settings': base64.urlsafe_b64encode(payload).decode().rstrip('='),
    }
    fields.update(changes)
    return [f'{name}: {value}' for name, value in fields.items() if value is not None]


async def crossed(server, *fields, values=None, behind=b''):
    """A client whose request was taken over, as stream 1."""
    client = await server.connect()
    lines = ['GET /first HTTP/1.1', 'Host: test', *offer(values), *fields, '', '']
    await client.send('\r\n'.join(lines).encode() + behind)
    line = await client.line()
    assert line == b'HTTP/1.1 101 Switching Protocols'
    names = dict(await client._fields())
    assert names[b'upgrade'] == b'h2c'
    peer = Peer(client)
    peer._data, client._data = client._data, b''
    peer._next = 3
    return peer


async def test_a_request_goes_over_and_is_the_first_stream(serve):
    async with serve(say) as server:
        peer = await crossed(server, 'X-More: 1')
        await peer.send(h2.PREFACE + h2.settings())
        assert (await peer.reply(1)).body == b'2 /first host,x-more '
        assert (await peer.ask('/second')).body == b'2 /second host '
        assert not server.shared.gate.busy


async def test_the_preface_may_come_with_the_request(serve):
    async with serve(say) as server:
        peer = await crossed(server, behind=h2.PREFACE + h2.settings())
        assert (await peer.reply(1)).body.startswith(b'2 /first')


@one_loop
async def test_the_settings_of_the_offer_hold(serve):
    async with serve(say) as server:
        peer = await crossed(server, values={h2.INITIAL_WINDOW_SIZE: 3})
        await peer.send(h2.PREFACE + h2.settings({h2.INITIAL_WINDOW_SIZE: 3}))
        peer.greedy = False
        await peer.until(lambda: 1 in peer.answers and len(peer.answers[1].body) == 3)
        await peer.acked()
        assert len(peer.answers[1].body) == 3
        await peer.open(1000, 1)
        assert (await peer.reply(1)).body == b'2 /first host '


@pytest.mark.parametrize(
    'changes',
    [
        {'HTTP2-Settings': None},
        {'HTTP2-Settings': '!'},
        {'HTTP2-Settings': 'AAMAAABk\r\nHTTP2-Settings: AAMAAABk'},
        {'HTTP2-Settings': 'AAMAAAA'},
        {'Connection': 'Upgrade'},
        {'Upgrade': 'h2'},
        {'Upgrade': 'h2c, websocket'},
    ],
    ids=str,
)
@one_loop
async def test_an_offer_that_is_none_is_answered_as_it_is(serve, changes):
    async with serve(say) as server:
        client = await server.connect()
        await client.get('/', *offer(**changes))
        reply = await client.reply()
        if 'websocket' in (changes.get('Upgrade') or ''):
            # That goes first, and this is no good request for one.
            assert reply.status == 400
        else:
            assert reply.body.startswith(b'1.1 /')


@one_loop
async def test_a_request_with_a_body_stays(serve):
    async with serve(say) as server:
        client = await server.connect()
        await client.post('/', b'body', *offer())
        assert (await client.reply()).body.endswith(b' body')


@pytest.mark.parametrize(('trusted', 'version'), [('127.0.0.1', b'1.1'), ('10.0.0.1', b'2')])
@one_loop
async def test_the_client_of_a_trusted_proxy_cannot_speak_past_it(serve, trusted, version):
    proxies = ProxySettings((trusted,), ('x-forwarded-for',), proxy_protocol=False)
    async with serve(say, proxies=proxies) as server:
        if version == b'2':
            peer = await crossed(server, behind=h2.PREFACE + h2.settings())
            reply = await peer.reply(1)
        else:
            client = await server.connect()
            await client.get('/', *offer())
            reply = await client.reply()
        assert reply.body.startswith(version + b' /')


@one_loop
async def test_where_only_http1_is_spoken_the_offer_is_ignored(serve):
    async with serve(say, http='1') as server:
        client = await server.connect()
        await client.get('/', *offer())
        assert (await client.reply()).body.startswith(b'1.1 /')


@pytest.mark.parametrize('setting', [(h2.INITIAL_WINDOW_SIZE, 2**31), (2, 2), (5, 1), (8, 2)], ids=str)
@one_loop
async def test_an_offer_of_settings_that_may_not_be_is_answered_as_it_is(serve, setting):
    async with serve(say) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get('/', *offer(dict([setting])))
            assert (await client.reply()).body.startswith(b'1.1 /')


@one_loop
async def test_a_client_that_leaves_while_it_crosses_leaves_nothing(serve):
    async with serve(say) as server:
        client = await server.connect()
        await client.get('/', *offer())
        client.reset()
        await server.until(lambda: not server.shared.connections)


@one_loop
async def test_what_follows_and_is_no_preface_ends_it(serve):
    async with serve(say) as server:
        peer = await crossed(server, behind=b'GET / HTTP/1.1\r\nHost: test\r\n\r\n')
        await peer.until(lambda: peer.goaways)
        assert peer.goaways[0][1] == h2.PROTOCOL_ERROR
        await peer.cut()
