"""Which mount holds a path: by host, then by longest path; against a plain reference."""

from __future__ import annotations

import time
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from granian.routing.table import Place, Table, host_name, resolved


def table(*places):
    return Table([(Place(path, tuple(hosts)), f'{",".join(hosts)}{path}') for path, *hosts in places])


PATHS = [
    ('/', '/'),
    ('/x', '/'),
    ('/api', '/api'),
    ('/api/', '/api'),
    ('/api/users', '/api'),
    ('/api/v2', '/api/v2'),
    ('/api/v2/', '/api/v2'),
    ('/api/v20', '/api'),
    ('/apis', '/'),
    ('/API', '/'),
    ('*', '/'),
    # Detours, decoded as a head has them.
    ('/a/../api', '/api'),
    ('/api/../x', '/'),
    ('/api/..', '/'),
    ('/api/v2/..', '/api'),
    ('/api/./v2', '/api/v2'),
    ('/./api', '/api'),
    ('//api', '/api'),
    ('/api//v2', '/api/v2'),
    ('//', '/'),
    ('/../../api', '/api'),
    ('/api/.../v2', '/api'),
    ('/api/.v2', '/api'),
    ('/..api', '/'),
    (unquote('/a%2f..%2fapi'), '/api'),
    (unquote('/%2e%2e/api'), '/api'),
    (unquote('/api/%2E%2e/x'), '/'),
    (unquote('/api%2fv2'), '/api/v2'),
    # Encoded twice is a name that has a percent sign.
    (unquote('/api/%252e%252e/x'), '/api'),
    (unquote('/x/%252e%252e/api'), '/'),
    ('/api;x', '/'),
    ('/api\\..\\x', '/'),
]


@pytest.mark.parametrize(('path', 'expected'), PATHS)
def test_whole_segments_of_the_resolved_path_decide_and_the_longest_mount_wins(path, expected):
    mounts = table(['/'], ['/api'], ['/api/v2'])

    assert mounts.find(b'any.example', path) == expected
    assert mounts.find_all(b'any.example', path)[0] == expected


def test_what_no_mount_holds_is_nobodys():
    mounts = table(['/api'], ['/a/b/c'])

    assert [mounts.find(None, path) for path in ('/', '/x', '/a', '/a/b', '*')] == [None] * 5


HOSTS = [
    (b'shop.example', 'shop.example/'),
    (b'SHOP.Example', 'shop.example/'),
    (b'shop.example:8443', 'shop.example/'),
    (b'shop.example.', 'shop.example/'),
    (b'shop.example.:80', 'shop.example/'),
    (b'www.example', '*.example/'),
    (b'a.b.example', '*.example/'),
    (b'x.eu.example', '*.eu.example/'),
    (b'y.x.eu.example', '*.eu.example/'),
    (b'eu.example', '*.example/'),
    (b'example', '/'),
    (b'shop.example.org', '/'),
    (b'[::1]:80', '[::1]/'),
    (b'[::1]', '[::1]/'),
    (b'', '/'),
    (None, '/'),
    (b'a.' * 40_000 + b'example', '/'),
]


@pytest.mark.parametrize(('authority', 'expected'), HOSTS)
def test_exact_host_then_longest_suffix_then_every_host(authority, expected):
    mounts = table(['/'], ['/', '*.example'], ['/', '*.eu.example'], ['/', 'shop.example'], ['/', '[::1]'])

    for _ in range(2):  # looked up, then remembered
        assert mounts.find(authority, '/x') == expected


def test_path_that_the_mounts_of_a_host_do_not_hold_is_looked_for_in_the_next():
    mounts = table(['/'], ['/a', '*.example'], ['/b', 'shop.example'])

    assert [mounts.find(b'shop.example', path) for path in ('/b', '/a', '/c')] == ['shop.example/b', '*.example/a', '/']
    assert mounts.find(b'www.example', '/b') == '/'


