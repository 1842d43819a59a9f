"""The buffers that all connections of a listener use in turn: what one leaves in them would be sent, or read, by the next."""

from __future__ import annotations

import contextlib
import ssl
from ctypes import c_void_p

import pytest

from tests.attacks.key_updates import KeyUpdater, library
from tests.helpers.certificates import ec_key, rsa_key
from tests.helpers.serving import echo, one_loop
from tests.helpers.tls import TlsPeer, authority, tls_settings

pytestmark = pytest.mark.parametrize('engine', ['fast'], indirect=True)
UPDATE_REQUESTED = 1
SET_MAX_VERSION = 124


@pytest.fixture
def encrypted(serve, tmp_path):
    """`serve` over TLS; changes to TlsSettings by `tls`."""

    def make(app=echo, tls=None, **options):
        return serve(app, tls=tls_settings(tmp_path, **(tls or {})), **options)

    return make


def pending(server):
    """Bytes in the buffers of those that share them."""
    listener = server.serving._tls[0]
    return [each.pending for each in listener.buffers(listener.credentials)]


def record_of(client, data=b'GET / HTTP/1.1\r\nHost: a\r\n\r\n'):
    client.peer.tls.write(data)
    return client.peer.outgoing.read()


def head_of(count):
    return b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n' % count


def records_of(client, data):
    return [record_of(client, data[at : at + 16_384]) for at in range(0, len(data), 16_384)]


class Held:
    """The most that a pump's buffers held at once, as far as it was read or is to be."""

    def __init__(self, pump):
        self.incoming_bytes_max = self.outgoing_bytes_max = 0
        self._buffers = pump._incoming, pump._outgoing
        self._read = pump._read
        self._pump = pump
        pump._read = self.read
        pump._tls = Writes(pump._tls, self)

    def read(self, count):
        self.incoming_bytes_max = max(self.incoming_bytes_max, self._buffers[0].pending)
        return self._read(count)


class Writes:
    def __init__(self, tls, held):
        self._tls, self._held = tls, held

    def write(self, data):
        written = self._tls.write(data)
        self._held.outgoing_bytes_max = max(self._held.outgoing_bytes_max, self._held._buffers[1].pending)
        return written

    def __getattr__(self, name):
        return getattr(self._tls, name)


async def half_a_hello(client):
    await client.raw_send(TlsPeer(authority().client_context()).hello()[:100])


async def old_version(client):
    context = authority().client_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    await client.raw_send(TlsPeer(context).hello() + b'more')


