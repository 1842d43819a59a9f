from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granian.protocol.proxies.forwarded import FORWARDED, X_FORWARDED, ForwardedReader, split_authority
from granian.protocol.proxies.trusted import TrustedPeers

TRUSTED = ('10.0.0.0/8', '192.0.2.1', 'fd00::/8')


def read(names, *said, trusted=TRUSTED):
    fields = [(b'host', b'inner'), *((name.encode(), value.encode('latin-1')) for name, value in said)]
    claim = ForwardedReader(TrustedPeers(trusted), names).read(fields)
    if claim is None:
        return None
    return claim.client, claim.scheme, claim.authority, claim.port, claim.prefix


def x(**said):
    """X-Forwarded fields by the end of their names; a list: several lines."""
    pairs = [
        (f'x-forwarded-{end}', line)
        for end, value in said.items()
        for line in (value if isinstance(value, list) else [value])
    ]
    return read(X_FORWARDED, *pairs)


@pytest.mark.parametrize(
    ('said', 'client'),
    [
        ('203.0.113.7', ('203.0.113.7', 0)),
        ('203.0.113.7:4711', ('203.0.113.7', 4711)),
        ('[2001:db8::7]:4711', ('2001:db8::7', 4711)),
        ('[2001:DB8::7]', ('2001:db8::7', 0)),
        ('2001:db8::7', ('2001:db8::7', 0)),
        ('::ffff:203.0.113.7', ('203.0.113.7', 0)),
        # The right-most that is not trusted: what stands left of it is that client's own invention.
        ('1.1.1.1, 203.0.113.7, 10.1.1.1', ('203.0.113.7', 0)),
        ('1.1.1.1, 203.0.113.7,10.1.1.1 ,192.0.2.1', ('203.0.113.7', 0)),
        ('::ffff:10.1.1.1, fd00::1', ('10.1.1.1', 0)),
        # All trusted: the left-most.
        ('10.1.1.1, 10.2.2.2', ('10.1.1.1', 0)),
        (['1.1.1.1', '203.0.113.7', '10.1.1.1'], ('203.0.113.7', 0)),
        ('203.0.113.7,, ,', ('203.0.113.7', 0)),
        # Nonsense ends the way: the last address is as near as one gets.
        ('203.0.113.7, unknown, 10.1.1.1', ('10.1.1.1', 0)),
        ('203.0.113.7, 10.1.1.1, evil"', None),
        ('unknown', None),
        ('', None),
        ('1.2.3.4:99999', None),
        ('1.2.3.256', None),
        ('fe80::1%eth0', None),
        ('01.2.3.4', None),
    ],
)
def test_client_is_the_right_most_that_is_not_trusted(said, client):
    assert x(**{'for': said})[0] == client


def test_everybody_trusted_gives_the_left_most():
    said = ('x-forwarded-for', '1.1.1.1, 203.0.113.7')
    assert read(X_FORWARDED, said, trusted=['*'])[0] == ('1.1.1.1', 0)


@pytest.mark.parametrize(
    ('said', 'scheme'),
    [
        ('https', 'https'),
        ('HTTP', 'http'),
        ('wss', 'https'),
        ('ws', 'http'),
        ('gopher', None),
        ('', None),
        ('https, http', 'http'),
    ],
)
def test_scheme(said, scheme):
    assert x(proto=said)[1] == scheme


def test_of_words_for_each_hop_that_of_the_same_proxy_counts():
    claim = x(**{'for': '6.6.6.6, 203.0.113.7, 10.1.1.1', 'proto': 'ftp, https, http', 'host': 'evil, shop, inner'})
    assert claim[:3] == (('203.0.113.7', 0), 'https', 'shop')


@pytest.mark.parametrize(
    ('said', 'host'),
    [
        ('shop.example', 'shop.example'),
        ('shop.example:8443', 'shop.example:8443'),
        ('[::1]:80', '[::1]:80'),
        ('evil/path', None),
        ('user@shop.example', None),
        ('shop example', None),
        ('sh\xf6p', None),
    ],
)
def test_host(said, host):
    assert x(host=said)[2] == host


@pytest.mark.parametrize(('said', 'port'), [('443', 443), ('0', None), ('65536', None), ('-1', None), ('x', None)])
def test_port(said, port):
    assert x(port=said)[3] == port


@pytest.mark.parametrize(
    ('said', 'prefix'),
    [
        ('/api', '/api'),
        ('/api/v1/', '/api/v1'),
        ('/b%C3%BCcher', '/bücher'),
        ('/', ''),
        ('api', ''),
        ('//evil.example', ''),
        ('/a/../b', ''),
        ('/a%2F%2e%2e', ''),
        ('/a%00', ''),
        ('/a?b', ''),
        ('/%ff', ''),
    ],
)
def test_prefix(said, prefix):
    assert x(prefix=said)[4] == prefix


def test_only_the_wanted_fields_are_read():
    said = [('x-forwarded-for', '1.1.1.1'), ('x-forwarded-host', 'evil'), ('forwarded', 'for=2.2.2.2')]
    assert read(['x-forwarded-for'], *said)[:3] == (('1.1.1.1', 0), None, None)
    assert read([FORWARDED], *said[:2]) is None


