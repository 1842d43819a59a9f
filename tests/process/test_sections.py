from __future__ import annotations

import dataclasses
import math
import pickle
import subprocess
import sys

import pytest

from granian.adapters.static.settings import CacheRule, StaticSettings
from granian.config.model import Config
from granian.config.sections.websocket import MountWebSocket, WebSocket
from granian.process.listening.sockets import Bound
from granian.process.plan import sections
from granian.process.plan.sections import LogSettings, SupervisorSettings
from granian.protocol.limits import DeflateSettings, WebSocketLimits
from granian.routing.table import Place
from granian.server.settings import AS_THE_SERVER, FolderSettings, TermsSettings, WebSocketSettings
from granian.websocket import SessionTerms


def config(**parts) -> Config:
    document = {'apps': [{'target': 'main:app', 'interface': 'asgi'}], **parts}
    return Config.model_validate(document)


def test_metrics_have_a_listener_that_is_no_workers(tmp_path):
    listeners = [{'bind': '127.0.0.1:8443', 'trusted_proxies': ['*'], 'proxy_protocol': True, 'http': '2'}]
    server = {'process_name': None, 'user': None, 'workers_stall_timeout': 9}
    made = sections.plan(
        config(listeners=listeners, server=server, metrics={'enabled': True, 'scrape_interval': '5s'}), 'asyncio', LOGS
    )

    assert [(str(want.bind), want.is_metrics) for want in made.wanted] == [
        ('127.0.0.1:8443', False), ('127.0.0.1:9090', True),
    ]  # fmt: skip
    assert (made.worker.measure_every_s, made.worker.serving.measured) == (5, True)
    assert len(made.worker.serving.listeners) == 1
    told = made.metrics
    # No connection ends just when the next scrape comes, of those who ask once a minute.
    assert told.serving.timeouts.keep_alive_s > 60
    (listener,) = told.serving.listeners
    assert (listener.http, listener.proxies, listener.tls) == ('auto', None, None)
    assert (told.measure_every_s, told.alive_every_s, told.serving.measured) == (None, None, False)
    assert (told.serving.timeouts.head_s, told.serving.connections_max) == (5, 128)
    assert pickle.loads(pickle.dumps(made)) == made


@pytest.mark.parametrize('document', [{}, {'metrics': {'enabled': True}, 'reload': {'enabled': True}}])
def test_without_metrics_nothing_is_measured(document):
    made = sections.plan(config(**document), 'asyncio', LOGS)

    assert made.metrics is None
    assert not any(want.is_metrics for want in made.wanted)
    assert (made.worker.measure_every_s, made.worker.serving.measured) == (None, False)


LOGS = LogSettings('info', None, True)
BOUND = [Bound(0, ('127.0.0.1', 8000), ())]


@pytest.mark.parametrize(
    ('server', 'backlog', 'exchanges'),
    [
        ({}, 1024, 1024),
        ({'workers': 4}, 1024, 256),
        ({'workers': 200}, 128, 1),
        ({'backpressure': 7, 'workers': 4}, 1024, 7),
    ],
)
def test_without_backpressure_the_workers_share_the_backlog(server, backlog, exchanges):
    made = config(server=server, listeners=[{'backlog': backlog}])
    assert sections.serving(made, BOUND).exchanges_max == exchanges


@pytest.mark.parametrize(('head', 'buffer', 'effective'), [(65536, 417792, 65536), (65536, 8192, 8192)])
def test_a_head_must_fit_the_buffer(head, buffer, effective):
    limits = sections.http1_limits(config(limits={'head': head}, http1={'buffer_size': buffer}))
    assert limits.head_bytes_max == effective
    assert limits.read_ahead_bytes_max == buffer


def test_every_http1_and_limits_key_reaches_its_bound():
    limits = sections.http1_limits(
        config(
            http1={'keep_alive': False, 'require_host': False},
            limits={'target': 1000, 'fields': 9, 'body': 5000, 'discard': 77},
        )
    )
    assert (limits.keep_alive, limits.require_host) == (False, False)
    assert (limits.target_bytes_max, limits.fields_max, limits.body_bytes_max, limits.discard_bytes_max) == (
        1000,
        9,
        5000,
        77,
    )


