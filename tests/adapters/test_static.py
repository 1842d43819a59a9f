"""What a folder answers: files, heads, folders, what is missing, caching, sidecars."""

from __future__ import annotations

import os

import pytest

from granian.adapters.static.caching import Codings
from granian.adapters.static.handler import CacheRule
from tests.helpers.folders import MODIFIED, MODIFIED_S, etag_of, folder, put
from tests.helpers.serving import answer, one_loop

ONLY_FAST = pytest.mark.parametrize('engine', ['fast'], indirect=True)


async def app(scope, receive, send):
    await answer(send, b'app ' + scope['method'].encode() + b' ' + scope['raw_path'])


@pytest.mark.parametrize('size', [0, 1, 10_000, 16_385, 65_536, 65_537, 300_000, 3_000_000])
async def test_a_file_is_sent_with_all_that_is_known_of_it(loop, engine, tmp_path, size):
    content = os.urandom(size)
    path = put(tmp_path, 'a b.txt', content)
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        for _ in range(2):
            await client.get('/a%20b.txt')
            reply = await client.reply()
            assert (reply.status, reply.body == content) == (200, True)
            assert {name.decode(): value.decode() for name, value in reply.fields if name not in (b'server', b'date')} == {
                'content-type': 'text/plain; charset=utf-8', 'content-length': str(size), 'etag': etag_of(path),
                'last-modified': MODIFIED, 'accept-ranges': 'bytes', 'cache-control': 'max-age=86400',
            }  # fmt: skip


@pytest.mark.parametrize('size', [0, 100, 100_000])
@one_loop
async def test_head_gets_the_same_fields_and_no_body(loop, engine, tmp_path, size):
    put(tmp_path, 'a.txt', b'x' * size)
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        await client.get('/a.txt')
        whole = await client.reply()
        await client.get('/a.txt', method='HEAD')
        reply = await client.reply(to_head=True)
        assert sorted(reply.fields) == sorted(whole.fields)
        await client.get('/a.txt')
        assert (await client.reply()).body == b'x' * size


@one_loop
async def test_http_1_0_is_answered(loop, engine, tmp_path):
    put(tmp_path, 'a', b'x' * 100_000)
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        await client.get('/a', version='1.0')
        assert (await client.reply()).body == b'x' * 100_000
        await client.closed()


@one_loop
async def test_pipelined_files_come_in_order(loop, engine, tmp_path):
    contents = {f'/{size}': os.urandom(size) for size in (10, 200_000, 1_000_000, 0, 65_000, 70_000)}
    for name, content in contents.items():
        put(tmp_path, name[1:], content)
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        names = [*contents, *reversed(contents)]
        await client.send(b''.join(f'GET {name} HTTP/1.1\r\nHost: x\r\n\r\n'.encode() for name in names))
        for name in names:
            assert (await client.reply()).body == contents[name]


@ONLY_FAST
@one_loop
async def test_a_unix_socket_serves_large_files(loop, engine, tmp_path):
    content = os.urandom(1_000_000)
    put(tmp_path, 'files/large', content)
    async with folder(loop, engine, tmp_path / 'files', unix_path=tmp_path / 'socket') as server:
        assert (await server.get('/large')).body == content


@one_loop
@pytest.mark.parametrize('method', ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'get'])
async def test_other_methods_are_405_with_those_there_are(loop, engine, tmp_path, method):
    put(tmp_path, 'a.txt', b'a')
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        await client.get('/a.txt', method=method)
        reply = await client.reply()
        assert (reply.status, reply['allow']) == (405, b'GET, HEAD')
        assert (tmp_path / 'a.txt').read_bytes() == b'a'


@ONLY_FAST
@one_loop
async def test_file_that_takes_the_place_of_one_of_the_same_time_and_size_has_another_tag(loop, engine, tmp_path):
    put(tmp_path, 'public/a.txt', b'one')
    async with folder(loop, engine, tmp_path / 'public') as server:
        first = await server.get('/a.txt')
        put(tmp_path, 'new', b'two').rename(tmp_path / 'public' / 'a.txt')
        second = await server.get('/a.txt', 'If-None-Match: ' + first['etag'].decode())
        assert (second.status, second.body, second['last-modified']) == (200, b'two', first['last-modified'])


