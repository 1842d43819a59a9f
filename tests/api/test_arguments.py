"""Upstream's constructors: names, order, defaults, and what each argument comes to."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

import granian
from granian.api.server import Granian
from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.errors import ConfigurationError
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server
from tests.helpers.certificates import Authority


def config_of(server):
    return server._loaded.config


async def app(scope, receive, send):
    raise AssertionError('nobody asks')


def test_import_paths_are_upstreams():
    from granian.server import Server as Whole
    from granian.server.mp import MPServer

    assert granian.Granian is Granian
    assert Whole is Granian
    assert MPServer is Granian
    assert set(granian.__all__) == {'__version__', 'loops', 'Granian'}
    assert 'asyncio' in granian.loops
    with pytest.raises(AttributeError, match='nothing'):
        granian.nothing  # noqa: B018
    with pytest.raises(AttributeError, match='nothing'):
        granian.server.nothing  # noqa: B018


def test_defaults_are_those_of_the_document():
    config = config_of(Granian('main:app'))
    assert str(config.listeners[0].bind) == '127.0.0.1:8000'
    assert config.apps[0].target == 'main:app'
    assert config.apps[0].interface == 'rsgi'
    assert config == type(config).model_validate({'apps': [{'target': 'main:app'}]})


# Each with what its key is then; the others need files.
MEANT = [
    ({'address': '0.0.0.0'}, "config.listeners[0].bind.host == '0.0.0.0'"),
    ({'port': 9001}, 'config.listeners[0].bind.port == 9001'),
    ({'uds': Path('run.sock')}, "config.listeners[0].bind.kind == 'unix'"),
    ({'uds': Path('run.sock'), 'uds_permissions': 0o660}, 'config.listeners[0].permissions == 0o660'),
    ({'interface': 'wsgi'}, "config.apps[0].interface == 'wsgi'"),
    ({'interface': Interfaces.ASGINL}, "config.apps[0].interface == 'asginl'"),
    ({'workers': 3}, 'config.server.workers == 3'),
    ({'workers': -1}, 'config.server.workers == 1'),
    ({'interface': 'wsgi', 'blocking_threads': 4}, 'config.apps[0].blocking_threads == 4'),
    ({'interface': 'wsgi', 'blocking_threads_idle_timeout': 7}, 'config.apps[0].blocking_threads_idle_timeout == 7'),
    ({'runtime_threads': 2}, 'config.server.runtime_threads == 2'),
    ({'runtime_blocking_threads': 2}, 'config.server.runtime_blocking_threads == 2'),
    ({'runtime_mode': 'st'}, "config.server.runtime_mode == 'st'"),
    ({'loop': Loops.asyncio}, "config.server.loop == 'asyncio'"),
    ({'task_impl': 'rust'}, "config.server.task_impl == 'rust'"),
    ({'http': HTTPModes.http1}, "config.listeners[0].http == '1'"),
    ({'websockets': False}, 'config.websocket.enabled is False'),
    ({'backlog': 512}, 'config.listeners[0].backlog == 512'),
    ({'backlog': 5}, 'config.listeners[0].backlog == 128'),
    ({'backpressure': 9}, 'config.server.backpressure == 9'),
    ({'http1_settings': HTTP1Settings(header_read_timeout=1500)}, 'config.http1.header_read_timeout == 1.5'),
    ({'http1_settings': HTTP1Settings(keep_alive=False)}, 'config.http1.keep_alive is False'),
    ({'http1_settings': HTTP1Settings(max_buffer_size=9000)}, 'config.http1.buffer_size == 9000'),
    ({'http1_settings': HTTP1Settings(pipeline_flush=True)}, 'config.http1.pipeline_flush is True'),
    ({'http2_settings': HTTP2Settings(adaptive_window=True)}, 'config.http2.adaptive_window is True'),
    ({'http2_settings': HTTP2Settings(keep_alive_interval=250)}, 'config.http2.keep_alive_interval == 0.25'),
    ({'http2_settings': HTTP2Settings(keep_alive_timeout=4)}, 'config.http2.keep_alive_timeout == 4'),
    ({'http2_settings': HTTP2Settings(max_concurrent_streams=17)}, 'config.http2.max_concurrent_streams == 17'),
    ({'http2_settings': HTTP2Settings(max_frame_size=20000)}, 'config.http2.max_frame_size == 20000'),
    ({'http2_settings': HTTP2Settings(max_headers_size=9000)}, 'config.http2.max_headers_size == 9000'),
    ({'http2_settings': HTTP2Settings(max_send_buffer_size=9000)}, 'config.http2.max_send_buffer_size == 9000'),
    (
        {'http2_settings': HTTP2Settings(initial_stream_window_size=99999)},
        'config.http2.initial_stream_window_size == 99999',
    ),
    (
        {'http2_settings': HTTP2Settings(initial_connection_window_size=99999)},
        'config.http2.initial_connection_window_size == 99999',
    ),
    ({'log_enabled': False}, 'config.logging.enabled is False'),
    ({'log_level': 'debug'}, "config.logging.level == 'debug'"),
    ({'log_access': True}, 'config.logging.access.enabled is True'),
    ({'log_access_format': '%(path)s'}, "config.logging.access.format == '%(path)s'"),
    ({'interface': 'asgi', 'url_path_prefix': '/api'}, "config.apps[0].root_path == '/api'"),
    ({'respawn_failed_workers': True}, 'config.server.respawn_failed_workers is True'),
    ({'respawn_interval': 0.5}, 'config.server.respawn_interval == 0.5'),
    ({'workers_max_rss': 300, 'rss_sample_interval': 4}, 'config.server.rss_sample_interval == 4'),
    ({'workers_max_rss': 300, 'rss_samples': 4}, 'config.server.rss_samples == 4'),
    ({'workers_max_rss': 300}, 'config.server.workers_max_rss == 300 * 1024 ** 2'),
    ({'workers_lifetime': 600}, 'config.server.workers_lifetime == 600'),
    ({'workers_kill_timeout': 60}, 'config.server.workers_kill_timeout == 60'),
    ({'factory': True}, 'config.apps[0].factory is True'),
    ({'static_path_mount': Path()}, 'config.static[0].directory.is_dir()'),
    ({'static_path_mount': [Path()], 'static_path_route': ['/files']}, "config.static[0].path == '/files'"),
    ({'static_path_mount': Path(), 'static_path_dir_to_file': 'a.html'}, "config.static[0].index == 'a.html'"),
    ({'static_path_mount': Path(), 'static_path_expires': 60}, 'config.static[0].expires == 60'),
    ({'metrics_enabled': True}, 'config.metrics.enabled is True'),
    ({'metrics_scrape_interval': 5}, 'config.metrics.scrape_interval == 5'),
    ({'metrics_address': '::1'}, "str(config.metrics.bind) == '[::1]:9090'"),
    ({'metrics_port': 9191}, "str(config.metrics.bind) == '127.0.0.1:9191'"),
    ({'reload': True}, 'config.reload.enabled is True'),
    ({'reload_paths': [Path()]}, 'len(config.reload.paths) == 1'),
    ({'reload_ignore_dirs': ['up']}, "config.reload.ignore_dirs == ('up',)"),
    ({'reload_ignore_patterns': ['x$']}, "config.reload.ignore_patterns == ('x$',)"),
    ({'reload_ignore_paths': [Path('x')]}, 'len(config.reload.ignore_paths) == 1'),
    ({'reload_tick': 200}, 'config.reload.tick == 0.2'),
    ({'reload_ignore_worker_failure': True}, 'config.reload.ignore_worker_failure is True'),
    ({'process_name': 'shop'}, "config.server.process_name == 'shop'"),
    ({'pid_file': Path('run.pid')}, "config.server.pid_file.name == 'run.pid'"),
    ({'working_dir': Path()}, 'config.server.working_dir.is_dir()'),
]


@pytest.mark.parametrize(('given', 'meant'), MEANT, ids=lambda value: str(value)[:60])
def test_each_argument_reaches_its_key(given, meant, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = config_of(Granian('main:app', **given))
    assert eval(meant, {'config': config, 'len': len})


def test_every_argument_is_in_the_table():
    told = {name for given, _ in MEANT for name in given} | {'target'}
    # By tests of their own.
    apart = {'log_dictconfig', 'reload_filter', 'env_files'}
    tls = {'ssl_cert', 'ssl_key', 'ssl_key_password', 'ssl_protocol_min', 'ssl_ca', 'ssl_crl', 'ssl_client_verify'}
    assert {each.name for each in fields(Granian)} == told | apart | tls


def test_tls(tmp_path):
    authority = Authority('ca')
    (tmp_path / 'ca.pem').write_text(authority.pem)
    certificate, key = authority.issue('localhost').write(tmp_path, 'own')
    tls = config_of(
        Granian(
            'main:app', ssl_cert=certificate, ssl_key=key, ssl_protocol_min=SSLProtocols.tls12, ssl_ca=tmp_path / 'ca.pem',
            ssl_client_verify=True,
        )
    ).listeners[0].tls  # fmt: skip
    assert (tls.min_version, tls.client_verify, tls.client_ca) == ('1.2', 'required', tmp_path / 'ca.pem')
    with pytest.raises(ConfigurationError, match='key'):
        Granian('main:app', ssl_cert=certificate)


@pytest.mark.parametrize('make', [lambda **more: Granian('main:app', **more), lambda **more: Server(app, **more)])
def test_faults_name_arguments_and_come_all_at_once(make):
    with pytest.raises(ConfigurationError) as caught:
        make(port=99999, interface='cgi', http2_settings=HTTP2Settings(max_concurrent_streams=0))
    said = str(caught.value)
    assert 'argument port' in said
    assert 'argument interface' in said
    assert 'argument http2_settings.max_concurrent_streams' in said


def test_what_is_not_served_is_refused():
    with pytest.raises(ConfigurationError, match="argument http1_settings: 'dict' is not 'HTTP1Settings'"):
        Granian('main:app', http1_settings={'keep_alive': False})
    with pytest.raises(ConfigurationError, match='argument spawn_target'):
        Granian('main:app').serve(spawn_target=print)
    with pytest.raises(ConfigurationError, match="argument target: 'main:app' is a name"):
        Server('main:app')


def test_neither_files_nor_the_environment_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'granian.toml').write_text('[server]\nworkers = 7\n')
    monkeypatch.setenv('GRANIAN_WORKERS', '5')
    assert config_of(Granian('main:app')).server.workers == 1


# Each of these starts upstream's server.
@pytest.mark.parametrize(
    ('given', 'said'),
    [
        ({'uds_permissions': 0o600}, 'listeners[0].permissions has no effect: there is no Unix socket'),
        ({'url_path_prefix': '/x'}, 'apps[0].root_path has no effect: RSGI has no root path'),
        ({'static_path_expires': 60}, 'expires has no effect: there is no [[static]] that it could be for'),
        ({'static_path_dir_to_file': 'a.html'}, 'index has no effect: there is no [[static]] that it could be for'),
    ],
)
def test_what_has_no_effect_is_said_and_starts_all_the_same(given, said):
    config = config_of(Granian('main:app', **given))
    ((name, _),) = given.items()
    assert config.unused == (f'argument {name}: {said}',)
    assert config == config_of(Granian('main:app')).noting(config.unused)


def test_lists_without_items_are_as_if_nobody_had_said_them():
    server = Granian('main:app', ssl_crl=[], env_files=[], static_path_route=[], static_path_mount=(), reload_paths=[])
    assert config_of(server) == config_of(Granian('main:app'))


@pytest.mark.parametrize(
    ('given', 'settled'),
    [
        ({}, (1, 1, 1024, 1024, 1)),
        ({'workers': 0, 'runtime_threads': 0, 'backlog': 1}, (1, 1, 128, 128, 1)),
        ({'workers': 4, 'interface': 'wsgi'}, (4, 1, 1024, 256, 128)),
        ({'interface': 'wsgi', 'backpressure': 9, 'blocking_threads': 3}, (1, 1, 1024, 9, 3)),
    ],
)
def test_attributes_say_what_it_came_to(given, settled):
    server = Granian('main:app', **given)
    found = (server.workers, server.runtime_threads, server.backlog, server.backpressure, server.blocking_threads)
    assert found == settled


def test_hooks_are_decorators():
    server = Granian('main:app')

    @server.on_startup
    def one():
        pass

    assert server.on_reload(one) is one
    assert server.on_shutdown(one) is one
    assert (server.hooks_startup, server.hooks_reload, server.hooks_shutdown) == ([one], [one], [one])


def test_the_compiled_module_of_upstream_by_its_import_path():
    import os

    from granian import _granian

    assert _granian.BUILD_GIL is True
    assert _granian.__version__ == granian.__version__
    assert _granian.ProcInfoCollector().memory().keys() == {os.getpid()}
    assert _granian.ProcInfoCollector().memory([os.getpid(), 2**22 + 1]).keys() == {os.getpid()}