WEBSOCKET = {
    'enabled': True,
    'engine': 'wsproto',
    'origins': ['https://shop.example'],
    'max_message_size': 2000,
    'max_frame_size': 1000,
    'queue': 7,
    'queue_size': 8000,
    'ping_interval': 9,
    'ping_timeout': 11,
    'idle_timeout': 12,
    'close_timeout': 13,
    'compression': True,
    'compression_level': 1,
    'compression_memory': 2,
    'compression_window': 10,
    'compression_takeover': 'client',
    'compression_min_size': 14,
}


def test_every_websocket_key_reaches_its_bound():
    assert set(WEBSOCKET) == set(WebSocket.model_fields)
    found = sections.serving(config(websocket=WEBSOCKET), BOUND).apps[0].websockets
    deflate = DeflateSettings(1, 2, 10, 10, server_takeover=False, client_takeover=True, message_bytes_min=14)
    assert found == WebSocketSettings(
        engine='wsproto',
        limits=WebSocketLimits(frame_bytes_max=1000, message_bytes_max=2000, deflate=deflate),
        terms=SessionTerms(
            queue_messages_max=7,
            queue_bytes_max=8000,
            ping_interval_s=9,
            ping_timeout_s=11,
            idle_timeout_s=12,
            close_timeout_s=13,
        ),
        origins=('https://shop.example',),
    )


def test_websocket_keys_that_switch_something_off():
    off = {'compression': False, 'ping_interval': 0, 'idle_timeout': 0}
    found = sections.serving(config(websocket=off), BOUND).apps[0].websockets
    assert found.limits.deflate is None
    assert found.terms.ping_interval_s is found.terms.idle_timeout_s is None
    assert sections.serving(config(websocket={'enabled': False}), BOUND).apps[0].websockets is None


def test_every_key_about_workers_reaches_who_counts():
    server = {
        'workers': 3,
        'respawn_failed_workers': True,
        'workers_kill_timeout': 4,
        'workers_start_timeout': 13,
        'respawn_interval': 5,
        'workers_lifetime': 60,
        'workers_lifetime_jitter': 6,
        'workers_max_rss': 7 * 1024**2,
        'rss_sample_interval': 8,
        'rss_samples': 9,
        'workers_stall_timeout': 10,
        'workers_max_requests': 11,
        'workers_max_requests_jitter': 12,
    }
    made = config(server=server)
    assert sections.supervisor(made) == SupervisorSettings(
        workers=3,
        respawn=True,
        kill_after_s=4,
        start_s=13,
        respawn_interval_s=5,
        lifetime_s=60,
        lifetime_jitter_s=6,
        rss_bytes_max=7 * 1024**2,
        rss_sample_interval_s=8,
        rss_samples=9,
        stall_s=10,
    )
    serving = sections.serving(made, BOUND)
    assert (serving.requests_max, serving.requests_jitter) == (11, 12)
    assert sections.worker(made, BOUND, 'asyncio', sections.log_settings(made)).alive_every_s == 2.5


def test_timeouts_are_seconds_by_phase():
    made = config(http1={'header_read_timeout': 3}, timeouts={'body_read': 4, 'keep_alive': 5, 'write': 6})
    timeouts = sections.serving(made, BOUND).timeouts
    assert dataclasses.astuple(timeouts) == (3.0, 4.0, 5.0, 6.0, 1 / 500)
    assert sections.serving(config(limits={'body_rate': 0}), BOUND).timeouts.body_byte_s == math.inf