@ONLY_FAST
@one_loop
async def test_a_file_that_is_changed_is_served_as_it_is_now(loop, engine, tmp_path):
    put(tmp_path, 'a.txt', b'one')
    async with folder(loop, engine, tmp_path) as server:
        first = await server.get('/a.txt')
        put(tmp_path, 'a.txt', b'two', MODIFIED_S + 5)
        second = await server.get('/a.txt', 'If-None-Match: ' + first['etag'].decode())
        assert (second.status, second.body) == (200, b'two')
        (tmp_path / 'a.txt').unlink()
        assert (await server.get('/a.txt')).status == 404


@ONLY_FAST
@one_loop
async def test_a_release_is_switched_by_moving_the_link_that_is_the_folder(loop, engine, tmp_path):
    put(tmp_path, 'one/a.txt', b'one')
    put(tmp_path, 'two/a.txt', b'two')
    (tmp_path / 'current').symlink_to('one')
    async with folder(loop, engine, tmp_path / 'current') as server:
        assert (await server.get('/a.txt')).body == b'one'
        (tmp_path / 'next').symlink_to('two')
        (tmp_path / 'next').replace(tmp_path / 'current')
        assert (await server.get('/a.txt')).body == b'two'


@ONLY_FAST
@one_loop
async def test_a_date_ahead_of_the_clock_is_told_as_now(loop, engine, tmp_path):
    put(tmp_path, 'a.txt', b'x', 4_000_000_000)
    async with folder(loop, engine, tmp_path) as server:
        reply = await server.get('/a.txt')
        assert reply['last-modified'] == reply['date'] or reply['last-modified'][:-8] == reply['date'][:-8]


@ONLY_FAST
@one_loop
async def test_names_are_utf_8_whatever_is_in_them(loop, engine, tmp_path):
    names = {'ä ö.txt': '/%C3%A4%20%C3%B6.txt', '%41': '/%2541', 'a?b#c': '/a%3Fb%23c', '日本.txt': '/%E6%97%A5%E6%9C%AC.txt', '~a+b': '/~a+b', "a'&;": "/a'&;"}  # fmt: skip
    for name in names:
        put(tmp_path, name, name.encode())
    async with folder(loop, engine, tmp_path) as server:
        for name, target in names.items():
            assert (await server.get(target)).body == name.encode()
        assert (await server.get('/%E4%F6.txt')).status == 404


# ── folders and what is missing ──────────────────────────────────────────────────────────────────────────────────────


@one_loop
async def test_a_folder_has_an_index_and_its_address_ends_in_a_slash(loop, engine, tmp_path):
    put(tmp_path, 'index.html', b'top')
    put(tmp_path, 'sub/index.html', b'sub')
    (tmp_path / 'bare').mkdir()
    async with folder(loop, engine, tmp_path, at='/static', index='index.html') as server:
        assert (await server.get('/static/')).body == b'top'
        assert (await server.get('/static/sub/')).body == b'sub'
        assert (await server.get('/static/sub/'))['content-type'] == b'text/html; charset=utf-8'
        reply = await server.get('/static')
        assert (reply.status, reply['location'], reply.body) == (301, b'./static/', b'')
        assert (await server.get('/static/sub?x=1&y'))['location'] == b'./sub/?x=1&y'
        assert (await server.get('/static/bare')).status == 404
        assert (await server.get('/static/bare/')).status == 404
        assert (await server.get('/static/index.html/')).status == 404
        assert (await server.get('/staticfoo')).status == 404


@ONLY_FAST
@one_loop
async def test_an_index_answers_without_the_slash_where_nobody_is_redirected(loop, engine, tmp_path):
    put(tmp_path, 'index.html', b'top')
    put(tmp_path, 'sub/index.html', b'sub')
    (tmp_path / 'bare').mkdir()
    async with folder(loop, engine, tmp_path, at='/static', index='index.html', index_redirect=False) as server:
        for target, body in (
            ('/static', b'top'),
            ('/static/', b'top'),
            ('/static/sub', b'sub'),
            ('/static/sub/', b'sub'),
        ):
            reply = await server.get(target)
            assert (reply.status, reply.body, reply['content-type']) == (200, body, b'text/html; charset=utf-8')
        for target in ('/static/bare', '/static/bare/', '/static/index.html/', '/static/none'):
            assert (await server.get(target)).status == 404


@ONLY_FAST
@one_loop
async def test_without_an_index_folders_are_not_found(loop, engine, tmp_path):
    put(tmp_path, 'sub/index.html', b'sub')
    async with folder(loop, engine, tmp_path) as server:
        for target in ('/', '/sub', '/sub/'):
            reply = await server.get(target)
            assert (reply.status, reply.body) == (404, b'Not found')


