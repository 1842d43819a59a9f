"""The variables of an encrypted connection, by the names of Apache's mod_ssl."""

from __future__ import annotations

import pytest

from granian.tls_terms import ClientTrust
from tests.helpers.certificates import CLIENT
from tests.helpers.tls import authority, site, tls_settings
from tests.helpers.wsgi import answer

pytestmark = pytest.mark.parametrize('engine', ['fast'], indirect=True)


@pytest.fixture
def variables(serve_wsgi, tmp_path):
    async def told(own=None, requests=1):
        found = []

        def app(environ, start_response):
            names = ('HTTPS', 'wsgi.url_scheme', 'SERVER_PORT')
            found.append({name: value for name, value in environ.items() if name.startswith('SSL_') or name in names})
            return answer(start_response)

        (tmp_path / 'ca.pem').write_text(authority().pem)
        clients = ClientTrust(str(tmp_path / 'ca.pem'), (), required=False)
        async with serve_wsgi(app, tls=tls_settings(tmp_path, clients=clients)) as server:
            client = await server.connect(shake=False)
            await client.handshake(authority().client_context(own, tmp_path))
            for _ in range(requests):
                await client.get('/', 'ssl-client-verify: SUCCESS', 'https: off')
                assert (await client.reply()).status == 200
            assert found[0].pop('SERVER_PORT') == str(server.address[1])
        return found

    return told


async def test_client_without_certificate(variables):
    assert (await variables())[0] == {
        'HTTPS': 'on',
        'wsgi.url_scheme': 'https',
        'SSL_PROTOCOL': 'TLSv1.3',
        'SSL_CIPHER': 'TLS_AES_256_GCM_SHA384',
        'SSL_CIPHER_USEKEYSIZE': '256',
        'SSL_CIPHER_ALGKEYSIZE': '256',
        'SSL_SESSION_RESUMED': 'Initial',
        'SSL_SERVER_CERT': site().pem,
        'SSL_CLIENT_VERIFY': 'NONE',
    }


async def test_client_with_certificate(variables):
    own = authority().issue('alice', usage=CLIENT)

    found = await variables(own)

    assert {name: value for name, value in found[0].items() if name.startswith('SSL_CLIENT')} == {
        'SSL_CLIENT_VERIFY': 'SUCCESS',
        'SSL_CLIENT_CERT': own.pem,
        'SSL_CLIENT_CERT_CHAIN_0': authority().pem,
        'SSL_CLIENT_S_DN': 'CN=alice',
        'SSL_CLIENT_I_DN': 'CN=root',
        'SSL_CLIENT_M_SERIAL': f'{own.certificate.serial_number:X}',
    }


async def test_equal_requests_are_told_the_same(variables):
    first, *others = await variables(requests=4)

    for other in others:
        other.pop('SERVER_PORT')
    assert others == [first] * 3
