"""Certificates that are replaced while the server runs, and those that come to their end."""

from __future__ import annotations

import asyncio
import logging
import os

import pytest
from cryptography.x509 import ObjectIdentifier, UnrecognizedExtension

from granian.certificates import CertificateFault
from granian.server.tls.credentials import Credentials
from granian.server.tls.handshake import Handshake
from granian.tls_terms import ClientTrust, Identity
from tests.helpers.certificates import ANY_USAGE, CLIENT, DAY, SERVER, Authority, now
from tests.helpers.serving import echo, one_loop
from tests.helpers.tls import TlsPeer, authority, site, tls_settings

NOT_LOOKING = {'reload_s': 3600.0}


@pytest.fixture
def engine():
    return 'fast'


@pytest.fixture
def encrypted(serve, tmp_path):
    """`serve` over TLS, looking at its files all the time; changes to TlsSettings by `tls`."""

    def make(tls=None, app=echo):
        return serve(app, tls=tls_settings(tmp_path, **{'reload_s': 0.02, **(tls or {})}))

    return make


@pytest.fixture
def said(caplog):
    caplog.set_level(logging.INFO, logger='_granian')
    return lambda: [
        record.getMessage() for record in caplog.records if record.getMessage().startswith('TLS certificate')
    ]


def replace(issued, folder, stem='site'):
    """As tools do that renew certificates: each file whole, one after the other."""
    certificate, key = issued.write(folder, f'new-{stem}')
    os.replace(certificate, folder / f'{stem}.pem')
    os.replace(key, folder / f'{stem}.key')


async def serial(server):
    """Of the certificate that a new client is shown."""
    client = await server.connect()
    shown = int(client.peer.tls.getpeercert()['serialNumber'], 16)
    client.close()
    return shown


async def shown(server, issued):
    async def until():
        while await serial(server) != issued.certificate.serial_number:
            await asyncio.sleep(0.01)

    await asyncio.wait_for(until(), 10)


async def test_certificate_is_replaced_twenty_times_under_load_and_no_request_fails(encrypted, tmp_path):
    stop = asyncio.Event()
    counts = [0, 0]

    async def ask_on_one_connection(server):
        client = await server.connect()
        while not stop.is_set():
            await client.post('/', b'body')
            assert (await client.reply()).body == b'body'
            counts[0] += 1

    async def ask_on_new_ones(server):
        while not stop.is_set():
            client = await server.connect()
            await client.get('/', 'Connection: close')
            assert (await client.reply()).status == 200
            await client.closed()
            client.close()
            counts[1] += 1

    async with encrypted() as server:
        load = [
            asyncio.ensure_future(ask(server))
            for ask in (ask_on_one_connection, ask_on_one_connection, ask_on_new_ones)
        ]
        for _ in range(20):
            issued = authority().issue()
            replace(issued, tmp_path)
            await shown(server, issued)
        stop.set()
        await asyncio.gather(*load)
    assert min(counts) > 0


async def test_faulty_certificate_leaves_the_old_one_and_is_said_once(encrypted, tmp_path, said):
    async with encrypted() as server:
        (tmp_path / 'site.key').write_text('nothing')
        await server.until(said)
        assert await serial(server) == site().certificate.serial_number
        tls = server.serving._tls[0]
        for _ in range(3):
            assert not await tls.reload()
        # And it is not given up on.
        issued = authority().issue()
        replace(issued, tmp_path)
        await shown(server, issued)
    where = f'127.0.0.1:{server.address[1]}'
    assert said() == [
        f"TLS certificates of {where} stay as they were: key: '{tmp_path}/site.key' holds no private key in PEM form",
        f'TLS certificates of {where} were replaced',
    ]


async def test_half_of_a_pair_is_waited_for_without_a_word(encrypted, tmp_path, said):
    async with encrypted(NOT_LOOKING) as server:
        tls = server.serving._tls[0]
        issued = authority().issue()
        issued.write(tmp_path, 'new')
        os.replace(tmp_path / 'new.pem', tmp_path / 'site.pem')
        assert not await tls.reload()
        os.replace(tmp_path / 'new.key', tmp_path / 'site.key')
        assert await tls.reload()
        assert await serial(server) == issued.certificate.serial_number
    assert said() == [f'TLS certificates of 127.0.0.1:{server.address[1]} were replaced']


async def test_expired_certificate_does_not_take_a_good_one_s_place(encrypted, tmp_path, said):
    async with encrypted(NOT_LOOKING) as server:
        replace(authority().issue(days=(-30, -1)), tmp_path)
        assert not await server.serving.reload_certificates()
        assert await serial(server) == site().certificate.serial_number
    assert 'has expired on' in said()[0]


async def test_reload_by_order_says_at_once_what_is_wrong(encrypted, tmp_path, said):
    async with encrypted(NOT_LOOKING) as server:
        assert await server.serving.reload_certificates()
        (tmp_path / 'site.pem').unlink()
        for _ in range(2):
            assert not await server.serving.reload_certificates()
    where, what = f'127.0.0.1:{server.address[1]}', f"'{tmp_path}/site.pem' cannot be read: no such file or directory"
    assert said() == [f'TLS certificates of {where} stay as they were: certificate: {what}'] * 2