@ONLY_FAST
@one_loop
@pytest.mark.parametrize(
    'target',
    ['//evil.example', '//evil.example/..//evil.example', '/%5Cevil.example', '/%2F%2Fevil.example', '///evil.example',
     '/x/%2e%2e//evil.example', '/.//evil.example', '/https:evil.example'],
)  # fmt: skip
async def test_the_slash_never_leads_to_another_host(loop, engine, tmp_path, target):
    for name in ('evil.example', 'https:evil.example', 'x/y'):
        put(tmp_path, f'{name}/index.html', b'')
    async with folder(loop, engine, tmp_path, index='index.html') as server:
        reply = await server.get(target)
        assert reply.status in (301, 404)
        if reply.status == 301:
            # A path below the folder of the request: no scheme, no authority, no line break.
            assert reply['location'].startswith(b'./')
            assert reply['location'].endswith(b'/')


@ONLY_FAST
@one_loop
async def test_a_fallback_answers_for_what_is_missing(loop, engine, tmp_path):
    put(tmp_path, 'app.html', b'spa')
    put(tmp_path, 'a.js', b'js')
    async with folder(loop, engine, tmp_path, fallback='app.html') as server:
        assert (await server.get('/a.js')).body == b'js'
        for target in ('/', '/users/7', '/users/7/', '/a.js/', '/%00', '/x%5Cy'):
            reply = await server.get(target)
            assert (reply.status, reply.body, reply['content-type']) == (200, b'spa', b'text/html; charset=utf-8')
        (tmp_path / 'app.html').unlink()
        assert (await server.get('/users/7')).status == 404


@ONLY_FAST
@one_loop
async def test_what_is_missing_may_be_left_to_the_application(loop, engine, tmp_path):
    put(tmp_path, 'a.js', b'js')
    (tmp_path / 'empty').mkdir()
    async with folder(loop, engine, tmp_path, app=app, fall_through=True) as server:
        assert (await server.get('/a.js')).body == b'js'
        for target in ('/b.js', '/', '/empty', '/empty/', '/a.js/', '/%00', '/..%5cx'):
            assert (await server.get(target)).body == b'app GET ' + target.encode()
        client = await server.connect()
        await client.post('/a.js', b'x')
        assert (await client.reply()).body == b'app POST /a.js'


@ONLY_FAST
@one_loop
async def test_what_is_missing_stays_missing_where_nothing_else_is_said(loop, engine, tmp_path):
    async with folder(loop, engine, tmp_path, app=app, at='/static') as server:
        assert (await server.get('/static/b.js')).status == 404
        assert (await server.get('/other')).body == b'app GET /other'


@ONLY_FAST
@one_loop
async def test_a_folder_that_is_gone_is_not_found(loop, engine, tmp_path):
    async with folder(loop, engine, tmp_path / 'gone') as server:
        assert (await server.get('/a')).status == 404


@ONLY_FAST
@one_loop
async def test_without_descriptors_a_file_is_503_and_later_there_again(loop, engine, tmp_path, caplog):
    import resource

    put(tmp_path, 'sub/a', b'a')
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect()
        await client.get('/sub/a')
        assert (await client.reply()).body == b'a'
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        in_use = max(map(int, os.listdir('/proc/self/fd')))
        held = [os.open(tmp_path, os.O_RDONLY) for _ in range(in_use + 1 - len(os.listdir('/proc/self/fd')))]
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (1, hard))
            await client.get('/sub/a')
            reply = await client.reply()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            for descriptor in held:
                os.close(descriptor)
        assert reply.status == 503
        await client.get('/sub/a')
        assert (await client.reply()).body == b'a'
    assert any("Static file '/sub/a' not opened" in message for message in caplog.messages)


@one_loop
async def test_a_file_that_becomes_shorter_while_it_is_sent_cuts_the_response(loop, engine, tmp_path, caplog):
    path = put(tmp_path, 'large')
    os.truncate(path, 50_000_000)
    async with folder(loop, engine, tmp_path) as server:
        client = await server.connect(receive_buffer_bytes=65536)
        await client.get('/large')
        assert (await client.head())['content-length'] == b'50000000'
        os.truncate(path, 1000)
        assert len(await client.rest()) < 50_000_000
    assert any('became shorter' in message for message in caplog.messages)


