"""Nothing outside the folder is ever sent: traversal, symlinks, races, and what is not a file."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest

from granian.adapters.static.paths import Root, is_hidden, split_path
from tests.helpers.folders import folder, put
from tests.helpers.serving import PATIENCE_S, one_loop
from tests.helpers.traversal import TARGETS

ONLY_FAST = pytest.mark.parametrize('engine', ['fast'], indirect=True)
SECRET = b'the secret'


@pytest.fixture
def site(tmp_path):
    """A folder `site/public`, and secrets around it."""
    for name in ('secret.txt', 'site/secret.txt', 'site/public2/secret.txt', 'site/public/../passwd'):
        put(tmp_path, name, SECRET)
    for name in ('index.html', 'sub/a.txt', 'sub/deep/a.txt'):
        put(tmp_path, f'site/public/{name}', b'public')
    return tmp_path / 'site' / 'public'


@one_loop
@pytest.mark.parametrize('at', ['/', '/static'])
@pytest.mark.parametrize('symlinks', ['inside', 'any', 'none'])
async def test_the_corpus_gets_nothing_out(loop, engine, site, at, symlinks):
    async with folder(loop, engine, site, at=at, symlinks=symlinks, index='index.html') as server:
        for target in TARGETS:
            client = await server.connect()
            await client.send(
                b'GET '
                + target.replace(b'@', at.rstrip('/').encode())
                + b' HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n'
            )
            answer = await client.rest()
            assert b'secret' not in answer.partition(b'\r\n\r\n')[2], target
            assert b'root:' not in answer, target
            status = int(answer.split(b' ', 2)[1])
            assert status in (200, 301, 400, 404), (target, status)
            # What stays inside after all is what is there.
            assert status != 200 or answer.endswith(b'\r\n\r\npublic'), target


def test_the_corpus_is_large():
    assert len(set(TARGETS)) == len(TARGETS) >= 60


@pytest.mark.parametrize('walks', [True, False])
@pytest.mark.parametrize('symlinks', ['inside', 'any', 'none'])
@pytest.mark.parametrize(
    'segments',
    [['..', 'secret.txt'], ['sub', '..', '..', 'secret.txt'], ['..'], ['..', 'public2', 'secret.txt'], ['sub', '..', '..', 'public2', 'secret.txt']],
)  # fmt: skip
def test_dot_segments_do_not_come_as_far_as_the_file_system(site, walks, symlinks, segments):
    assert split_path('/' + '/'.join(segments)) is None


@pytest.mark.parametrize(
    'path',
    ['/a\0b', '/\0', '/..', '/../a', '/a/..', 'a/../b', '/..\\a', '/a\\b', '\\', '/' * 1000, '/a' * 300, '/\ud800'],
)
def test_what_no_file_may_be_called(path):
    assert split_path(path) is None


@pytest.mark.parametrize(
    'segment',
    ['C:', 'c:a', 'a.txt:stream', 'a.txt::$DATA', 'con', 'CON', 'nul.txt', 'Aux', 'com1', 'LPT9.x', 'COM²', 'conin$', 'a.', 'a ',
     'a. .', 'PROGRA~1', 'con .txt'],
)  # fmt: skip
def test_what_means_something_else_to_windows(segment):
    assert split_path(f'/x/{segment}', windows=True) is None
    assert split_path(f'/x/{segment}', windows=False) == [b'x', segment.encode()]


def test_other_names_are_taken_as_they_are():
    assert split_path('/a/./b//c…/~x', windows=True) == [b'a', b'b', 'c…'.encode(), b'~x']
    assert split_path('') == split_path('/') == split_path('///') == []
    assert split_path('/...') == [b'...']


# ── symlinks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def linked(site, tmp_path):
    """(link, policy) → whether it is served is in the tests' table."""
    links = {
        'in.txt': 'sub/a.txt', 'in-absolute.txt': str(site / 'sub/a.txt'), 'in-dir': 'sub', 'in-in-dir': 'in-dir',
        'roundabout.txt': '../public/sub/a.txt', 'out.txt': '../secret.txt', 'out-absolute.txt': str(tmp_path / 'secret.txt'),
        'out-dir': '..', 'sibling': '../public2', 'loop': 'loop', 'self': '.', 'broken': 'nothing', 'sub/up.txt': '../index.html',
        'sub/out.txt': '../../secret.txt', 'out-in-dir': 'out-dir/public/sub', 'proc': '/proc/self/root', 'device': '/dev/zero',
    }  # fmt: skip
    for name, target in links.items():
        (site / name).symlink_to(target)
    return site


INSIDE = [
    '/in.txt', '/in-absolute.txt', '/in-dir/a.txt', '/in-in-dir/a.txt', '/in-in-dir/deep/a.txt', '/roundabout.txt', '/sub/up.txt',
    '/self/sub/a.txt', '/self/self/self/in-dir/a.txt', '/in-dir/up.txt', '/out-in-dir/a.txt',
]  # fmt: skip
OUTSIDE = [
    '/out.txt', '/out-absolute.txt', '/out-dir/secret.txt', '/sibling/secret.txt', '/sub/out.txt', '/self/out.txt', '/in-dir/out.txt',
]  # fmt: skip
NOWHERE = [
    '/loop',
    '/broken',
    '/device',
    '/loop/a',
    '/broken/a',
    '/proc',
    '/in.txt/',
    '/in.txt/a',
    '/out-dir',
    '/out-dir/',
]