async def test_pipe_in_place_of_a_certificate_holds_up_nothing(encrypted, tmp_path, said):
    async with encrypted(NOT_LOOKING) as server:
        (tmp_path / 'site.pem').unlink()
        os.mkfifo(tmp_path / 'site.pem')
        assert not await server.serving.reload_certificates()
    assert said()[0].endswith(f"stay as they were: certificate: '{tmp_path}/site.pem' is a pipe, not a file")


async def test_certificate_behind_a_link_is_replaced_with_the_link(encrypted, tmp_path):
    for folder in ('one', 'two'):
        (tmp_path / folder).mkdir()
    first, second = authority().issue(), authority().issue()
    first.write(tmp_path / 'one', 'tls')
    second.write(tmp_path / 'two', 'tls')
    (tmp_path / 'current').symlink_to('one')
    identity = Identity(str(tmp_path / 'current' / 'tls.pem'), str(tmp_path / 'current' / 'tls.key'))
    async with encrypted({'identity': identity}) as server:
        assert await serial(server) == first.certificate.serial_number
        (tmp_path / 'next').symlink_to('two')
        os.replace(tmp_path / 'next', tmp_path / 'current')
        await shown(server, second)


async def test_revocation_counts_for_those_that_come_back_too(encrypted, tmp_path):
    own = authority().issue('alice', usage=CLIENT)
    (tmp_path / 'ca.pem').write_text(authority().pem)
    (tmp_path / 'ca.crl').write_text(authority().revocations())
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (str(tmp_path / 'ca.crl'),), required=True)
    context = authority().client_context(own, tmp_path)
    async with encrypted({'clients': clients, **NOT_LOOKING}) as server:
        first = await server.connect(shake=False)
        await first.handshake(context)
        await first.get()
        await first.reply()
        (tmp_path / 'ca.crl').write_text(authority().revocations(own))
        assert await server.serving.reload_certificates()
        again = await server.connect(shake=False)

        async def get_in():
            await again.handshake(context, session=first.peer.tls.session)
            await again.more()

        with pytest.raises(OSError, match=r'REVOKED|cut'):
            await get_in()
        # Who was let in stays.
        await first.get()
        assert (await first.reply()).status == 200


async def test_handshake_that_began_before_a_replacement_goes_on(encrypted, tmp_path):
    async with encrypted(NOT_LOOKING) as server:
        client = await server.connect(shake=False)
        client.peer = TlsPeer(authority().client_context())
        hello = client.peer.hello()
        await client.raw_send(hello[:100])
        await server.until(lambda: any(isinstance(each, Handshake) and each._heard_of for each in server.connections))
        replace(authority().issue(), tmp_path)
        assert await server.serving.reload_certificates()
        await client.raw_send(hello[100:])
        await client.feed()
        client.peer.tls.do_handshake()
        await client.flush()
        await client.get()
        assert (await client.reply()).status == 200
        assert int(client.peer.tls.getpeercert()['serialNumber'], 16) == site().certificate.serial_number


@one_loop
@pytest.mark.parametrize(
    ('days', 'warned'),
    [((-1, 90), False), ((-80, 15), False), ((-80, 13), True), ((-350, 13), True), ((-3, 4), False), ((-5, 1), True)],
)
async def test_coming_end_is_warned_of(days, warned, encrypted, said):
    issued = authority().issue(days=days)
    async with encrypted({'issued': issued}) as server:
        assert (await server.get()).status == 200
    assert [
        ('expires on' in line, f'{issued.certificate.not_valid_after_utc:%Y-%m-%d}' in line) for line in said()
    ] == ([(True, True)] if warned else [])


@one_loop
async def test_end_of_a_certificate_in_use_is_said_every_day(encrypted, said, monkeypatch):
    async with encrypted(NOT_LOOKING) as server:
        tls = server.serving._tls[0]
        assert not said()
        later = (now() + 31 * DAY).timestamp()
        monkeypatch.setattr('granian.server.tls.listener.time.time', lambda: later)
        tls._look()
        tls._look()
        monkeypatch.setattr('granian.server.tls.listener.time.time', lambda: later + 86401)
        tls._look()
        assert len([line for line in said() if 'has expired on' in line]) == 2


def test_credentials_are_whole_or_none(tmp_path):
    settings = tls_settings(tmp_path, named=((('a.example',), Identity(str(tmp_path / 'no.pem'), 'no.key')),))

    with pytest.raises(CertificateFault, match='cannot be read'):
        Credentials(settings)