# ── caching ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@ONLY_FAST
@one_loop
@pytest.mark.parametrize(
    ('expires_s', 'wanted'), [(86400, b'max-age=86400'), (1, b'max-age=1'), (0, None), (None, None)]
)
async def test_the_age_is_said_unless_there_is_none(loop, engine, tmp_path, expires_s, wanted):
    put(tmp_path, 'a')
    async with folder(loop, engine, tmp_path, expires_s=expires_s) as server:
        assert dict((await server.get('/a')).fields).get(b'cache-control') == wanted


RULES = (
    CacheRule('*.html', 'no-cache'),
    CacheRule('assets/**', 'immutable'),
    CacheRule('img/*.png', 'max-age=1'),
    CacheRule('**/[a-c]?.x', 'max-age=2'),
    CacheRule('[!a].y', 'max-age=3'),
    CacheRule('literal[.z', 'max-age=4'),
)
IMMUTABLE = 'public, max-age=31536000, immutable'


@ONLY_FAST
@one_loop
@pytest.mark.parametrize(
    ('name', 'wanted'),
    [
        ('a.html', 'no-cache'), ('x/y/a.html', 'no-cache'), ('assets/a.html', 'no-cache'), ('assets/a.js', IMMUTABLE),
        ('assets/x/y.js', IMMUTABLE), ('x/assets/y.js', 'max-age=86400'), ('img/a.png', 'max-age=1'),
        ('img/x/a.png', 'max-age=86400'), ('b1.x', 'max-age=2'), ('p/q/c2.x', 'max-age=2'), ('d1.x', 'max-age=86400'),
        ('b.y', 'max-age=3'), ('a.y', 'max-age=86400'), ('literal[.z', 'max-age=4'), ('ahtml', 'max-age=86400'),
    ],
)  # fmt: skip
async def test_the_first_rule_that_matches_decides(loop, engine, tmp_path, name, wanted):
    put(tmp_path, name)
    async with folder(loop, engine, tmp_path, cache_rules=RULES) as server:
        assert (await server.get('/' + name.replace('[', '%5B')))['cache-control'] == wanted.encode()


@ONLY_FAST
@one_loop
async def test_extra_fields_go_with_files_and_304_and_replace_ours(loop, engine, tmp_path):
    etag = etag_of(put(tmp_path, 'a.txt', b'x'))
    headers = ((b'x-content-type-options', b'nosniff'), (b'cache-control', b'private'))
    async with folder(loop, engine, tmp_path, headers=headers) as server:
        for reply in (await server.get('/a.txt'), await server.get('/a.txt', f'If-None-Match: {etag}')):
            assert (reply['x-content-type-options'], reply['cache-control']) == (b'nosniff', b'private')
        assert 'x-content-type-options' not in await server.get('/missing')


@ONLY_FAST
@one_loop
@pytest.mark.parametrize(
    ('name', 'wanted'),
    [
        ('a.TXT', 'text/plain; charset=utf-8'), ('a.html', 'text/html; charset=utf-8'), ('a.css', 'text/css; charset=utf-8'),
        ('a.mjs', 'text/javascript; charset=utf-8'), ('a.json', 'application/json'), ('a.xml', 'text/xml'),
        ('a.svg', 'image/svg+xml'), ('a.wasm', 'application/wasm'), ('a.woff2', 'font/woff2'), ('a.tar.gz', 'application/gzip'),
        ('a.pem', 'application/x-x509-ca-cert'), ('a.md', 'text/markdown; charset=utf-8'), ('noext', None), ('a.unknown', None),
        ('txt', None), ('a.', None),
    ],
)  # fmt: skip
async def test_types_by_extension(loop, engine, tmp_path, name, wanted):
    put(tmp_path, name)
    async with folder(loop, engine, tmp_path) as server:
        assert dict((await server.get('/' + name)).fields).get(b'content-type') == (wanted.encode() if wanted else None)


@ONLY_FAST
@one_loop
async def test_types_and_charset_can_be_given(loop, engine, tmp_path):
    for name in ('a.txt', 'a.foo', 'a.js'):
        put(tmp_path, name)
    more = (('foo', 'text/x-foo'), ('.JS', 'text/javascript; charset=latin-1'))
    async with folder(loop, engine, tmp_path, media_types=more, charset='utf-16') as server:
        assert (await server.get('/a.foo'))['content-type'] == b'text/x-foo; charset=utf-16'
        assert (await server.get('/a.js'))['content-type'] == b'text/javascript; charset=latin-1'
    async with folder(loop, engine, tmp_path, charset='') as server:
        assert (await server.get('/a.txt'))['content-type'] == b'text/plain'


