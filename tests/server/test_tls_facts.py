"""What applications are told of an encrypted connection, and what is read of certificates to tell them."""

from __future__ import annotations

import ssl
import time

import pytest
from cryptography import x509 as theirs
from hypothesis import given
from hypothesis import strategies as st

from granian import x509
from granian.tls_terms import ClientTrust
from tests.helpers.certificates import CLIENT, Authority, ec_key, name, rsa_key
from tests.helpers.serving import answer
from tests.helpers.tls import authority, site, tls_settings

fast = pytest.mark.parametrize('engine', ['fast'], indirect=True)


@pytest.fixture
def extension(serve, tmp_path):
    """The extension `tls` that an application is given, by the client's certificate and version."""

    async def told(own=None, version='TLSv1_3', **clients):
        found = []

        async def app(scope, receive, send):
            found.append(scope['extensions']['tls'])
            await answer(send)

        (tmp_path / 'ca.pem').write_text(authority().pem)
        trust = ClientTrust(str(tmp_path / 'ca.pem'), (), required=False)
        context = authority().client_context(own, tmp_path)
        context.maximum_version = ssl.TLSVersion[version]
        async with serve(app, tls=tls_settings(tmp_path, clients=trust)) as server:
            client = await server.connect(shake=False)
            await client.handshake(context)
            for _ in range(2):
                await client.get()
                assert (await client.reply()).status == 200
            cipher = client.peer.tls.cipher()[0]
        assert found[0] == found[1]
        return found[0], cipher

    return told


@fast
@pytest.mark.parametrize(('version', 'number'), [('TLSv1_2', 0x0303), ('TLSv1_3', 0x0304)])
async def test_asgi_is_told_of_a_client_without_certificate(version, number, extension):
    told, cipher = await extension(version=version)

    numbers = {'TLS_AES_256_GCM_SHA384': 0x1302, 'ECDHE-ECDSA-AES256-GCM-SHA384': 0xC02C}
    assert told == {
        'server_cert': site().pem,
        'client_cert_chain': [],
        'client_cert_name': None,
        'client_cert_error': None,
        'tls_version': number,
        'cipher_suite': numbers[cipher],
    }


@fast
async def test_asgi_is_told_of_the_client_s_certificates(extension):
    middle = Authority('middle', parent=authority())
    own = middle.issue('alice', usage=CLIENT, subject=name('alice, "the" first', organization_name='Acme + Sons'))

    told, _ = await extension(own)

    assert told['client_cert_chain'] == [own.pem[: own.pem.index('-----END') + 26], middle.pem, authority().pem]
    assert told['client_cert_name'] == r'CN=alice\, \"the\" first,O=Acme \+ Sons'


@fast
async def test_clear_text_has_no_such_extension(serve):
    found = []

    async def app(scope, receive, send):
        found.append(scope['extensions'])
        await answer(send)

    async with serve(app, tls=None) as server:
        await server.get()
    assert 'tls' not in found[0]


# ── what is read of certificates ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('make_key', [ec_key, rsa_key])
def test_certificate_is_read_as_another_reader_does(make_key):
    issued = Authority('root').issue(
        'shop',
        'Shop.example',
        '*.shop.example',
        key=make_key(),
        subject=name('shop', country_name='DE', locality_name='Köln'),
    )

    ((_, found),) = x509.certificates(issued.pem.encode())

    certificate = issued.certificate
    assert (found.subject, found.issuer) == (certificate.subject.rfc4514_string(), certificate.issuer.rfc4514_string())
    assert found.serial == certificate.serial_number
    assert found.not_before_s == certificate.not_valid_before_utc.timestamp()
    assert found.not_after_s == certificate.not_valid_after_utc.timestamp()
    assert found.has_rsa_key is (make_key is rsa_key)
    assert found.hosts == ('shop.example', '*.shop.example')


def test_time_beyond_2049_is_read():
    issued = Authority('root').issue(days=(-1, 40000))

    assert (
        x509.certificates(issued.pem.encode())[0][1].not_after_s == issued.certificate.not_valid_after_utc.timestamp()
    )


def test_revocation_list_is_read_as_another_reader_does():
    pem = Authority('root').revocations().encode()

    (found,) = x509.revocation_lists(pem)

    other = theirs.load_pem_x509_crl(pem)
    assert (found.this_update_s, found.next_update_s) == (
        other.last_update_utc.timestamp(),
        other.next_update_utc.timestamp(),
    )
    assert (found.issuer, found.next_update_s > time.time()) == ('CN=root', True)


KINDS = [
    'common_name',
    'organization_name',
    'locality_name',
    'organizational_unit_name',
    'street_address',
    'user_id',
]


@given(
    st.dictionaries(
        st.sampled_from(KINDS), st.text(st.characters(codec='utf-8', exclude_characters='\0'), min_size=1, max_size=20)
    )
)
def test_names_are_written_as_another_writer_does(parts):
    made = theirs.Name(
        [theirs.NameAttribute(getattr(theirs.NameOID, kind.upper()), text) for kind, text in parts.items()]
    )
    der = made.public_bytes()

    assert x509._name(next(x509._items(der))[1]) == made.rfc4514_string()


def test_what_has_no_short_name_is_written_by_number():
    made = theirs.Name([theirs.NameAttribute(theirs.NameOID.EMAIL_ADDRESS, 'a@example.org')])

    # RFC 4514 2.4: its value in hexadecimal.
    assert (
        x509._name(next(x509._items(made.public_bytes()))[1]) == '1.2.840.113549.1.9.1=#160d61406578616d706c652e6f7267'
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_a_certificate_or_a_value_error(data):
    try:
        x509.certificate(data)
    except ValueError:
        return
    raise AssertionError(data)


@given(st.data())
def test_damaged_certificate_is_read_or_a_value_error(data):
    der = bytearray(ssl.PEM_cert_to_DER_cert(site().pem))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    try:
        x509.certificate(bytes(der[: data.draw(st.integers(0, len(der)))]))
    except ValueError:
        return