def test_each_bound_address_has_the_settings_of_its_listener():
    made = config(
        listeners=[{'bind': 'localhost:80', 'backlog': 200}, {'bind': '127.0.0.1:81'}],
        http1={'engine': 'h11', 'pipeline_flush': True},
    )
    bound = [Bound(0, ('127.0.0.1', 80), ()), Bound(0, ('::1', 80), ()), Bound(1, ('127.0.0.1', 81), ())]
    listeners = sections.serving(made, bound).listeners
    assert [(each.address, each.backlog) for each in listeners] == [
        (('127.0.0.1', 80), 200),
        (('::1', 80), 200),
        (('127.0.0.1', 81), 1024),
    ]
    assert {(each.http1_engine, each.pipeline_flush) for each in listeners} == {('h11', True)}


def test_asginl_is_asgi_without_lifespan():
    (app,) = sections.serving(config(apps=[{'target': 'main:app', 'interface': 'asginl'}]), BOUND).apps
    assert (app.interface, app.lifespan) == ('asgi', 'off')


def test_the_access_log_is_there_when_enabled():
    assert sections.serving(config(), BOUND).access_log is None
    made = config(logging={'access': {'enabled': True, 'format': 'json'}})
    assert sections.serving(made, BOUND).access_log.format == 'json'


@pytest.mark.parametrize(
    ('server', 'kill_after_s'),
    [({}, 35.0), ({'graceful_timeout': '1s'}, 6.0), ({'workers_kill_timeout': 3}, 3.0)],
)
def test_a_worker_that_does_not_stop_is_killed_after(server, kill_after_s):
    assert sections.supervisor(config(server=server)).kill_after_s == kill_after_s


def test_what_a_worker_is_told_is_plain_data():
    settings = sections.worker(config(), BOUND, 'asyncio', sections.log_settings(config()))
    assert pickle.loads(pickle.dumps(settings)) == settings


def test_a_worker_needs_no_validation_library():
    code = 'import sys, granian.process.workers.worker; sys.exit(any(name in sys.modules for name in ("pydantic", "click", "tomli")))'
    assert subprocess.run([sys.executable, '-c', code], check=False).returncode == 0


# ── mounts ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def made(**parts):
    return sections.serving(Config.model_validate(parts), BOUND)


def test_root_path_is_the_mounts_path_and_what_the_document_adds():
    apps = [
        {'target': 'a', 'interface': 'asgi', **place}
        for place in ({}, {'path': '/a/'}, {'path': '/b', 'root_path': '/v1/'}, {'hosts': ['h'], 'root_path': '/v1'})
    ]
    serving = made(apps=apps)

    assert [app.root_path for app in serving.apps] == ['', '/a', '/b/v1', '/v1']
    assert [(app.place.path, app.place.hosts) for app in serving.apps] == [
        ('/', ()),
        ('/a', ()),
        ('/b', ()),
        ('/', ('h',)),
    ]


@pytest.mark.parametrize(
    ('server', 'app', 'threads'),
    [
        ({}, {}, (512, 30.0)),
        ({'backpressure': 9}, {'blocking_threads_idle_timeout': '1m'}, (4, 60.0)),
        ({'backpressure': 1}, {}, (1, 30.0)),
        ({}, {'blocking_threads': 3}, (3, 30.0)),
    ],
)
def test_wsgi_has_half_as_many_threads_as_requests_may_be_in_progress(server, app, threads):
    serving = made(server=server, apps=[{'target': 'a', 'interface': 'wsgi', **app}])

    assert dataclasses.astuple(serving.apps[0].threads) == threads


def test_only_wsgi_has_threads():
    apps = [{'target': 'a', 'interface': 'rsgi'}, {'target': 'a', 'interface': 'asgi', 'path': '/a'}]

    assert [app.threads for app in made(apps=apps).apps] == [None, None]


@pytest.mark.parametrize(
    ('limits', 'bounds', 'engine', 'own'),
    [
        ({}, [None, None], None, [None, None]),
        ({'body': 100}, [None, None], 100, [None, None]),
        ({'body': 100}, [10, None], 100, [10, None]),
        ({'body': 100}, [1000, None], 1000, [None, 100]),
        ({}, [10, None], None, [10, None]),
        ({}, [10, 20], 20, [10, None]),
    ],
)
def test_engines_have_the_widest_bound_on_bodies_and_narrower_mounts_their_own(limits, bounds, engine, own):
    apps = [
        {'target': 'a', 'interface': 'asgi', 'path': f'/{number}', 'limits': {'body': bound}}
        for number, bound in enumerate(bounds)
    ]
    serving = made(limits=limits, apps=apps)

    assert serving.listeners[0].http1.body_bytes_max == engine
    assert [app.terms.body_bytes_max for app in serving.apps] == own


