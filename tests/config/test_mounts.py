"""Mounts as a document and upstream's flags have them."""

from __future__ import annotations

import os

import pytest

APP = '[[apps]]\ntarget = "main:app"\n'


@pytest.fixture
def folders(tmp_path):
    for name in ('st', 'st2', 'st3'):
        (tmp_path / name).mkdir()
    return tmp_path


def served(config):
    return [(folder.path, folder.directory.name) for folder in config.static]


def test_paths_and_hosts_have_one_form_each(loaded):
    app = loaded(APP + 'path = "/a/b/"\nhosts = ["Shop.Example.", "*.Shop.example", "[0::1]"]\n').config.apps[0]

    assert app.path == '/a/b'
    assert app.hosts == ('shop.example', '*.shop.example', '[::1]')


def test_headers_keep_their_order_and_are_in_lower_case(loaded):
    toml = APP + '[apps.headers]\nX-Frame-Options = "DENY"\nserver = " me "\n'

    assert loaded(toml).config.apps[0].headers == (('x-frame-options', 'DENY'), ('server', 'me'))
    assert str(loaded(toml).origin('apps[0].headers.X-Frame-Options')) == 'granian.toml:4'


@pytest.mark.parametrize(
    ('environ', 'flags', 'expected'),
    [
        ({}, {'--static-path-mount': ('st',)}, [('/static', 'st')]),
        ({}, {'--static-path-mount': ('st',), '--static-path-route': ('/s',)}, [('/s', 'st')]),
        ({}, {'--static-path-mount': ('st', 'st2'), '--static-path-route': ('/a', '/b/')}, [('/a', 'st'), ('/b', 'st2')]),
        (
            {'GRANIAN_STATIC_PATH_MOUNT': os.pathsep.join(['st', 'st2']), 'GRANIAN_STATIC_PATH_ROUTE': '/s1 /s2'},
            {},
            [('/s1', 'st'), ('/s2', 'st2')],
        ),
        ({'GRANIAN_STATIC_PATH_MOUNT': 'st'}, {'--static-path-route': ('/s',)}, [('/s', 'st')]),
        ({'GRANIAN_STATIC_PATH_MOUNT': 'st:st2', 'GRANIAN_STATIC_PATH_ROUTE': '/a /b'}, {'--static-path-mount': ('st3',)}, [('/a', 'st3'), ('/b', 'st2')]),
        ({'GRANIAN_STATIC__0__DIRECTORY': 'st', 'GRANIAN_STATIC__0__PATH': '/x'}, {}, [('/x', 'st')]),
        ({'GRANIAN_STATIC': '[{"directory": "st"}]'}, {}, [('/static', 'st')]),
    ],
)  # fmt: skip
def test_static_flags_speak_of_one_folder_after_the_other(environ, flags, expected, loaded, folders):
    assert served(loaded(environ=environ, flags=flags).config) == expected


@pytest.mark.parametrize(
    ('toml', 'environ', 'flags', 'expected'),
    [
        ('', {}, {'--static-path-mount': ('st',)}, [(86400, None)]),
        ('', {}, {'--static-path-mount': ('st',), '--static-path-expires': '0'}, [(0, None)]),
        ('', {'GRANIAN_STATIC_PATH_EXPIRES': '1h'}, {'--static-path-mount': ('st',)}, [(3600, None)]),
        (
            '[[static]]\ndirectory = "st"\nexpires = 5\n[[static]]\ndirectory = "st2"\npath = "/b"\nindex = "i.html"\n',
            {},
            {'--static-path-dir-to-file': 'index.html'},
            [(5, 'index.html'), (86400, 'index.html')],
        ),
        # What a stronger source says of one folder is not undone by what a weaker one says of all.
        (
            '[[static]]\ndirectory = "st"\n[[static]]\ndirectory = "st2"\npath = "/b"\n',
            {'GRANIAN_STATIC_PATH_EXPIRES': '7'},
            {'--set': ('static[1].expires=8',)},
            [(7, None), (8, None)],
        ),
    ],
)
def test_expires_and_index_of_the_flags_are_for_all_folders(toml, environ, flags, expected, loaded, folders):
    config = loaded(toml, environ, flags).config

    assert [(folder.expires, folder.index) for folder in config.static] == expected


