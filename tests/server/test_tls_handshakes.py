"""Handshakes: who gets in, who does not and what the log says of it, and what those that hang about cannot do to others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
import ssl
import struct
from dataclasses import replace

import pytest

from granian.protocol.http2.frames import PREFACE
from granian.server import serving
from granian.server.tls.handshake import Handshake
from granian.server.tls.threads import WorkThreads
from granian.tls_terms import ClientTrust, Identity
from tests.helpers.certificates import CLIENT, SERVER, Authority, Issued, ec_key, rsa_key
from tests.helpers.serving import answer, echo
from tests.helpers.tls import TlsPeer, authority, finite_field_hello, tls_settings

# RFC 8446 5.1
SERVER_HELLO_RECORD = 22

pytestmark = pytest.mark.parametrize('engine', ['fast'], indirect=True)


@pytest.fixture
def encrypted(serve, tmp_path):
    """`serve` over TLS; changes to TlsSettings by `tls`."""

    def make(app=echo, tls=None, **options):
        return serve(app, tls=tls_settings(tmp_path, **(tls or {})), **options)

    return make


@pytest.fixture
def said(caplog):
    """Every line about handshakes, as (level, what follows the peer)."""
    caplog.set_level(logging.INFO, logger='_granian')

    def lines():
        found = [(record.levelname, record.getMessage()) for record in caplog.records if record.name == '_granian']
        pattern = re.compile(r'TLS handshake with 127\.0\.0\.1:\d+ failed: (.*)')
        return [(level, match[1]) for level, text in found if (match := pattern.fullmatch(text))]

    return lines


async def refused(client, context):
    """TLS 1.3 clients are done before the server looks at their certificate: they learn it from what they read."""

    async def get_in():
        await client.handshake(context)
        return await client.more()

    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await get_in()


async def let_in(server, context, *, served):
    """A client is answered, or refused and forgotten."""
    client = await server.connect(shake=False)
    if served:
        await client.handshake(context)
        await client.get()
        assert (await client.reply()).status == 200
    else:
        await refused(client, context)
        await server.until(lambda: not server.shared.connections)


def handshakes(server):
    return [each for each in server.connections if isinstance(each, Handshake)]


# ── client certificates ──────────────────────────────────────────────────────────────────────────────────────────────

MTLS = [
    # What the client shows, whether it must show one, and the line of the log where it does not get in.
    ('none', 'optional', None),
    ('none', 'required', 'peer did not return a certificate'),
    ('of another authority', 'optional', 'certificate verify failed: unable to get local issuer certificate'),
    ('of another authority', 'required', 'certificate verify failed: unable to get local issuer certificate'),
    ('expired', 'optional', 'certificate verify failed: certificate has expired'),
    ('expired', 'required', 'certificate verify failed: certificate has expired'),
    ('not yet valid', 'optional', 'certificate verify failed: certificate is not yet valid'),
    ('not yet valid', 'required', 'certificate verify failed: certificate is not yet valid'),
    ('revoked', 'optional', 'certificate verify failed: certificate revoked'),
    ('revoked', 'required', 'certificate verify failed: certificate revoked'),
    ('for servers', 'optional', 'certificate verify failed: … certificate purpose'),
    ('for servers', 'required', 'certificate verify failed: … certificate purpose'),
    ('good', 'optional', None),
    ('good', 'required', None),
]


@pytest.fixture(scope='module')
def shown():
    root = authority()
    return {
        'none': None,
        'of another authority': Authority('stranger').issue('mallory', usage=CLIENT),
        'expired': root.issue('alice', days=(-30, -1), usage=CLIENT),
        'not yet valid': root.issue('alice', days=(1, 30), usage=CLIENT),
        'revoked': root.issue('alice', usage=CLIENT),
        'for servers': root.issue('alice', usage=SERVER),
        'good': root.issue('alice', usage=CLIENT),
    }


@pytest.mark.parametrize(('version', 'tickets'), [('TLSv1_2', True), ('TLSv1_2', False), ('TLSv1_3', True)])
@pytest.mark.parametrize(('what', 'wish', 'reason'), MTLS)
async def test_client_with_certificate(what, wish, reason, version, tickets, shown, encrypted, tmp_path, said):
    names = []

    async def app(scope, receive, send):
        names.append(scope['extensions']['tls']['client_cert_name'])
        await answer(send)

    (tmp_path / 'ca.pem').write_text(authority().pem)
    (tmp_path / 'ca.crl').write_text(authority().revocations(shown['revoked']))
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (str(tmp_path / 'ca.crl'),), wish == 'required')
    context = authority().client_context(shown[what], tmp_path)
    context.maximum_version = ssl.TLSVersion[version]

    async with encrypted(app, tls={'clients': clients, 'tickets': tickets}) as server:
        await let_in(server, context, served=reason is None)
    # OpenSSL's word for it has changed between its versions.
    found = [(level, re.sub(r'uns\w+ certificate', '… certificate', text)) for level, text in said()]
    assert found == ([] if reason is None else [('WARNING', reason)])
    assert names == ([] if reason else ['CN=alice' if what == 'good' else None])


async def test_without_a_current_list_of_every_authority_nobody_is_let_in(encrypted, tmp_path, said):
    middle = Authority('middle', parent=authority())
    (tmp_path / 'ca.pem').write_text(authority().pem)
    (tmp_path / 'ca.crl').write_text(authority().revocations())
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (str(tmp_path / 'ca.crl'),), required=True)
    context = authority().client_context(middle.issue('alice', usage=CLIENT), tmp_path)

    async with encrypted(tls={'clients': clients}) as server:
        await let_in(server, context, served=False)
    assert said() == [('WARNING', 'certificate verify failed: unable to get certificate CRL')]


@pytest.mark.parametrize(
    ('revoked', 'lists', 'reason'),
    [
        (False, ('root', 'middle'), None),
        (True, ('root', 'middle'), 'certificate revoked'),
        (False, ('middle',), 'unable to get certificate CRL'),
    ],
)
async def test_authorities_between_are_looked_up_too(revoked, lists, reason, encrypted, tmp_path, said):
    root = authority()
    middle = Authority('middle', parent=root)
    of_root = root.revocations(*([Issued(middle.certificate, middle.key)] if revoked else []))
    found = {'root': of_root, 'middle': middle.revocations()}
    (tmp_path / 'ca.pem').write_text(root.pem)
    (tmp_path / 'ca.crl').write_text(''.join([found[name] for name in lists]))
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (str(tmp_path / 'ca.crl'),), required=True)
    context = root.client_context(middle.issue('alice', usage=CLIENT), tmp_path)

    async with encrypted(tls={'clients': clients}) as server:
        await let_in(server, context, served=reason is None)
    assert said() == ([] if reason is None else [('WARNING', f'certificate verify failed: {reason}')])


@pytest.mark.parametrize(
    ('issuer', 'served'), [('middle', True), ('bottom', True), ('root', False), ('other middle', False)]
)
async def test_authority_below_another_is_trusted_by_itself(issuer, served, encrypted, tmp_path):
    middle = Authority('middle', parent=authority())
    issuers = {
        'root': authority(), 'middle': middle, 'bottom': Authority('bottom', parent=middle),
        'other middle': Authority('other', parent=authority()),
    }  # fmt: skip
    (tmp_path / 'ca.pem').write_text(middle.pem)
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (), required=True)
    context = authority().client_context(issuers[issuer].issue('alice', usage=CLIENT), tmp_path)

    async with encrypted(tls={'clients': clients}) as server:
        await let_in(server, context, served=served)


@pytest.mark.parametrize('root', [True, False])
async def test_authority_below_another_needs_that_where_revocations_are_looked_up(root, encrypted, tmp_path, caplog):
    # Whether it is revoked itself only its issuer knows.
    middle = Authority('middle', parent=authority())
    (tmp_path / 'ca.pem').write_text(middle.pem + (authority().pem if root else ''))
    (tmp_path / 'ca.crl').write_text(middle.revocations() + authority().revocations())
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (str(tmp_path / 'ca.crl'),), required=True)
    context = authority().client_context(middle.issue('alice', usage=CLIENT), tmp_path)

    async with encrypted(tls={'clients': clients}) as server:
        await let_in(server, context, served=root)
    warned = 'with a client_crl its issuer must be there, too: CN=root'
    assert [warned] * (not root) == [warned for record in caplog.records if record.getMessage().endswith(warned)]


# ── what is agreed on ────────────────────────────────────────────────────────────────────────────────────────────────


async def test_older_versions_are_refused(encrypted, said):
    context = authority().client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2

    async with encrypted(tls={'min_version': '1.3'}) as server:
        client = await server.connect(shake=False)
        with pytest.raises(ssl.SSLError, match='PROTOCOL_VERSION'):
            await client.handshake(context)
        await server.until(lambda: not server.shared.connections)
    assert said() == [('INFO', 'unsupported protocol')]


@pytest.mark.parametrize(
    ('offered', 'agreed'),
    [(['http/1.1'], 'http/1.1'), (['h2', 'http/1.1'], 'http/1.1'), ([], None)],
)
async def test_application_protocol(offered, agreed, encrypted):
    context = authority().client_context()
    if offered:
        context.set_alpn_protocols(offered)

    async with encrypted() as server:
        client = await server.connect(shake=False)
        await client.handshake(context)
        assert client.peer.tls.selected_alpn_protocol() == agreed


@pytest.mark.parametrize(('http', 'first'), [('2', b'\x00\x00\x24\x04\x00'), ('auto', b'HTTP/')])
async def test_client_that_offers_no_protocol_is_spoken_to_in_the_one_it_may_expect(http, first, encrypted):
    alpn = ('h2',) if http == '2' else ('h2', 'http/1.1')
    async with encrypted(http=http, tls={'alpn': alpn}) as server:
        client = await server.connect()
        await client.send(PREFACE if http == '2' else b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        assert (await client.more(len(first)))[: len(first)] == first


@pytest.mark.parametrize('version', [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize('key', [ec_key, rsa_key])
async def test_client_that_only_speaks_other_protocols_is_refused(key, version, encrypted, said):
    # RFC 7301 3.2
    context = authority().client_context()
    context.maximum_version = version
    context.set_alpn_protocols(['spdy/3', 'h2', 'http/1.0'])

    async with encrypted(tls={'issued': authority().issue(key=key())}) as server:
        client = await server.connect(shake=False)
        client.peer = TlsPeer(context)
        await client.raw_send(client.peer.hello())
        assert await client.raw_more() == b'\x15\x03\x03\x00\x02\x02\x78'
        await server.until(lambda: not server.shared.connections)
    assert said() == [('INFO', 'it speaks none of the protocols that are offered')]


# RFC 7919: an exchange over a field of 8192 bits would hold up the loop for a tenth of a second and more.
@pytest.mark.parametrize('begun', [True, False])
@pytest.mark.parametrize('key', [ec_key, rsa_key])
async def test_client_that_wants_a_slow_exchange_of_keys_is_refused(key, begun, encrypted, said):
    hello = finite_field_hello(TlsPeer(authority().client_context()).hello(), begun=begun)

    async with encrypted(tls={'issued': authority().issue(key=key())}) as server:
        client = await server.connect(shake=False)
        await client.raw_send(hello)
        assert await client.raw_more() == b'\x15\x03\x03\x00\x02\x02\x28'
        await server.until(lambda: not server.shared.connections)
    assert said() == [('INFO', 'it wants an exchange of keys over a finite field')]


@pytest.mark.parametrize('tickets', [True, False])
async def test_host_that_is_not_ascii_is_refused(tickets, encrypted, tmp_path, said, capfd):
    # RFC 6066 3
    certificate, key = authority().issue('www').write(tmp_path, 'www')
    named = ((('www',), Identity(str(certificate), str(key))),)
    hello = TlsPeer(authority().client_context(), 'w' * 9).hello().replace(b'w' * 9, 'bücher.x'.encode())

    async with encrypted(tls={'named': named, 'tickets': tickets}) as server:
        client = await server.connect(shake=False)
        await client.raw_send(hello)
        assert await client.raw_more() == b'\x15\x03\x03\x00\x02\x02\x70'
        await server.until(lambda: not server.shared.connections)
    assert said() == [('INFO', 'it asks for a host whose name is not ASCII')]
    assert capfd.readouterr().err == ''


@pytest.mark.parametrize('tickets', [True, False])
@pytest.mark.parametrize(
    ('asked', 'given'),
    [
        ('localhost', 'localhost'), ('www.example.org', 'www'), ('WWW.EXAMPLE.ORG', 'www'), ('shop.example.org', 'any'), ('a.b.example.org', 'any'),
        ('example.org', 'localhost'), ('else.example', 'localhost'), (None, 'localhost'),
    ],
)  # fmt: skip
async def test_certificate_is_chosen_by_the_host_that_is_asked_for(asked, given, tickets, encrypted, tmp_path):
    named = []
    for common_name, hosts in (('any', ('*.example.org',)), ('www', ('www.example.org',))):
        certificate, key = authority().issue(common_name).write(tmp_path, common_name)
        named.append((hosts, Identity(str(certificate), str(key))))
    context = authority().client_context()
    context.check_hostname = False
    shown = []

    async def app(scope, receive, send):
        shown.append(scope['extensions']['tls']['server_cert'])
        await answer(send)

    async with encrypted(app, tls={'named': tuple(named), 'tickets': tickets}) as server:
        client = await server.connect(shake=False)
        await client.handshake(context, name=asked)
        assert client.peer.tls.getpeercert()['subject'] == ((('commonName', given),),)
        await client.get()
        await client.reply()
        assert shown == [ssl.DER_cert_to_PEM_cert(client.peer.tls.getpeercert(True))]


class CountingThreads(WorkThreads):
    count = 0

    def submit(self, work, done):
        self.count += 1
        super().submit(work, done)


@pytest.mark.parametrize(('key', 'count'), [(rsa_key, 1), (ec_key, 0)])
async def test_key_whose_signatures_take_long_is_worked_on_in_a_thread(key, count, encrypted):
    async with encrypted(tls={'issued': authority().issue(key=key())}) as server:
        server.serving._tls[0].threads = threads = CountingThreads(server.loop)
        clients = [await server.connect() for _ in range(5)]
        for client in clients:
            await client.get()
            assert (await client.reply()).status == 200
        assert threads.count == 5 * count
        threads.stop()


async def test_hello_in_pieces_does_not_bring_the_signature_to_the_loop(encrypted):
    async with encrypted(tls={'issued': authority().issue(key=rsa_key())}) as server:
        server.serving._tls[0].threads = threads = CountingThreads(server.loop)
        client = await server.connect(shake=False)
        hello = TlsPeer(authority().client_context()).hello()
        for part in (hello[:5], hello[5:100], hello[100:]):
            before = threads.count
            await client.raw_send(part)
            await server.until(lambda before=before: threads.count > before)
        assert (await client.raw_more())[0] == SERVER_HELLO_RECORD
        threads.stop()


class IdleThreads(WorkThreads):
    """Threads that never come to it."""

    def submit(self, work, done):
        self.started = False


async def test_client_is_not_read_while_a_thread_works_for_it(encrypted):
    async with encrypted(tls={'issued': authority().issue(key=rsa_key())}) as server:
        server.serving._tls[0].threads = IdleThreads(server.loop)
        client = await server.connect(shake=False)
        await client.raw_send(TlsPeer(authority().client_context()).hello())
        await server.until(lambda: handshakes(server) and handshakes(server)[0].working)
        (handshake,) = handshakes(server)
        await client.raw_send(b'more')
        await server.until(lambda: handshake._held)
        assert not handshake._transport.is_reading()
        handshake.fail('enough')


# ── abuse ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_plain_http_is_told_what_to_do(encrypted, said):
    async with encrypted() as server:
        client = await server.connect(shake=False)
        await client.raw_send(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        answered = await client.raw_more()
        assert answered.startswith(b'HTTP/1.1 400 Bad Request\r\n')
        assert answered.endswith(b'\r\n\r\nThis port speaks TLS: use https:// URL')
        assert b'content-length: 38\r\n' in answered
        assert await client.raw_more() == b''
        await server.until(lambda: not server.shared.connections)
    assert said() == [('INFO', 'it speaks HTTP without TLS')]


@pytest.mark.parametrize(
    'data', [b'\0' * 100, b'\x16\x03\x01\x00\x05hello', b'SSH-2.0-OpenSSH_9.2\r\n', bytes(range(256)) * 20]
)
async def test_garbage_ends_the_connection_and_is_logged_once(data, encrypted, said):
    async with encrypted() as server:
        client = await server.connect(shake=False)
        await client.raw_send(data)
        await server.until(lambda: not server.shared.connections)
        # An alert at most, or a reset for what was not read.
        with contextlib.suppress(ConnectionResetError):
            assert len(await client.raw_more()) <= 7
    assert [level for level, _ in said()] == ['INFO']


async def test_hello_in_single_bytes_is_a_hello(encrypted):
    async with encrypted() as server:
        client = await server.connect(shake=False)
        client.peer = TlsPeer(authority().client_context())
        for byte in client.peer.hello():
            await client.raw_send(bytes([byte]))
        await client.feed()
        client.peer.tls.do_handshake()
        await client.flush()
        await client.get()
        assert (await client.reply()).status == 200


@pytest.mark.parametrize('key', ['ec', 'rsa'])
@pytest.mark.parametrize('state', ['nothing', 'a byte', 'half a hello', 'a hello', 'all but the end'])
@pytest.mark.parametrize('end', ['close', 'reset'])
async def test_nothing_is_left_of_a_client_that_leaves(state, end, key, encrypted, said):
    issued = authority().issue(key=rsa_key()) if key == 'rsa' else authority().issue()
    async with encrypted(tls={'issued': issued}) as server:
        client = await server.connect(shake=False)
        client.peer = TlsPeer(authority().client_context())
        hello = client.peer.hello()
        data = {'nothing': b'', 'a byte': hello[:1], 'half a hello': hello[: len(hello) // 2]}.get(state, hello)
        await client.raw_send(data)
        await server.until(lambda: any(each._heard_of for each in handshakes(server)) or state == 'nothing')
        if state == 'all but the end':
            await client.feed()
            client.peer.tls.do_handshake()
            await client.raw_send(client.peer.outgoing.read()[:-1])
        getattr(client, end)()
        await server.until(lambda: not server.shared.connections)
    assert said() == ([] if state == 'nothing' else [('INFO', 'the client left')])


async def test_client_that_has_left_before_it_is_accepted_is_no_unix_socket(encrypted, caplog):
    caplog.set_level(logging.INFO, logger='_granian')
    async with encrypted() as server:
        with socket.create_connection(server.address) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            client.sendall(TlsPeer(authority().client_context()).hello())
        assert (await server.get()).status == 200
    lines = [record.getMessage() for record in caplog.records if 'failed: the client left' in record.getMessage()]
    assert ['Unix socket' in line for line in lines] == [False]


@pytest.mark.parametrize('state', ['nothing', 'half a hello', 'a hello'])
async def test_handshake_that_takes_too_long_is_cut(state, encrypted, said):
    async with encrypted(tls={'handshake_s': 0.2}) as server:
        client = await server.connect(shake=False)
        hello = TlsPeer(authority().client_context()).hello()
        await client.raw_send({'nothing': b'', 'half a hello': hello[:100], 'a hello': hello}[state])
        await server.until(lambda: handshakes(server))
        await server.until(lambda: not server.shared.connections)
    assert said() == ([] if state == 'nothing' else [('INFO', 'not done after 0.2 s')])


async def test_more_handshakes_than_the_limit_wait_their_turn(encrypted):
    async with encrypted(tls={'handshakes_max': 2}) as server:
        hello = TlsPeer(authority().client_context()).hello()
        first = [await server.connect(shake=False) for _ in range(2)]
        for client in first:
            await client.raw_send(hello[:100])
        await server.until(lambda: len(server.serving._tls[0].gate._active) == 2)
        late = asyncio.ensure_future(server.connect())
        await server.until(lambda: server.serving._tls[0].gate._waiting)
        assert not late.done()
        first[0].close()
        client = await late
        await client.get()
        assert (await client.reply()).status == 200


async def test_who_stalls_makes_room_for_who_comes(encrypted, said, monkeypatch):
    monkeypatch.setattr('granian.server.tls.handshake_gate.STALLED_S', 0.2)
    async with encrypted(tls={'handshakes_max': 2}) as server:
        stalled = [await server.connect(shake=False) for _ in range(2)]
        for client in stalled:
            await client.raw_send(b'\x16\x03\x01')
        gate = server.serving._tls[0].gate
        await server.until(
            lambda: len(gate._active) == 2 and server.shared.wheel.now - min(gate._active.values()) > 0.2
        )
        client = await server.connect()
        await client.get()
        assert (await client.reply()).status == 200
    assert ('INFO', 'it stalled while others waited') in said()


async def test_a_pile_of_those_that_stall_does_not_keep_others_out(encrypted, monkeypatch):
    monkeypatch.setattr('granian.server.tls.handshake_gate.STALLED_S', 0.2)
    async with encrypted(tls={'handshakes_max': 2, 'handshake_s': 60}) as server:
        gate = server.serving._tls[0].gate
        for _ in range(20):
            client = await server.connect(shake=False)
            await client.raw_send(b'\x16\x03\x01')
        await server.until(lambda: gate._waiting and server.shared.wheel.now - min(gate._waiting.values()) > 0.2)
        client = await server.connect()
        await client.get()
        assert (await client.reply()).status == 200
        assert gate._waiting


async def test_silent_connections_take_no_place(encrypted):
    async with encrypted(tls={'handshakes_max': 1}) as server:
        for _ in range(5):
            await server.connect(shake=False)
        await server.until(lambda: len(handshakes(server)) == 5)
        assert (await server.get()).status == 200


async def test_place_in_the_line_is_given_up_by_who_leaves(encrypted):
    async with encrypted(tls={'handshakes_max': 1}) as server:
        first = await server.connect(shake=False)
        await first.raw_send(b'\x16')
        gate = server.serving._tls[0].gate
        await server.until(lambda: gate._active)
        second = await server.connect(shake=False)
        await second.raw_send(b'\x16')
        await server.until(lambda: gate._waiting)
        second.reset()
        third = await server.connect(shake=False)
        first.close()
        await server.until(lambda: not gate._active)
        await third.handshake()
        await third.get()
        assert (await third.reply()).status == 200
        assert not gate._waiting


# ── the end of a worker ──────────────────────────────────────────────────────────────────────────────────────────────


async def test_handshake_that_has_begun_is_finished_and_its_request_answered(encrypted):
    async with encrypted() as server:
        client = await server.connect(shake=False)
        client.peer = TlsPeer(authority().client_context())
        hello = client.peer.hello()
        await client.raw_send(hello[:100])
        await server.until(lambda: any(each._heard_of for each in handshakes(server)))
        stopping = asyncio.ensure_future(server.serving.stop())
        await server.until(lambda: server.serving._services[0].draining)
        await client.raw_send(hello[100:])
        await client.feed()
        client.peer.tls.do_handshake()
        await client.flush()
        await client.get()
        assert (await client.reply())['connection'] == b'close'
        await client.closed()
        client.close()
        await stopping
        server._stopped = True


async def test_silent_connection_does_not_hold_up_the_end(encrypted):
    async with encrypted(graceful_timeout_s=60.0, holds_time=True) as server:
        await server.connect(shake=False)
        await server.until(lambda: handshakes(server))
        stopping = asyncio.ensure_future(server.stop())
        await server.until(lambda: server.serving._services[0].draining)
        await server.passes(serving.DRAIN_IDLE_S + 1)
        await stopping


async def test_handshake_that_does_not_end_is_cut_with_the_rest(encrypted, said):
    async with encrypted(graceful_timeout_s=0.2) as server:
        client = await server.connect(shake=False)
        await client.raw_send(b'\x16\x03\x01')
        await server.until(lambda: any(each._heard_of for each in handshakes(server)))
        await server.stop()
    assert said() == [('INFO', 'the server stops')]


async def test_connections_that_the_kernel_has_accepted_are_served(encrypted):
    async with encrypted() as server:
        sock = socket.create_connection(server.address)
        sock.setblocking(False)
        client = server._client(sock, server.loop)
        client.peer = TlsPeer(authority().client_context())
        sock.send(client.peer.hello())
        # Before the loop itself has come to accept it.
        stopping = asyncio.ensure_future(server.serving.stop())
        await client.feed()
        client.peer.tls.do_handshake()
        await client.flush()
        await client.get()
        assert (await client.reply()).status == 200
        await client.closed()
        client.close()
        await stopping
        server._stopped = True


async def test_http_over_a_unix_socket_can_be_encrypted(serve, tmp_path):
    settings = tls_settings(tmp_path)
    async with serve(echo, unix_path=tmp_path / 's', tls=replace(settings, handshake_s=5.0)) as server:
        assert (await server.get()).status == 200