@pytest.mark.parametrize(('symlinks', 'served'), [('inside', {*INSIDE}), ('any', {*INSIDE, *OUTSIDE}), ('none', set())])
@ONLY_FAST
@one_loop
async def test_symlinks_are_followed_as_far_as_the_policy_says(loop, engine, linked, symlinks, served):
    async with folder(loop, engine, linked, symlinks=symlinks) as server:
        for target in [*INSIDE, *OUTSIDE, *NOWHERE]:
            reply = await server.get(target)
            wanted = (SECRET if target in OUTSIDE else b'public') if target in served else b'Not found'
            assert (target, reply.status, reply.body) == (target, 200 if target in served else 404, wanted)
        assert (await server.get('/sub/a.txt')).body == b'public'


@pytest.mark.parametrize('symlinks', ['inside', 'none'])
def test_without_relative_opening_the_policy_is_the_same(linked, symlinks):
    root = Root(str(linked), symlinks, hides=False, walks=False)
    for target in [*INSIDE, *OUTSIDE, *NOWHERE, '/sub/a.txt']:
        # What a slash at the end says, the handler deals with.
        segments = split_path(target if target[-1] != '/' else f'{target}index')
        if target == '/sub/a.txt' or (symlinks == 'inside' and target in INSIDE):
            descriptor, facts = root.open(segments)
            assert os.read(descriptor, 10) == b'public'
            assert facts.st_size == 6
            os.close(descriptor)
        else:
            with pytest.raises(OSError):
                root.open([*segments])


@ONLY_FAST
@one_loop
async def test_a_folder_that_is_a_link_has_an_index_where_links_are_followed(loop, engine, site):
    put(site, 'sub/index.html', b'public')
    (site / 'link').symlink_to('sub')
    (site / 'out').symlink_to('../public2')
    put(site.parent, 'public2/index.html', SECRET)
    async with folder(loop, engine, site, index='index.html') as server:
        assert (await server.get('/link'))['location'] == b'./link/'
        assert (await server.get('/link/')).body == b'public'
        assert (await server.get('/out')).status == 404
        assert (await server.get('/out/')).status == 404
    async with folder(loop, engine, site, index='index.html', symlinks='none') as server:
        assert (await server.get('/link')).status == 404


@ONLY_FAST
@one_loop
async def test_a_sidecar_that_leads_out_is_passed_over(loop, engine, site):
    (site / 'index.html.gz').symlink_to('../secret.txt')
    async with folder(loop, engine, site, precompressed=('gzip',)) as server:
        assert (await server.get('/index.html', 'Accept-Encoding: gzip')).body == b'public'


# ── dotfiles and what is no file ─────────────────────────────────────────────────────────────────────────────────────


@ONLY_FAST
@one_loop
async def test_dotfiles_are_served_or_not(loop, engine, site):
    hidden = ['/.env', '/.git/config', '/sub/.hidden/a', '/sub/.well-known/a', '/.well-known/.a', '/...']
    for name in [*hidden, '/.well-known/security.txt']:
        put(site, name[1:], b'dot')
    (site / 'link').symlink_to('.env')
    (site / 'git').symlink_to('.git')
    async with folder(loop, engine, site) as server:
        for target in [*hidden, '/link', '/git/config', '/.well-known/security.txt']:
            assert (await server.get(target)).body == b'dot', target
    async with folder(loop, engine, site, dotfiles='deny') as server:
        for target in [*hidden, '/link', '/git/config', '/%2eenv', '/sub/../.env']:
            assert (await server.get(target)).status == 404, target
        assert (await server.get('/.well-known/security.txt')).body == b'dot'
        assert (await server.get('/sub/a.txt')).body == b'public'


def test_hidden_is_what_begins_with_a_dot():
    assert [is_hidden(each.split(b'/')) for each in (b'a/b', b'.a', b'a/.b', b'.well-known/a', b'a.b')] == [False, True, True, False, False]  # fmt: skip


@ONLY_FAST
@one_loop
@pytest.mark.parametrize('symlinks', ['inside', 'any', 'none'])
async def test_what_is_no_regular_file_is_not_even_opened(loop, engine, site, symlinks):
    os.mkfifo(site / 'fifo')
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(site / 'socket'))
        blocked = threading.Thread(target=lambda: open(site / 'fifo', 'wb').close(), daemon=True)
        blocked.start()
        async with folder(loop, engine, site, symlinks=symlinks) as server:
            for target in ('/fifo', '/socket', '/sub'):
                assert (await server.get(target)).status == 404
        # A reader, even for a moment, would have let the writer go.
        assert blocked.is_alive()
        reader = os.open(site / 'fifo', os.O_RDONLY | os.O_NONBLOCK)
        blocked.join(10)
        os.close(reader)
        assert not blocked.is_alive()