async def plain_http(client):
    await client.raw_send(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n' + bytes(1000))


async def garbage(client):
    await client.raw_send(b'\x16\x03\x01\x00\x04' + bytes(1000))


async def handshake(client):
    """A ticket is owed from here on."""
    await client.handshake()


async def half_a_record(client):
    await client.handshake()
    await client.raw_send(record_of(client)[:20])


async def a_record_and_a_half(client):
    await client.handshake()
    await client.raw_send(record_of(client) + record_of(client)[:20])


async def damaged_record_before_others(client):
    await client.handshake()
    record = bytearray(record_of(client))
    record[-1] ^= 1
    await client.raw_send(bytes(record) + record_of(client))


async def damaged_record_behind_another(client):
    await client.handshake()
    first, second = record_of(client), bytearray(record_of(client))
    second[-1] ^= 1
    await client.raw_send(first + second + record_of(client))


async def bytes_behind_the_end(client):
    await client.handshake()
    with contextlib.suppress(ssl.SSLError):
        client.peer.tls.unwrap()
    await client.raw_send(client.peer.outgoing.read() + bytes(1000))


async def request_end_and_bytes_behind_it(client):
    await client.handshake()
    record = record_of(client)
    with contextlib.suppress(ssl.SSLError):
        client.peer.tls.unwrap()
    await client.raw_send(record + client.peer.outgoing.read() + bytes(1000))


async def shaken(client, version):
    """A client of OpenSSL's own, which can do more than Python's."""
    openssl = library()
    if openssl is None:
        pytest.skip('there is no libssl, which updates keys')
    updater = KeyUpdater(openssl, b'\x08http/1.1')
    openssl.SSL_ctrl(c_void_p(updater._tls), SET_MAX_VERSION, version, None)
    done = updater.shake()
    while not done:
        await client.raw_send(updater.out())
        done = updater.shake(await client.raw_more())
    return updater, openssl


async def update_of_keys(client):
    """The server owes one of its own from here on (RFC 8446 4.6.3); the request behind it is not whole."""
    updater, openssl = await shaken(client, 0x0304)
    openssl.SSL_key_update(updater._tls, UPDATE_REQUESTED)
    openssl.SSL_do_handshake(updater._tls)
    updater.write(b'GET / HTTP/1.1\r\n')
    await client.raw_send(updater.out())


async def wish_to_negotiate_anew(client):
    """The server refuses by an alert of its own, at once; the request before it is whole."""
    updater, openssl = await shaken(client, 0x0303)
    updater.write(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    openssl.SSL_renegotiate(c_void_p(updater._tls))
    openssl.SSL_do_handshake(updater._tls)
    await client.raw_send(updater.out())


@pytest.mark.parametrize(
    'disturb',
    [
        half_a_hello, old_version, plain_http, garbage, handshake, half_a_record, a_record_and_a_half,
        damaged_record_before_others, damaged_record_behind_another, bytes_behind_the_end, request_end_and_bytes_behind_it,
        update_of_keys, wish_to_negotiate_anew,
    ],
    ids=lambda each: each.__name__,
)  # fmt: skip
async def test_nothing_is_left_for_another_connection(disturb, encrypted):
    left = []

    async def app(scope, receive, send):
        left.append(pending(server))
        await echo(scope, receive, send)

    async with encrypted(app, tls={'min_version': '1.3' if disturb is old_version else '1.2'}) as server:
        steady = await server.connect()
        other = await server.connect(shake=False)
        await disturb(other)
        for size in (1, 100_000, 1):
            await steady.post('/', bytes(size))
            assert (await steady.reply()).body == bytes(size)
            left.append(pending(server))
        newcomer = await server.connect()
        await newcomer.get()
        assert (await newcomer.reply()).status == 200
        other.reset()
    assert not any(map(sum, left))


@one_loop
async def test_records_that_come_in_two_reads_each_are_not_taken_for_nothing(encrypted):
    async with encrypted() as server:
        client = await server.connect()
        await client.get()
        assert (await client.reply()).status == 200
        [pump] = [each._transport for each in server.connections]
        await client.send(b'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 160000\r\n\r\n')
        for _ in range(10):
            record = record_of(client, bytes(16_000))
            await client.raw_send(record[:-20])
            await server.until(lambda: pump._has_part)
            await client.raw_send(record[-20:])
            await server.until(lambda: not pump._has_part)
        assert len((await client.reply()).body) == 160_000


@one_loop
async def test_buffers_of_their_own_stay_small(encrypted):
    async with encrypted(tls={'issued': authority().issue(key=rsa_key())}) as server:
        client = await server.connect()
        await client.get()
        assert (await client.reply()).status == 200
        [pump] = [each._transport for each in server.connections]
        held = Held(pump)
        await client.raw_send(b''.join([record_of(client, head_of(1_000_000)), *records_of(client, bytes(1_000_000))]))
        assert (await client.reply()).body == bytes(1_000_000)
        assert 16_000 < held.incoming_bytes_max <= 16 * 1024
        assert 16_000 < held.outgoing_bytes_max <= 17 * 1024


@one_loop
@pytest.mark.parametrize(('key', 'count'), [(ec_key, 1), (rsa_key, 5)])
async def test_connections_share_buffers_unless_threads_use_them(key, count, encrypted):
    """Each keeps as much memory as it ever held: hundreds of KiB for each connection that was busy once."""
    async with encrypted(tls={'issued': authority().issue(key=key())}) as server:
        for client in [await server.connect() for _ in range(5)]:
            await client.get()
            assert (await client.reply()).status == 200
        pumps = [each._transport for each in server.connections]
        for name in ('_incoming', '_outgoing'):
            assert len({id(getattr(each, name)) for each in pumps}) == count
