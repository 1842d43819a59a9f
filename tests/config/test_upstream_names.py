"""Every option of upstream by its flag and by its variable: the default it has there, and one meaning for both names."""

from __future__ import annotations

import os

import pytest

from granian.config.loading import load
from granian.config.options import options
from tests.helpers.certificates import Authority

# Flag, variable, upstream's default (None: there is none, or it is not text), another value.
NAMES = [
    ('--host', 'GRANIAN_HOST', '127.0.0.1', '0.0.0.0'),
    ('--port', 'GRANIAN_PORT', '8000', '9000'),
    ('--uds', 'GRANIAN_UDS', None, 'run.sock'),
    ('--uds-permissions', 'GRANIAN_UDS_PERMISSIONS', None, '0660'),
    ('--interface', 'GRANIAN_INTERFACE', 'rsgi', 'ASGI'),
    ('--http', 'GRANIAN_HTTP', 'auto', '2'),
    ('--ws', 'GRANIAN_WEBSOCKETS', True, False),
    ('--workers', 'GRANIAN_WORKERS', '1', '2'),
    ('--blocking-threads', 'GRANIAN_BLOCKING_THREADS', None, '1'),
    ('--blocking-threads-idle-timeout', 'GRANIAN_BLOCKING_THREADS_IDLE_TIMEOUT', '30', '1m10s'),
    ('--runtime-threads', 'GRANIAN_RUNTIME_THREADS', '1', '2'),
    ('--runtime-blocking-threads', 'GRANIAN_RUNTIME_BLOCKING_THREADS', None, '2'),
    ('--runtime-mode', 'GRANIAN_RUNTIME_MODE', 'auto', 'mt'),
    ('--loop', 'GRANIAN_LOOP', 'auto', 'asyncio'),
    ('--task-impl', 'GRANIAN_TASK_IMPL', 'asyncio', 'rust'),
    ('--backlog', 'GRANIAN_BACKLOG', '1024', '128'),
    ('--backpressure', 'GRANIAN_BACKPRESSURE', None, '1'),
    ('--http1-buffer-size', 'GRANIAN_HTTP1_BUFFER_SIZE', '417792', '8192'),
    ('--http1-header-read-timeout', 'GRANIAN_HTTP1_HEADER_READ_TIMEOUT', '30000', '1'),
    ('--http1-keep-alive', 'GRANIAN_HTTP1_KEEP_ALIVE', True, False),
    ('--http1-pipeline-flush', 'GRANIAN_HTTP1_PIPELINE_FLUSH', False, True),
    ('--http2-adaptive-window', 'GRANIAN_HTTP2_ADAPTIVE_WINDOW', False, True),
    ('--http2-initial-connection-window-size', 'GRANIAN_HTTP2_INITIAL_CONNECTION_WINDOW_SIZE', '1048576', '1024'),
    ('--http2-initial-stream-window-size', 'GRANIAN_HTTP2_INITIAL_STREAM_WINDOW_SIZE', '1048576', '1024'),
    ('--http2-keep-alive-interval', 'GRANIAN_HTTP2_KEEP_ALIVE_INTERVAL', None, '60000'),
    ('--http2-keep-alive-timeout', 'GRANIAN_HTTP2_KEEP_ALIVE_TIMEOUT', '20', '1'),
    ('--http2-max-concurrent-streams', 'GRANIAN_HTTP2_MAX_CONCURRENT_STREAMS', '200', '10'),
    ('--http2-max-frame-size', 'GRANIAN_HTTP2_MAX_FRAME_SIZE', '16384', '1024'),
    ('--http2-max-headers-size', 'GRANIAN_HTTP2_MAX_HEADERS_SIZE', '16777216', '1'),
    ('--http2-max-send-buffer-size', 'GRANIAN_HTTP2_MAX_SEND_BUFFER_SIZE', '409600', '1024'),
    ('--log', 'GRANIAN_LOG_ENABLED', True, False),
    ('--log-level', 'GRANIAN_LOG_LEVEL', 'info', 'WARN'),
    ('--log-config', 'GRANIAN_LOG_CONFIG', None, 'log.json'),
    ('--access-log', 'GRANIAN_LOG_ACCESS_ENABLED', False, True),
    ('--access-log-fmt', 'GRANIAN_LOG_ACCESS_FMT', None, '%(status)d %(header{X-Id})s'),
    ('--ssl-certificate', 'GRANIAN_SSL_CERTIFICATE', None, 'other.pem'),
    ('--ssl-keyfile', 'GRANIAN_SSL_KEYFILE', None, 'encrypted.key'),
    ('--ssl-keyfile-password', 'GRANIAN_SSL_KEYFILE_PASSWORD', None, 'secret'),
    ('--ssl-protocol-min', 'GRANIAN_SSL_PROTOCOL_MIN', 'tls1.3', 'tls1.2'),
    ('--ssl-ca', 'GRANIAN_SSL_CA', None, 'ca.pem'),
    ('--ssl-crl', 'GRANIAN_SSL_CRL', None, ('ca.crl',)),
    ('--ssl-client-verify', 'GRANIAN_SSL_CLIENT_VERIFY', False, True),
    ('--url-path-prefix', 'GRANIAN_URL_PATH_PREFIX', None, '/api'),
    ('--respawn-failed-workers', 'GRANIAN_RESPAWN_FAILED_WORKERS', False, True),
    ('--respawn-interval', 'GRANIAN_RESPAWN_INTERVAL', '3.5', '0.5'),
    ('--rss-sample-interval', 'GRANIAN_RSS_SAMPLE_INTERVAL', '30', '5m'),
    ('--rss-samples', 'GRANIAN_RSS_SAMPLES', '1', '3'),
    ('--workers-lifetime', 'GRANIAN_WORKERS_LIFETIME', None, '1h30m'),
    ('--workers-max-rss', 'GRANIAN_WORKERS_MAX_RSS', None, '1'),
    ('--workers-kill-timeout', 'GRANIAN_WORKERS_KILL_TIMEOUT', None, '1800'),
    ('--factory', 'GRANIAN_FACTORY', False, True),
    ('--working-dir', 'GRANIAN_WORKING_DIR', None, 'st'),
    ('--env-files', 'GRANIAN_ENV_FILES', None, ('a.env', 'b.env')),
    ('--static-path-route', 'GRANIAN_STATIC_PATH_ROUTE', '/static', '/files'),
    ('--static-path-mount', 'GRANIAN_STATIC_PATH_MOUNT', None, 'st2'),
    ('--static-path-dir-to-file', 'GRANIAN_STATIC_PATH_DIR_TO_FILE', None, 'a.html'),
    ('--static-path-expires', 'GRANIAN_STATIC_PATH_EXPIRES', '86400', '0'),
    ('--reload', 'GRANIAN_RELOAD', False, True),
    ('--reload-paths', 'GRANIAN_RELOAD_PATHS', None, ('st', 'st2')),
    ('--reload-ignore-dirs', 'GRANIAN_RELOAD_IGNORE_DIRS', None, ('up', 'down')),
    ('--reload-ignore-patterns', 'GRANIAN_RELOAD_IGNORE_PATTERNS', None, ('x$', '^y')),
    ('--reload-ignore-paths', 'GRANIAN_RELOAD_IGNORE_PATHS', None, ('st', 'st2')),
    ('--reload-tick', 'GRANIAN_RELOAD_TICK', '50', '5000'),
    ('--reload-ignore-worker-failure', 'GRANIAN_RELOAD_IGNORE_WORKER_FAILURE', False, True),
    ('--process-name', 'GRANIAN_PROCESS_NAME', None, 'shop'),
    ('--pid-file', 'GRANIAN_PID_FILE', None, 'run.pid'),
]  # fmt: skip
VARIABLES = {flag: variable for flag, variable, *_ in NAMES}
PLAIN_TLS = {'--ssl-certificate': 'site.pem', '--ssl-keyfile': 'site.key'}
# What an option needs beside it.
BESIDE = {
    **{flag: PLAIN_TLS for flag in VARIABLES if flag.startswith('--ssl-')},
    **{flag: {'--static-path-mount': 'st'} for flag in VARIABLES if flag.startswith('--static-path-')},
    '--uds-permissions': {'--uds': 'run.sock'},
    '--url-path-prefix': {'--interface': 'asgi'},
    '--ssl-keyfile': {**PLAIN_TLS, '--ssl-keyfile-password': 'secret'},
    '--ssl-keyfile-password': {**PLAIN_TLS, '--ssl-keyfile': 'encrypted.key'},
    '--ssl-crl': {**PLAIN_TLS, '--ssl-ca': 'ca.pem'},
    '--ssl-client-verify': {**PLAIN_TLS, '--ssl-ca': 'ca.pem'},
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp('names')
    for name in ('st', 'st2'):
        (found / name).mkdir()
    for name in ('a.env', 'b.env'):
        (found / name).write_text('COLOUR=red\n')
    (found / 'log.json').write_text('{"version": 1}')
    authority = Authority('ca')
    (found / 'ca.pem').write_text(authority.pem)
    (found / 'ca.crl').write_text(authority.revocations())
    site = authority.issue('localhost')
    site.write(found, 'site')
    (found / 'other.pem').write_text(site.pem)
    (found / 'encrypted.key').write_text(site.key_pem(password='secret'))
    return found


@pytest.fixture
def config_of(folder):
    def load_with(flags, environ=None):
        return load(flags={'APP': 'main:app', **flags}, environ=environ or {}, cwd=folder).config

    return load_with


def as_variable(flag, value):
    """Of several values, names are set apart by blanks and paths as in PATH."""
    if isinstance(value, tuple):
        return (' ' if flag in {'--reload-ignore-dirs', '--reload-ignore-patterns'} else os.pathsep).join(value)
    return {True: 'yes', False: 'no'}[value] if isinstance(value, bool) else value


@pytest.mark.parametrize(('flag', 'default'), [(flag, default) for flag, _, default, _ in NAMES if default is not None])
def test_upstreams_default_is_the_default(flag, default, config_of):
    beside = BESIDE.get(flag, {})
    if flag == '--ssl-client-verify':
        # Upstream asks for certificates where it has authorities.
        beside = PLAIN_TLS

    assert config_of({**beside, flag: default}) == config_of(beside)


@pytest.mark.parametrize(('flag', 'variable', '_default', 'value'), NAMES, ids=VARIABLES)
def test_flag_and_variable_mean_the_same(flag, variable, _default, value, config_of):
    beside = BESIDE.get(flag, {})
    text = as_variable(flag, value)
    by_variable = config_of({other: said for other, said in beside.items() if other != flag}, {variable: text})

    assert by_variable == config_of({**beside, flag: value})
    if flag not in {'--ssl-keyfile', '--ssl-keyfile-password'}:
        # Each of these two is a fault without the other.
        assert by_variable != config_of(beside)
    assert by_variable.unused == ()


def test_all_of_them_are_options_here():
    known = {flag.name: flag.environment_name for option in options() for flag in option.flags}

    assert {flag: known.get(flag) for flag in VARIABLES} == VARIABLES
    assert len(VARIABLES) == 66