@ONLY_FAST
@one_loop
@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
async def test_what_may_not_be_read_is_not_found(loop, engine, site):
    (site / 'index.html').chmod(0)
    async with folder(loop, engine, site) as server:
        assert (await server.get('/index.html')).status == 404


# ── races ────────────────────────────────────────────────────────────────────────────────────────────────────────────


class Swapper(threading.Thread):
    """Makes `path` by turns one thing and another, as fast as it can."""

    def __init__(self, path, turns):
        super().__init__(daemon=True)
        self.path, self.turns, self.swaps, self.stopping = path, turns, 0, threading.Event()

    def run(self):
        while not self.stopping.is_set():
            for make in self.turns:
                new = self.path.with_name(f'new-{self.swaps}')
                make(new)
                if any(path.is_dir() and not path.is_symlink() for path in (new, self.path)):
                    os.rename(self.path, self.path.with_name(f'old-{self.swaps}'))
                os.replace(new, self.path)
                self.swaps += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        self.join()


@pytest.mark.parametrize('walks', [True, False])
@pytest.mark.parametrize('symlinks', ['inside', 'none'])
def test_a_file_that_is_exchanged_for_a_link_out_all_the_time_never_gives_the_secret(site, symlinks, walks):
    turns = [lambda new: put(new.parent, new.name, b'public'), lambda new: new.symlink_to('../../secret.txt')]
    assert_never_out(site, Swapper(site / 'sub' / 'swap', turns), [b'sub', b'swap'], symlinks, walks)


@pytest.mark.parametrize('walks', [True, False])
@pytest.mark.parametrize('symlinks', ['inside', 'none'])
def test_a_folder_that_is_exchanged_for_a_link_out_all_the_time_never_gives_the_secret(site, symlinks, walks):
    turns = [lambda new: put(new, 'secret.txt', b'public'), lambda new: new.symlink_to('../../public2')]
    assert_never_out(site, Swapper(site / 'sub' / 'swap', turns), [b'sub', b'swap', b'secret.txt'], symlinks, walks)


@pytest.mark.parametrize('symlinks', ['inside'])
def test_a_link_that_leads_in_and_out_by_turns_gives_only_what_is_inside(site, symlinks):
    turns = [lambda new: new.symlink_to('deep'), lambda new: new.symlink_to('../../public2')]
    put(site, 'sub/deep/secret.txt', b'public')
    assert_never_out(site, Swapper(site / 'sub' / 'swap', turns), [b'sub', b'swap', b'secret.txt'], symlinks, True)


def assert_never_out(site, swapper, segments, symlinks, walks):
    swapper.turns[0](swapper.path)
    root = Root(str(site), symlinks, hides=False, walks=walks)
    served = refused = 0
    with swapper:
        ends_at = time.monotonic() + PATIENCE_S
        while time.monotonic() < ends_at and (
            swapper.swaps < 300 or not served or (symlinks == 'none' and not refused)
        ):
            try:
                descriptor, _ = root.open(segments)
            except OSError:
                refused += 1
                continue
            content = os.read(descriptor, 100)
            os.close(descriptor)
            assert content in (b'public', b'')
            served += 1
    assert swapper.swaps >= 300
    assert served
    assert refused or symlinks == 'inside'


# ── descriptors ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.skipif(not os.path.exists('/proc/self/fd'), reason='counts descriptors of Linux')
@pytest.mark.parametrize('walks', [True, False])
@pytest.mark.parametrize('symlinks', ['inside', 'any', 'none'])
def test_nothing_stays_open(linked, symlinks, walks):
    before = len(os.listdir('/proc/self/fd'))
    root = Root(str(linked), symlinks, hides=True, walks=walks)
    for target in [*INSIDE, *OUTSIDE, *NOWHERE, '/sub/deep/a.txt', '/sub', '/sub/deep', '/none/a/b/c', '/sub/none/x']:
        try:
            os.close(root.open(split_path(target))[0])
        except OSError:
            continue
    assert len(os.listdir('/proc/self/fd')) == before


@pytest.mark.parametrize('walks', [True, False])
@pytest.mark.parametrize(
    ('target', 'is_served'),
    [
        ('.git/config', False),
        ('../.git/config', False),
        ('../.git/sub/x', False),
        ('../shared/x', True),
        ('sub/a.txt', True),
    ],
)
def test_link_to_what_is_hidden_is_not_found_wherever_links_may_lead(site, walks, target, is_served):
    for name in ('.git/config', '../.git/config', '../.git/sub/x', '../shared/x'):
        put(site, name, b'x')
    (site / 'link').symlink_to(target)
    (site / 'folder').symlink_to(os.path.dirname(target))
    root = Root(str(site), 'any', hides=True, walks=walks)

    for segments in ([b'link'], [b'folder', os.path.basename(target).encode()]):
        if is_served:
            os.close(root.open(segments)[0])
        else:
            with pytest.raises(FileNotFoundError):
                root.open(segments)