def test_end_of_revocation_lists_and_authorities_is_known(tmp_path):
    root = Authority('root')
    (tmp_path / 'ca.pem').write_text(root.pem)
    (tmp_path / 'ca.crl').write_text(root.revocations(days=(-1, 2)))
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (str(tmp_path / 'ca.crl'),), required=True)

    found = Credentials(tls_settings(tmp_path, clients=clients)).warnings((now() + 3 * DAY).timestamp())

    assert [line.partition(' on ')[0] for line in found] == [f"'{tmp_path}/ca.crl' has expired"]


@pytest.mark.parametrize(
    ('order', 'warned'),
    [
        (('site', 'middle'), []),
        (('site', 'middle', 'root'), []),
        (('site',), []),
        (('site', 'root', 'middle'), ['CN=root behind CN=localhost, which was issued by CN=middle', 'CN=middle behind CN=root, which was issued by CN=root']),
        (('site', 'site', 'middle'), ['CN=localhost behind CN=localhost, which was issued by CN=middle']),
        (('site', 'stranger'), ['CN=stranger behind CN=localhost, which was issued by CN=middle']),
    ],
)  # fmt: skip
def test_certificates_that_do_not_follow_one_another_are_warned_of(order, warned, tmp_path):
    root = Authority('root')
    middle = Authority('middle', parent=root)
    issued = middle.issue('localhost')
    own = issued.pem.removesuffix(middle.pem)
    pems = {'site': own, 'middle': middle.pem, 'root': root.pem, 'stranger': Authority('stranger').pem}
    settings = tls_settings(tmp_path, issued)
    (tmp_path / 'site.pem').write_text(''.join([pems[name] for name in order]))

    found = Credentials(settings).warnings(now().timestamp())

    assert sorted(found) == sorted(f"'{tmp_path}/site.pem' has {line}" for line in warned)


@pytest.mark.parametrize(
    ('host', 'covered'),
    [
        ('shop.example', True), ('*.shop.example', True), ('a.shop.example', True), ('a.b.shop.example', False), ('*.b.shop.example', False),
        ('example', False), ('other.example', False),
    ],
)  # fmt: skip
def test_certificate_that_is_not_for_its_hosts_is_warned_of(host, covered, tmp_path):
    certificate, key = Authority('root').issue('shop', 'shop.example', '*.shop.example').write(tmp_path, 'shop')
    settings = tls_settings(tmp_path, named=(((host,), Identity(str(certificate), str(key))),))

    found = Credentials(settings).warnings(now().timestamp())

    expected = f"'{certificate}' is not for '{host}', but for shop.example, *.shop.example"
    assert found == ([] if covered else [expected])


@pytest.mark.parametrize(('usage', 'warned'), [(SERVER, False), (CLIENT, True), (ANY_USAGE, False)])
def test_certificate_that_is_not_for_servers_is_warned_of(usage, warned, tmp_path):
    found = Credentials(tls_settings(tmp_path, authority().issue(usage=usage))).warnings(now().timestamp())

    expected = f"'{tmp_path}/site.pem' is not for servers, so that clients will refuse it"
    assert found == ([expected] if warned else [])


@pytest.mark.parametrize('named', [False, True])
def test_certificate_that_names_nobody_is_warned_of(named, tmp_path):
    found = Credentials(tls_settings(tmp_path, authority().issue(named=named))).warnings(now().timestamp())

    expected = f"'{tmp_path}/site.pem' names no host (subjectAltName), so that most clients will refuse it"
    assert found == ([] if named else [expected])


# RFC 6962 3.3
LOGGED = UnrecognizedExtension(ObjectIdentifier('1.3.6.1.4.1.11129.2.4.2'), b'\x04\x02\x00\x00')


@pytest.mark.parametrize('issuer', ['root', 'middle'])
@pytest.mark.parametrize('public', [False, True])
def test_public_certificate_without_that_of_its_issuer_is_warned_of(issuer, public, tmp_path):
    authority = Authority('middle', Authority('root')) if issuer == 'middle' else Authority('root')
    issued = authority.issue(more=(LOGGED,) if public else ())
    settings = tls_settings(tmp_path, issued)

    found = Credentials(settings).warnings(now().timestamp())

    expected = f"'{tmp_path}/site.pem' ends before the certificate of CN=root, which clients need and may not have"
    assert found == ([expected] if public and issuer == 'root' else [])


@pytest.mark.parametrize('listed', [('root', 'other'), ('root',), ()])
def test_authority_without_a_revocation_list_is_warned_of(listed, tmp_path):
    authorities = {name: Authority(name) for name in ('root', 'other')}
    (tmp_path / 'ca.pem').write_text(''.join([each.pem for each in authorities.values()]))
    (tmp_path / 'ca.crl').write_text(''.join([authorities[name].revocations() for name in listed]))
    clients = ClientTrust(str(tmp_path / 'ca.pem'), (str(tmp_path / 'ca.crl'),) if listed else (), required=True)

    found = Credentials(tls_settings(tmp_path, clients=clients)).warnings(now().timestamp())

    expected = f"'{tmp_path}/ca.pem' has CN=other, whose clients are refused: no client_crl is of it"
    assert found == ([expected] if listed == ('root',) else [])
