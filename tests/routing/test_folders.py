"""Folders among other mounts: what they are asked for, and what falls through to whom."""

from __future__ import annotations

import os
import sys
from urllib.parse import unquote_to_bytes

import pytest

from tests.helpers.mounted import named
from tests.helpers.serving import one_loop

pytestmark = one_loop


@pytest.fixture
def folder(tmp_path):
    for name in ('public', 'public/sub', 'more'):
        (tmp_path / name).mkdir()
    for name in ('public/a.txt', 'public/sub/b.txt', 'more/c.txt', 'more/a.txt', 'secret.txt'):
        (tmp_path / name).write_text(name)
    return tmp_path


def toml(folder, *parts):
    return '\n'.join(parts).replace('DIR', str(folder))


APP = '[[apps]]\ntarget = "app"\ninterface = "asgi"'
PUBLIC = '[[static]]\ndirectory = "DIR/public"'


@pytest.mark.parametrize(
    ('target', 'status', 'body'),
    [
        ('/static/a.txt', 200, 'public/a.txt'),
        ('/static//sub/./b.txt', 200, 'public/sub/b.txt'),
        ('/x/../static/a.txt', 200, 'public/a.txt'),
        ('/static/none', 404, 'Not found'),
        ('/staticfoo', 200, 'app  /staticfoo /staticfoo 0'),
        ('/static/../secret.txt', 200, 'app  /static/../secret.txt /static/../secret.txt 0'),
        ('/static/%2e%2e/static/a.txt', 200, 'public/a.txt'),
        ('/static/sub%2fb.txt', 200, 'public/sub/b.txt'),
    ],
)
async def test_folder_before_an_application(target, status, body, mounted, folder):
    async with mounted(toml(folder, PUBLIC, APP), app=named('app')) as server:
        reply = await server.ask('x', target)
        assert (reply.status, reply.body.decode()) == (status, body)


async def test_folder_at_the_root_alone(mounted, folder):
    async with mounted(toml(folder, PUBLIC, 'path = "/"')) as server:
        assert (await server.ask('x', '/a.txt')).body == b'public/a.txt'
        assert (await server.ask('x', '/../secret.txt')).status == 404


async def test_folder_of_one_host(mounted, folder):
    async with mounted(toml(folder, PUBLIC, 'path = "/"\nhosts = ["files.example"]', APP), app=named('app')) as server:
        assert (await server.ask('files.example', '/a.txt')).body == b'public/a.txt'
        assert (await server.ask('x', '/a.txt')).body == b'app  /a.txt /a.txt 0'


async def test_what_is_not_there_falls_through_folders_to_the_application_under_its_own_terms(mounted, folder):
    text = toml(
        folder,
        PUBLIC,
        'path = "/"\nfall_through = true\nheaders = { x-from = "public" }',
        '[[static]]\ndirectory = "DIR/more"\npath = "/"\nfall_through = true',
        '[[static]]\ndirectory = "DIR/more"\npath = "/deep"\nfall_through = true\nheaders = { x-from = "deep" }',
        APP,
        'limits = { body = 10 }',
    )
    async with mounted(text, app=named('app')) as server:
        for target, body, header in [
            ('/a.txt', b'public/a.txt', b'public'),
            ('/c.txt', b'more/c.txt', None),
            ('/d.txt', b'app  /d.txt /d.txt 0', None),
            ('/deep/c.txt', b'more/c.txt', b'deep'),
            ('/deep/sub/b.txt', b'app  /deep/sub/b.txt /deep/sub/b.txt 0', None),
        ]:
            reply = await server.ask('x', target)
            assert (target, reply.body, dict(reply.fields).get(b'x-from')) == (target, body, header)
        client = await server.connect()
        for size, status in ((10, 200), (11, 413)):
            await client.post('/d.txt', b'x' * size)
            assert (await client.reply()).status == status


async def test_falling_through_to_nothing_is_not_found(mounted, folder):
    async with mounted(toml(folder, PUBLIC, 'fall_through = true')) as server:
        reply = await server.ask('x', '/static/none')
        assert (reply.status, reply.body) == (404, b'Not found')


async def test_body_that_nobody_wants_does_not_disturb_what_falls_through(mounted, folder):
    async with mounted(toml(folder, PUBLIC, 'path = "/"\nfall_through = true', APP), app=named('app')) as server:
        client = await server.connect()
        for _ in range(2):
            await client.post('/form', b'12345')
            assert (await client.reply()).body == b'app  /form /form 5'


async def test_folder_on_a_host_and_on_its_suffix_falls_through_once(mounted, folder):
    hosts = 'path = "/"\nfall_through = true\nhosts = ["www.x.example", "*.x.example", "*.example"]'
    more = '[[static]]\ndirectory = "DIR/more"\npath = "/"\nfall_through = true\nhosts = ["*.x.example"]'
    async with mounted(toml(folder, PUBLIC, hosts, more, APP), app=named('app')) as server:
        assert (await server.ask('www.x.example', '/nothere')).body == b'app  /nothere /nothere 0'
        assert (await server.ask('www.x.example', '/c.txt')).body == b'more/c.txt'
        assert (await server.ask('a.x.example', '/nothere')).body == b'app  /nothere /nothere 0'


@pytest.mark.skipif(sys.platform != 'linux', reason='elsewhere names are Unicode')
async def test_file_whose_name_is_not_utf_8(mounted, folder):
    for name in (b'\xe9.txt', '\ufffd.txt'.encode(), b'd\xe9/\xff.txt'):
        path = os.path.join(os.fsencode(folder / 'public'), name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, 'wb') as file:
            file.write(name)
    async with mounted(toml(folder, PUBLIC)) as server:
        for target in ('%E9.txt', '%EF%BF%BD.txt', 'd%e9/x/../%ff.txt'):
            reply = await server.ask('x', f'/static/{target}')
            assert (reply.status, reply.body) == (200, os.path.normpath(unquote_to_bytes(target)))
        assert (await server.ask('x', '/static/%E8.txt')).status == 404