def test_mount_without_terms_has_those_of_the_server():
    serving = made(apps=[{'target': 'a', 'interface': 'asgi'}])

    assert serving.apps[0].terms == AS_THE_SERVER


def test_every_key_of_a_folder_reaches_its_settings(tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'a' / 'b').touch()
    document = {
        'directory': str(tmp_path), 'path': '/f', 'hosts': ['h'], 'index': 'i', 'fallback': 'a/b', 'expires': '1m',
        'cache': {'*.js': 'immutable', 'x/**': 'no-cache'}, 'precompressed': ['br', 'gzip'], 'dotfiles': 'deny',
        'symlinks': 'none', 'charset': 'latin-1', 'media_types': {'x': 'a/b'}, 'headers': {'X-A': '1'},
        'index_redirect': False,
    }  # fmt: skip
    (folder,) = made(static=[document]).folders

    assert folder == FolderSettings(
        Place('/f', ('h',)),
        StaticSettings(
            str(tmp_path), index='i', fallback='a/b', expires_s=60,
            cache_rules=(CacheRule('*.js', 'immutable'), CacheRule('x/**', 'no-cache')), precompressed=('br', 'gzip'),
            dotfiles='deny', symlinks='none', charset='latin-1', media_types=(('x', 'a/b'),), index_redirect=False,
        ),
        TermsSettings(fields=((b'x-a', b'1'),)),
    )  # fmt: skip


@pytest.mark.parametrize(
    ('apps', 'title'),
    [
        ([], 'granian 127.0.0.1:8000'),
        (['a:b'], 'granian asgi 127.0.0.1:8000 a:b'),
        (['a:b', 'c', 'd'], 'granian asgi 127.0.0.1:8000 a:b and 2 more'),
    ],
)
def test_title_says_how_many_applications_there_are(apps, title):
    found = [{'target': target, 'interface': 'asgi', 'path': f'/{target[0]}'} for target in apps]

    assert sections.title(Config.model_validate({'apps': found}), ()) == title


def test_title_has_the_port_that_was_chosen():
    config = Config.model_validate({'listeners': [{'bind': '[::1]:0'}]})

    assert sections.title(config, [Bound(0, ('::1', 4321), ())]) == 'granian [::1]:4321'


OF_ONE_APPLICATION = {
    'origins': ['https://a.example'], 'max_message_size': 1000, 'max_frame_size': 500, 'queue': 3, 'queue_size': 4000,
    'ping_interval': 5, 'ping_timeout': 6, 'idle_timeout': 7, 'close_timeout': 8, 'compression': False,
}  # fmt: skip


def test_every_websocket_key_of_an_application_is_in_force_there_alone():
    assert set(OF_ONE_APPLICATION) == set(MountWebSocket.model_fields)
    apps = [
        {'target': 'a', 'interface': 'asgi', 'path': '/a', 'websocket': OF_ONE_APPLICATION},
        {'target': 'b', 'interface': 'rsgi', 'websocket': {'origins': [], 'ping_interval': 0}},
    ]
    own, other = (
        app.websockets for app in made(apps=apps, websocket={'origins': ['https://b.example'], 'queue': 9}).apps
    )

    assert own.origins == ('https://a.example',)
    assert own.limits == WebSocketLimits(frame_bytes_max=500, message_bytes_max=1000, deflate=None)
    assert own.terms == SessionTerms(3, 4000, 5.0, 6.0, 7.0, 8.0)
    assert other.origins == ()
    assert (other.terms.queue_messages_max, other.terms.ping_interval_s, other.terms.ping_timeout_s) == (9, None, 20.0)
    assert other.limits.deflate is not None
