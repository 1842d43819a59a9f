from __future__ import annotations

import pytest

from granian.config.model import Config
from granian.process.listening.sockets import Bound
from granian.process.plan import sections
from granian.protocol.proxies.forwarded import X_FORWARDED
from granian.server.settings import ProxySettings

BOUND = [Bound(0, ('127.0.0.1', 8000), ())]


@pytest.mark.parametrize(
    ('toml', 'faults'),
    [
        (
            'trusted_proxies = ["10.0.0.0/40"]',
            (
                "granian.toml:2:20: listeners[0].trusted_proxies[0]: '10.0.0.0/40' is no peer; write an address, a network "
                "like '10.0.0.0/8', 'unix', or '*' for everybody"
            ),
        ),
        (
            'trusted_proxies = [8]',
            'granian.toml:2:20: listeners[0].trusted_proxies[0]: 8 is not text; write it in quotes',
        ),
        (
            'trusted_proxies = ["*"]\nforwarded_fields = ["x-forwarded-protocol"]',
            (
                'granian.toml:3:21: listeners[0].forwarded_fields[0]: '
                "'x-forwarded-protocol' is not one of: x-forwarded-for, x-forwarded-proto, x-forwarded-host, x-forwarded-port, "
                "x-forwarded-prefix, forwarded; did you mean 'x-forwarded-proto'?"
            ),
        ),
        (
            'trusted_proxies = ["*"]\nforwarded_fields = ["forwarded", "x-forwarded-for"]',
            (
                "granian.toml:3:20: listeners[0].forwarded_fields: 'forwarded' stands alone: a proxy that sets one kind passes "
                'on the other as any client wrote it'
            ),
        ),
        (
            'forwarded_fields = ["forwarded"]',
            'granian.toml:2:20: listeners[0].forwarded_fields: needs trusted_proxies: without them nobody is believed',
        ),
        (
            'proxy_protocol = true',
            'granian.toml:2:18: listeners[0].proxy_protocol: needs trusted_proxies: nobody else may say who the client is',
        ),
        (
            'proxy_protocol = "v2"',
            "granian.toml:2:18: listeners[0].proxy_protocol: 'v2' is not true or false",
        ),
        (
            'bind = "unix:/run/s"\ntrusted_proxies = ["127.0.0.1"]',
            (
                'granian.toml:3:19: listeners[0].trusted_proxies: the peers of unix:/run/s have no addresses; '
                "add 'unix', or every claim is ignored"
            ),
        ),
    ],
)
def test_faults(toml, faults, report):
    assert report(f'[[listeners]]\n{toml}\n') == f'{faults}\n1 file has faults; nothing was started'


def test_server_field_must_be_one(report):
    said = report('[server]\nserver_header = "a\\r\\nb"\ndate_header = 1\n')
    assert "granian.toml:2:17: server.server_header: 'a\\r\\nb' is not what a header field may say" in said
    assert 'granian.toml:3:15: server.date_header: 1 is not true or false' in said


def test_variables_take_several_words(loaded):
    config = loaded(
        environ={
            'GRANIAN_LISTENERS__0__TRUSTED_PROXIES': '10.0.0.0/8 ::1',
            'GRANIAN_LISTENERS__0__FORWARDED_FIELDS': 'x-forwarded-for X-Forwarded-Proto',
        }
    ).config
    assert config.listeners[0].trusted_proxies == ('10.0.0.0/8', '::1')
    assert config.listeners[0].forwarded_fields == ('x-forwarded-for', 'x-forwarded-proto')


@pytest.mark.parametrize(
    ('listener', 'proxies'),
    [
        ({}, None),
        ({'trusted_proxies': ['*']}, ProxySettings(('*',), X_FORWARDED, proxy_protocol=False)),
        (
            {'trusted_proxies': ['::1'], 'forwarded_fields': ['forwarded'], 'proxy_protocol': True},
            ProxySettings(('::1',), ('forwarded',), proxy_protocol=True),
        ),
    ],
)
def test_listener_is_told_of_its_proxies(listener, proxies):
    config = Config.model_validate({'listeners': [listener]})
    assert sections.serving(config, BOUND).listeners[0].proxies == proxies


def test_server_and_date_header_reach_the_workers():
    serving = sections.serving(Config.model_validate({}), BOUND)
    assert (serving.server_header, serving.date_header) == (b'granian', True)
    config = Config.model_validate({'server': {'server_header': '', 'date_header': False}})
    serving = sections.serving(config, BOUND)
    assert (serving.server_header, serving.date_header) == (b'', False)