@pytest.mark.parametrize(
    ('said', 'claim'),
    [
        ('for=203.0.113.7', (('203.0.113.7', 0), None, None)),
        ('For="[2001:db8::7]:4711";PROTO=https;host=shop', (('2001:db8::7', 4711), 'https', 'shop')),
        (
            'for=6.6.6.6;proto=http, for=203.0.113.7;proto=https;by=10.0.0.9, for=10.1.1.1',
            (('203.0.113.7', 0), 'https', None),
        ),
        # A proxy that leaves out what the one before it has said, as the first did not.
        ('for=203.0.113.7;host=shop, for=10.1.1.1;proto=https', (('203.0.113.7', 0), 'https', 'shop')),
        ('for=203.0.113.7:80', (('203.0.113.7', 80), None, None)),
        ('for="203.0.113.7" ; proto="htt\\ps"', (('203.0.113.7', 0), 'https', None)),
        (['for=6.6.6.6', 'for=203.0.113.7,for=10.1.1.1'], (('203.0.113.7', 0), None, None)),
        ('for=unknown;proto=https, for=10.1.1.1', (('10.1.1.1', 0), 'https', None)),
        ('for=_hidden;proto=https', (None, 'https', None)),
        ('proto=https', (None, 'https', None)),
        # Broken: nothing of the line counts, nor of what came before it.
        ('for="6.6.6.6, for=10.1.1.1', (None, None, None)),
        ('for=6.6.6.6;for=7.7.7.7', (None, None, None)),
        ('6.6.6.6', (None, None, None)),
        (['for=6.6.6.6', 'for="', 'for=10.1.1.1'], (('10.1.1.1', 0), None, None)),
        (',;', (None, None, None)),
    ],
)
def test_forwarded(said, claim):
    lines = said if isinstance(said, list) else [said]
    assert read([FORWARDED], *(('forwarded', line) for line in lines))[:3] == claim


def test_what_repeats_is_the_same_claim():
    reader = ForwardedReader(TrustedPeers(TRUSTED), X_FORWARDED)
    first, again = (reader.read([(b'x-forwarded-for', value + b'7')]) for value in (b'203.0.113.', b'203.0.113.'))
    assert first is again


@given(
    st.lists(st.tuples(st.sampled_from([*X_FORWARDED, FORWARDED]), st.text('for=pt"\\;,:[]1.0/% \xff', max_size=60)))
)
def test_nothing_said_breaks_it_and_only_valid_values_come_out(said):
    for names in (X_FORWARDED, [FORWARDED]):
        claim = read(names, *said, trusted=['*'])
        if claim is not None:
            client, scheme, host, port, prefix = claim
            assert client is None or ipaddress.ip_address(client[0])
            assert scheme in {None, 'http', 'https'}
            assert host is None or host.isascii()
            assert port is None or 0 < port < 65536
            assert prefix == '' or (prefix.startswith('/') and not prefix.endswith('/'))


@given(st.lists(st.sampled_from(['10.1.1.1', '203.0.113.7', 'unknown', '6.6.6.6:1', ''])), st.booleans())
def test_no_client_comes_further_than_to_its_own_address(invented, rfc):
    """Whatever a client writes, the address that the trusted proxy saw and appended is what it is."""
    if rfc:
        value = ', '.join([*(f'for="{hop}"' for hop in invented), 'for=198.51.100.9'])
        assert read([FORWARDED], ('forwarded', value))[0] == ('198.51.100.9', 0)
    else:
        assert x(**{'for': ', '.join([*invented, '198.51.100.9'])})[0] == ('198.51.100.9', 0)


@pytest.mark.parametrize(
    ('peers', 'host', 'held'),
    [
        (['127.0.0.1'], '127.0.0.1', True),
        (['127.0.0.1'], '127.0.0.2', False),
        (['127.0.0.1'], '::ffff:127.0.0.1', True),
        (['::ffff:127.0.0.0/120'], '127.0.0.9', True),
        (['10.1.2.3/8'], '10.200.0.1', True),
        (['fe80::/10'], 'fe80::1%eth0', True),
        (['127.0.0.1'], None, False),
        (['unix'], None, True),
        (['unix'], '127.0.0.1', False),
        (['*'], None, True),
        (['*'], '8.8.8.8', True),
        ([], '8.8.8.8', False),
    ],
)
def test_trusted_peers(peers, host, held):
    trusted = TrustedPeers(peers)
    assert [trusted.holds(host), trusted.holds(host)] == [held, held]


@pytest.mark.parametrize(
    ('authority', 'parts'),
    [
        ('a', ('a', None)),
        ('a:80', ('a', 80)),
        ('[::1]', ('[::1]', None)),
        ('[::1]:8', ('[::1]', 8)),
        ('a:', ('a', None)),
    ],
)
def test_split_authority(authority, parts):
    assert split_authority(authority) == parts