# ── sidecars ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@ONLY_FAST
@one_loop
@pytest.mark.parametrize(
    ('accepted', 'coding'),
    [
        (None, None), ('', None), ('gzip', 'gzip'), ('br', 'br'), ('zstd', 'zstd'), ('gzip, deflate, br, zstd', 'br'),
        ('gzip;q=1.0, br;q=0.5', 'gzip'), ('gzip;q=0.5, br;q=0.501', 'br'), ('br;q=0', None), ('br;q=0.000, gzip', 'gzip'),
        ('*', 'br'), ('*;q=0', None), ('br;q=0, *', 'zstd'), ('identity', None), ('identity, gzip;q=0.5', None),
        ('identity;q=0.5, gzip', 'gzip'), ('identity;q=0, gzip;q=0.1', 'gzip'), ('GZIP', 'gzip'), ('x-gzip', 'gzip'),
        ('gzip ; q=0.7', 'gzip'), ('gzip;q=2', None), ('gzip;q=nan', None), ('gzip;x=1', None), ('deflate', None), (',,gzip,,', 'gzip'),
    ],
)  # fmt: skip
async def test_the_sidecar_the_client_prefers_is_sent(loop, engine, tmp_path, accepted, coding):
    put(tmp_path, 'a.js', b'plain' * 3)
    for suffix in ('br', 'zst', 'gz'):
        put(tmp_path, f'a.js.{suffix}', suffix.encode())
    async with folder(loop, engine, tmp_path, precompressed=('br', 'zstd', 'gzip')) as server:
        reply = await server.get('/a.js', *([] if accepted is None else [f'Accept-Encoding: {accepted}']))
        assert dict(reply.fields).get(b'content-encoding', b'').decode() == (coding or '')
        bodies = {None: b'plain' * 3, 'br': b'br', 'zstd': b'zst', 'gzip': b'gz'}
        assert (reply.body, reply['content-type']) == (bodies[coding], b'text/javascript; charset=utf-8')
        assert reply['vary'] == b'accept-encoding'
        assert coding is None or reply['etag'].endswith(f'-{coding}"'.encode())


@one_loop
async def test_the_order_of_the_settings_breaks_ties_and_what_is_not_there_is_passed_over(loop, engine, tmp_path):
    put(tmp_path, 'a.js', b'plain')
    put(tmp_path, 'a.js.gz', b'gz')
    put(tmp_path, 'a.js.br', b'br')
    put(tmp_path, 'b.js', b'plain')
    async with folder(loop, engine, tmp_path, precompressed=('zstd', 'gzip', 'br')) as server:
        assert (await server.get('/a.js', 'Accept-Encoding: br, gzip, zstd')).body == b'gz'
        reply = await server.get('/b.js', 'Accept-Encoding: br', 'Accept-Encoding: gzip')
        assert (reply.body, reply['vary']) == (b'plain', b'accept-encoding')
        # A sidecar alone is not the file.
        (tmp_path / 'a.js').unlink()
        assert (await server.get('/a.js', 'Accept-Encoding: br')).status == 404
        assert (await server.get('/a.js.gz'))['content-type'] == b'application/gzip'


@ONLY_FAST
@one_loop
async def test_conditions_and_ranges_are_those_of_the_sidecar(loop, engine, tmp_path):
    put(tmp_path, 'a.js', b'plain')
    tag = etag_of(put(tmp_path, 'a.js.gz', b'compressed'), 'gzip')
    async with folder(loop, engine, tmp_path, precompressed=('gzip',)) as server:
        reply = await server.get('/a.js', 'Accept-Encoding: gzip', 'Range: bytes=0-3', f'If-Range: {tag}')
        assert (reply.status, reply.body, reply['content-encoding']) == (206, b'comp', b'gzip')
        reply = await server.get('/a.js', 'Accept-Encoding: gzip', f'If-None-Match: {tag}')
        assert (reply.status, reply['vary'], reply['etag']) == (304, b'accept-encoding', tag.encode())
        assert (await server.get('/a.js', f'If-None-Match: {tag}')).body == b'plain'


def test_what_clients_accept_is_remembered_within_bounds():
    codings = Codings(('gzip',))
    for number in range(10_000):
        codings.wanted(b'gzip, x%d' % number)
        codings.wanted(b'gzip, ' + b'x' * 10_000 + b'%d' % number)
    assert len(codings._known) <= 128