@pytest.mark.parametrize(
    ('environ', 'flags', 'fault'),
    [
        (
            {},
            {'--static-path-mount': ('st', 'st2'), '--static-path-route': ('/a',)},
            'flag --static-path-route: static: 1 of these and 2 of --static-path-mount; give as many of each',
        ),
        (
            {},
            {'--static-path-mount': ('st',), '--static-path-route': ('/a', '/b')},
            'flag --static-path-route: static: 2 of these and 1 of --static-path-mount; give as many of each',
        ),
        (
            {'GRANIAN_STATIC_PATH_MOUNT': 'st:st2', 'GRANIAN_STATIC_PATH_ROUTE': '/a'},
            {},
            'environment GRANIAN_STATIC_PATH_ROUTE: static: 1 of these and 2 of GRANIAN_STATIC_PATH_MOUNT; give as many of each',
        ),
        (
            {},
            {'--static-path-mount': ('st', 'st2')},
            (
                "flag --static-path-mount: static[1].path: would never be reached: static[0] has '/static' already; "
                'give one of them another path or hosts'
            ),
        ),
        (
            {},
            {'--static-path-route': ('/a',)},
            'flag --static-path-route: static[0].directory: is missing; write it like directory = "."',
        ),
        (
            {},
            {'--static-path-mount': ('nowhere',)},
            "flag --static-path-mount: static[0].directory: 'nowhere': no such directory (looked for <dir>/nowhere)",
        ),
        (
            {'GRANIAN_STATIC_PATH_EXPIRES': 'soon'},
            {'--static-path-mount': ('st', 'st2'), '--static-path-route': ('/a', '/b')},
            (
                "environment GRANIAN_STATIC_PATH_EXPIRES: static[0].expires: 'soon' is not a valid duration; "
                'write it like 30s, 1m30s or 250ms'
            ),
        ),
        (
            {'GRANIAN_STATIC_PATH_MOUNT': 'st', 'GRANIAN_STATIC__0__DIRECTORY': 'st2'},
            {},
            (
                'environment GRANIAN_STATIC__0__DIRECTORY: static[0].directory: is set by environment '
                'GRANIAN_STATIC_PATH_MOUNT too; keep one of them'
            ),
        ),
    ],
)
def test_faulty_static_flags(environ, flags, fault, report, folders):
    assert report(environ=environ, flags=flags).startswith(fault.replace('<dir>', str(folders)) + '\n')


@pytest.mark.parametrize(
    ('environ', 'key', 'value'),
    [
        ({'GRANIAN_APPS__0__HOSTS': 'a.example  b.example'}, 'hosts', ('a.example', 'b.example')),
        ({'GRANIAN_APPS__0__HOSTS': '["a.example"]'}, 'hosts', ('a.example',)),
        ({'GRANIAN_APPS__0__HEADERS': '{"X-A": "1"}'}, 'headers', (('x-a', '1'),)),
        ({'GRANIAN_URL_PATH_PREFIX': '/pre/'}, 'root_path', '/pre'),
        ({'GRANIAN_BLOCKING_THREADS_IDLE_TIMEOUT': '1m'}, 'blocking_threads_idle_timeout', 60.0),
        ({'GRANIAN_APPS__0__LIMITS__BODY': '1MiB'}, 'limits.body', 1024 * 1024),
        ({'GRANIAN_APPS__0__STRIP_PREFIX': 'no'}, 'strip_prefix', False),
    ],
)
def test_variable_means_its_key(environ, key, value, loaded):
    found = loaded(APP + 'interface = "wsgi"\n', environ).config.apps[0]
    for part in key.split('.'):
        found = getattr(found, part)

    assert found == value


def test_section_that_is_no_json_is_a_fault_of_its_variable(report):
    assert report(APP, {'GRANIAN_APPS__0__HEADERS': 'x: y'}).startswith(
        'environment GRANIAN_APPS__0__HEADERS: apps[0].headers: a section or a list is given as JSON, and this is not'
    )


