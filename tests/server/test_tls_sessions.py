"""Sessions: which cipher is agreed on, and how clients come back without a full handshake, or do not."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from granian.server import serving
from granian.server.tls.handshake import Handshake
from granian.tls_terms import ClientTrust
from tests.helpers.certificates import CLIENT, ec_key, rsa_key
from tests.helpers.serving import echo
from tests.helpers.tls import authority, tls_settings

pytestmark = pytest.mark.parametrize('engine', ['fast'], indirect=True)


@pytest.fixture
def encrypted(serve, tmp_path):
    """`serve` over TLS; changes to TlsSettings by `tls`."""

    def make(app=echo, tls=None, **options):
        return serve(app, tls=tls_settings(tmp_path, **(tls or {})), **options)

    return make


@pytest.mark.parametrize('version', ['TLSv1_2', 'TLSv1_3'])
@pytest.mark.parametrize('tickets', [True, False])
@pytest.mark.parametrize('knows_tickets', [True, False])
async def test_client_comes_back_by_ticket_or_not_at_all(version, tickets, knows_tickets, encrypted):
    context = authority().client_context()
    context.maximum_version = ssl.TLSVersion[version]
    context.options |= 0 if knows_tickets else ssl.OP_NO_TICKET

    async with encrypted(tls={'tickets': tickets}) as server:
        first = await server.connect(shake=False)
        await first.handshake(context)
        await first.get()
        await first.reply()
        second = await server.connect(shake=False)
        await second.handshake(context, session=first.peer.tls.session)
        assert second.peer.tls.session_reused is tickets
        await second.get()
        assert (await second.reply()).status == 200


@pytest.mark.parametrize('key', [ec_key, rsa_key])
@pytest.mark.parametrize('version', ['TLSv1_2', 'TLSv1_3'])
async def test_client_does_not_come_back_when_its_certificate_has_expired(
    version, key, encrypted, tmp_path, monkeypatch, caplog
):
    own = authority().issue('alice', usage=CLIENT)
    (tmp_path / 'ca.pem').write_text(authority().pem)
    context = authority().client_context(own, tmp_path)
    context.maximum_version = ssl.TLSVersion[version]
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (), required=False)

    async with encrypted(tls={'issued': authority().issue(key=key()), 'clients': clients}) as server:

        async def come(session=None):
            client = await server.connect(shake=False)
            await client.handshake(context, session=session)
            await client.get()
            assert (await client.reply()).status == 200
            return client.peer.tls

        first = await come()
        assert (await come(first.session)).session_reused
        late = own.certificate.not_valid_after_utc.timestamp() + 1
        monkeypatch.setattr('granian.server.tls.handshake.time.time', lambda: late)
        with pytest.raises((ssl.SSLError, OSError)):
            await come(first.session)
        await server.until(lambda: not [each for each in server.connections if isinstance(each, Handshake)])
    assert [
        record.levelname for record in caplog.records if 'certificate of the session has expired' in record.getMessage()
    ] == ['WARNING']


async def test_the_one_ticket_leaves_with_the_first_answer(encrypted):
    tickets = []

    def note(_tls, direction, _version, _content, kind, _data):
        if direction == 'read' and getattr(kind, 'name', '') == 'NEWSESSION_TICKET':
            tickets.append(kind)

    context = authority().client_context()
    context._msg_callback = note
    async with encrypted() as server:
        client = await server.connect(shake=False)
        await client.handshake(context)
        await client.get()
        # One write: the answer is there as soon as anything is.
        client.peer.incoming.write(await client.raw_more())
        assert client.peer.tls.read().startswith(b'HTTP/1.1 200')
        assert len(tickets) == 1
        await client.get()
        await client.reply()
        assert len(tickets) == 1


async def test_ticket_leaves_with_the_end_where_nothing_is_asked(encrypted):
    async with encrypted(holds_time=True, graceful_timeout_s=60) as server:
        client = await server.connect(shake=False)
        await client.handshake()
        await server.until(lambda: [each for each in server.connections if not isinstance(each, Handshake)])
        stopping = asyncio.ensure_future(server.stop())
        await server.until(lambda: server.serving._services[0].draining)
        await server.passes(serving.DRAIN_IDLE_S + 1)
        await stopping
        assert await client.more() == b''
        assert client.peer.tls.session.has_ticket


@pytest.mark.parametrize('liked', ['AES128-GCM-SHA256', 'AES256-GCM-SHA384', 'CHACHA20-POLY1305'])
async def test_cipher_is_the_one_that_the_client_likes_best(liked, encrypted):
    context = authority().client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f'ECDHE-ECDSA-{liked}:ECDHE+AESGCM:ECDHE+CHACHA20')

    async with encrypted() as server:
        client = await server.connect(shake=False)
        await client.handshake(context)
        assert client.peer.tls.cipher()[0] == f'ECDHE-ECDSA-{liked}'
