"""What programs import from upstream, by name and value."""

from __future__ import annotations

import inspect
import logging

import click
import pytest

from granian import constants, errors, http, log, rsgi
from granian.api.server import Granian
from granian.cli import Duration
from granian.constants import HTTPModes, Interfaces, Loops, RuntimeModes, SSLProtocols, TaskImpl
from granian.log import LogLevels
from granian.server.embed import Server

ARGUMENTS = {
    'target': inspect.Parameter.empty, 'address': '127.0.0.1', 'port': 8000, 'uds': None, 'uds_permissions': None,
    'interface': Interfaces.RSGI, 'workers': 1, 'blocking_threads': None, 'blocking_threads_idle_timeout': 30,
    'runtime_threads': 1, 'runtime_blocking_threads': None, 'runtime_mode': RuntimeModes.auto, 'loop': Loops.auto,
    'task_impl': TaskImpl.asyncio, 'http': HTTPModes.auto, 'websockets': True, 'backlog': 1024, 'backpressure': None,
    'http1_settings': None, 'http2_settings': None, 'log_enabled': True, 'log_level': LogLevels.info,
    'log_dictconfig': None, 'log_access': False, 'log_access_format': None, 'ssl_cert': None, 'ssl_key': None,
    'ssl_key_password': None, 'ssl_protocol_min': SSLProtocols.tls13, 'ssl_ca': None, 'ssl_crl': None,
    'ssl_client_verify': False, 'url_path_prefix': None, 'respawn_failed_workers': False, 'respawn_interval': 3.5,
    'rss_sample_interval': 30, 'rss_samples': 1, 'workers_lifetime': None, 'workers_max_rss': None,
    'workers_kill_timeout': None, 'factory': False, 'working_dir': None, 'env_files': None, 'static_path_route': None,
    'static_path_mount': None, 'static_path_dir_to_file': None, 'static_path_expires': 86400, 'metrics_enabled': False,
    'metrics_scrape_interval': 15, 'metrics_address': '127.0.0.1', 'metrics_port': 9090, 'reload': False,
    'reload_paths': None, 'reload_ignore_dirs': None, 'reload_ignore_patterns': None, 'reload_ignore_paths': None,
    'reload_filter': None, 'reload_tick': 50, 'reload_ignore_worker_failure': False, 'process_name': None,
    'pid_file': None,
}  # fmt: skip
# Those of the embedded server are these, in this order, but for one default.
EMBEDDED = [
    'target',
    'address',
    'port',
    'uds',
    'interface',
    'blocking_threads',
    'blocking_threads_idle_timeout',
    'runtime_threads',
    'runtime_blocking_threads',
    'task_impl',
    'http',
    'websockets',
    'backlog',
    'backpressure',
    'http1_settings',
    'http2_settings',
    'log_enabled',
    'log_level',
    'log_dictconfig',
    'log_access',
    'log_access_format',
    'ssl_cert',
    'ssl_key',
    'ssl_key_password',
    'ssl_protocol_min',
    'ssl_ca',
    'ssl_crl',
    'ssl_client_verify',
    'url_path_prefix',
    'factory',
    'static_path_route',
    'static_path_mount',
    'static_path_dir_to_file',
    'static_path_expires',
]


def arguments_of(cls):
    return [(each.name, each.default) for each in inspect.signature(cls).parameters.values()]


def test_arguments_and_their_defaults():
    assert arguments_of(Granian) == list(ARGUMENTS.items())
    kinds = {each.kind for each in inspect.signature(Granian).parameters.values()}
    assert kinds == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    assert arguments_of(Server) == [(name, {**ARGUMENTS, 'backlog': 128}[name]) for name in EMBEDDED]


@pytest.mark.parametrize(
    ('name', 'members'),
    [
        ('Interfaces', {'ASGI': 'asgi', 'ASGINL': 'asginl', 'RSGI': 'rsgi', 'WSGI': 'wsgi'}),
        ('HTTPModes', {'auto': 'auto', 'http1': '1', 'http2': '2'}),
        ('RuntimeModes', {'auto': 'auto', 'mt': 'mt', 'st': 'st'}),
        ('Loops', {name: name for name in ('auto', 'asyncio', 'rloop', 'uvloop', 'winloop')}),
        ('TaskImpl', {'asyncio': 'asyncio', 'rust': 'rust'}),
        ('SSLProtocols', {'tls12': 'tls1.2', 'tls13': 'tls1.3'}),
    ],
)
def test_enumerations_are_text(name, members):
    enumeration = getattr(constants, name)
    assert {member.name: member.value for member in enumeration} == members
    assert {str(member) for member in enumeration} == set(members.values())
    assert all(member == member.value and isinstance(member, str) for member in enumeration)