def test_all_that_hold_a_path_come_in_their_order():
    mounts = Table([
        (Place('/'), 'files'), (Place('/'), 'app'), (Place('/a/b'), 'deep'), (Place('/a', ('shop.example',)), 'shop'),
    ])  # fmt: skip

    assert mounts.find_all(b'shop.example', '/a/b/c') == ['shop', 'deep', 'files', 'app']
    assert mounts.find_all(b'x', '//a/./b') == ['deep', 'files', 'app']
    assert mounts.find_all(None, '/a') == ['files', 'app']


SEGMENTS = st.sampled_from(['a', 'b', 'ab', 'é', '.', '..', '', '...', '%2e'])
SOUND = st.sampled_from(['a', 'b', 'ab', 'é'])
NAMES = st.sampled_from(['x.y.z', 'y.z', 'z', '*.z', '*.y.z', '*.x.y.z'])
PLACES = st.lists(
    st.tuples(
        st.lists(SOUND, max_size=3).map(lambda parts: '/' + '/'.join(parts)), st.lists(NAMES, max_size=2, unique=True)
    ),
    max_size=8,
    unique_by=lambda place: (place[0], tuple(sorted(place[1]))),
)


def plainly(places, name, path):
    """All that hold the path, by asking each mount."""
    segments = []
    for part in path.split('/'):
        if part == '..':
            segments = segments[:-1]
        elif part not in ('', '.'):
            segments.append(part)

    def rank(host):
        if host == name:
            return 1000
        return len(host) if host.startswith('*.') and name.endswith(host[1:]) and len(name) > len(host) - 1 else -1

    found = []
    for number, (mount_path, hosts) in enumerate(places):
        parts = [part for part in mount_path.split('/') if part]
        ranks = [rank(host) for host in hosts] if hosts else [0]
        found += [(-each, -len(parts), number) for each in ranks if each >= 0 and segments[: len(parts)] == parts]
    return list(dict.fromkeys(number for *_, number in sorted(found)))


@given(PLACES, st.sampled_from(['x.y.z', 'w.x.y.z', 'y.z', 'q.z', 'z', 'q']), st.lists(SEGMENTS, max_size=6))
def test_it_finds_what_asking_every_mount_finds(places, name, segments):
    path = '/' + '/'.join(segments)
    mounts = Table([(Place(where, tuple(hosts)), number) for number, (where, hosts) in enumerate(places)])
    expected = plainly(places, name, path)

    assert mounts.find_all(name.encode(), path) == expected
    assert mounts.find(name.encode(), path) == (expected[0] if expected else None)


@given(st.lists(SEGMENTS, max_size=8))
def test_a_resolved_path_is_resolved(segments):
    path = resolved('/' + '/'.join(segments))

    assert resolved(path) == path
    assert not {'', '.', '..'} & set(path.strip('/').split('/')) or path == '/'


@pytest.mark.parametrize(
    ('path', 'expected'), [('/', '/'), ('/a/', '/a/'), ('/a/.', '/a/'), ('/a/b/..', '/a/'), ('/..', '/')]
)
def test_a_closing_slash_stays(path, expected):
    assert resolved(path) == expected


def test_name_of_an_authority():
    assert [host_name(each) for each in (b'A.b:1', b'[FE80::1]:2', b'[::1', b'a..')] == ['a.b', '[fe80::1]', '', 'a.']


def test_a_look_up_costs_the_same_among_200_mounts_as_among_2():
    def cost_s(count):
        mounts = table(['/'], *([f'/m{number}/x'] for number in range(count)))
        rounds = []
        for _ in range(15):
            begin = time.perf_counter()
            for _ in range(2000):
                mounts.find(b'a.example', '/m1/x/y')
            rounds.append(time.perf_counter() - begin)
        return min(rounds)

    # Twice over, where it would be a hundredfold.
    assert cost_s(200) < cost_s(2) * 3