@pytest.mark.parametrize('environ', [{'GRANIAN_STATIC_PATH_MOUNT': 'st:st2', 'GRANIAN_STATIC_PATH_ROUTE': '/ /a'}, {}])
def test_folder_that_upstreams_flags_put_at_the_root_leaves_the_rest_to_the_application(environ, loaded, folders):
    flags = {} if environ else {'--static-path-mount': ('st', 'st2'), '--static-path-route': ('/', '/a')}
    config = loaded(environ=environ, flags={'APP': 'main:app', **flags}).config

    assert [(folder.path, folder.fall_through) for folder in config.static] == [('/', True), ('/a', False)]


@pytest.mark.parametrize('says', [{'GRANIAN_STATIC__0__FALL_THROUGH': 'no'}, {'GRANIAN_STATIC__0__FALLBACK': 'a.html'}])
def test_folder_at_the_root_does_not_fall_through_where_somebody_says_otherwise(says, loaded, folders):
    (folders / 'st' / 'a.html').touch()
    flags = {'--static-path-mount': ('st',), '--static-path-route': ('/',)}

    assert not loaded(environ=says, flags=flags).config.static[0].fall_through


@pytest.mark.parametrize(
    ('environ', 'flags'),
    [
        ({'GRANIAN_STATIC_PATH_DIR_TO_FILE': 'a.html'}, {}),
        ({}, {'--static-path-dir-to-file': 'a.html'}),
    ],
)
def test_file_for_folders_by_upstreams_flag_answers_with_and_without_the_slash(environ, flags, loaded, folders):
    toml = '[[static]]\ndirectory = "st2"\npath = "/b"\nindex_redirect = true\n'
    mounted = {'--static-path-mount': ('st',), **flags}

    assert not loaded(environ=environ, flags=mounted).config.static[0].index_redirect
    assert loaded(toml, environ=environ, flags=flags).config.static[0].index_redirect
    assert loaded('[[static]]\ndirectory = "st"\nindex = "a.html"\n').config.static[0].index_redirect


@pytest.mark.parametrize(
    ('environ', 'flags', 'unused'),
    [
        (
            {'GRANIAN_STATIC_PATH_EXPIRES': '5'},
            {},
            'environment GRANIAN_STATIC_PATH_EXPIRES: expires has no effect: there is no [[static]] that it could be for',
        ),
        (
            {'GRANIAN_URL_PATH_PREFIX': '/x'},
            {'--interface': 'RSGI'},
            'environment GRANIAN_URL_PATH_PREFIX: apps[0].root_path has no effect: RSGI has no root path',
        ),
        (
            {},
            {'--uds-permissions': '0o600', '--port': '9000'},
            'flag --uds-permissions: listeners[0].permissions has no effect: there is no Unix socket',
        ),
    ],
)
def test_upstreams_options_without_effect_are_told_and_left_out(environ, flags, unused, loaded):
    config = loaded(environ=environ, flags={'APP': 'main:app', **flags}).config

    assert config.unused == (unused,)
    assert (config.static, config.apps[0].root_path, config.listeners[0].permissions) == ((), '', None)


@pytest.mark.parametrize(
    ('environ', 'flags'),
    [
        ({'GRANIAN_URL_PATH_PREFIX': '/x'}, {'--interface': 'asgi'}),
        ({'GRANIAN_UDS_PERMISSIONS': '0o600'}, {'--uds': 'run.sock'}),
    ],
)
def test_upstreams_options_with_an_effect_are_kept(environ, flags, loaded):
    config = loaded(environ=environ, flags={'APP': 'main:app', **flags}).config

    assert config.unused == ()
    assert config.apps[0].root_path == '/x' or config.listeners[0].permissions == 0o600


def test_applications_that_nobody_named_are_numbered_where_they_would_be_called_the_same(loaded):
    toml = ''.join(
        f'[[apps]]\ntarget = "{target}"\npath = "/{target[:1]}"\n' for target in ('a.main', 'b.main', 'c.main:x')
    )
    named = '[[apps]]\ntarget = "d"\npath = "/d"\nname = "main-2"\n'

    assert [app.name for app in loaded(toml).config.apps] == ['main', 'main-2', 'main-3']
    assert [app.name for app in loaded(toml + named).config.apps] == ['main', 'main-3', 'main-4', 'main-2']