def test_settings_of_http():
    assert vars(http.HTTP1Settings()) == {
        'header_read_timeout': 30000, 'keep_alive': True, 'max_buffer_size': 417792, 'pipeline_flush': False,
    }  # fmt: skip
    assert vars(http.HTTP2Settings()) == {
        'adaptive_window': False, 'initial_connection_window_size': 1048576, 'initial_stream_window_size': 1048576,
        'keep_alive_interval': None, 'keep_alive_timeout': 20, 'max_concurrent_streams': 200, 'max_frame_size': 16384,
        'max_headers_size': 16777216, 'max_send_buffer_size': 409600,
    }  # fmt: skip


def test_errors_are_caught_by_upstreams_classes():
    assert errors.FatalError.__bases__ == (Exception,)
    assert issubclass(errors.ConfigurationError, errors.FatalError)
    assert issubclass(errors.PidFileError, errors.FatalError)


def test_types_of_rsgi():
    names = {'Scope', 'Headers', 'HTTPProtocol', 'WebsocketProtocol', 'WebsocketMessage', 'WebsocketMessageType'}
    assert names | {'ProtocolError', 'ProtocolClosed'} <= set(rsgi.__all__)
    assert {kind.name: kind.value for kind in rsgi.WebsocketMessageType} == {'close': 0, 'bytes': 1, 'string': 2}
    assert isinstance(rsgi.ProtocolError(), RuntimeError)
    assert isinstance(rsgi.ProtocolClosed(), RuntimeError)
    assert (str(rsgi.ProtocolError()), str(rsgi.ProtocolClosed())) == (
        'RSGI protocol error',
        'RSGI transport is closed',
    )


def test_logging():
    assert log.DEFAULT_ACCESSLOG_FMT == (
        '[%(time)s] %(addr)s - "%(method)s %(path)s %(protocol)s" %(status)d %(dt_ms).3f'
    )
    assert {level.value: number for level, number in log.log_levels_map.items()} == {
        'critical': 50, 'error': 40, 'warning': 30, 'warn': 30, 'info': 20, 'debug': 10, 'notset': 0,
    }  # fmt: skip
    assert (log.logger, log.access_logger) == (logging.getLogger('_granian'), logging.getLogger('granian.access'))
    config = log.LOGGING_CONFIG
    assert (config['version'], config['disable_existing_loggers']) == (1, False)
    assert config['formatters']['generic']['fmt'] == '[%(levelname)s] %(message)s'
    assert {name: made['datefmt'] for name, made in config['formatters'].items()} == dict.fromkeys(
        ('generic', 'access'), '[%Y-%m-%d %H:%M:%S %z]'
    )
    assert {name: made['stream'] for name, made in config['handlers'].items()} == dict.fromkeys(
        ('console', 'access'), 'ext://sys.stdout'
    )
    assert all((made['level'], made['propagate']) == ('INFO', False) for made in config['loggers'].values())


@pytest.mark.parametrize(('text', 'seconds'), [('30', 30), ('1m30s', 90), ('1h', 3600), ('1d2h', 93600), (45, 45)])
def test_durations_of_other_peoples_command_lines(text, seconds):
    assert Duration(5).convert(text, None, None) == seconds


@pytest.mark.parametrize(
    ('text', 'said'),
    [
        ('soon', "'soon' is not a valid duration"),
        ('1s1m', "'1s1m' is not a valid duration"),
        ('4', "'4' is less than the minimum allowed value of 5 seconds"),
        ('11m', "'11m' is greater than the maximum allowed value of 600 seconds"),
    ],
)
def test_durations_that_are_refused(text, said):
    with pytest.raises(click.BadParameter, match=f'^{said}$'):
        Duration(5, 600).convert(text, None, None)
