"""The section [metrics] and upstream's names for it."""

from __future__ import annotations

import pytest

APP = '[[apps]]\ntarget = "main:app"\n'


def metrics_of(loaded, *arguments):
    found = loaded(*arguments).config.metrics
    return found.enabled, str(found.bind), found.scrape_interval


def test_by_default_there_are_none(loaded):
    assert metrics_of(loaded, APP) == (False, '127.0.0.1:9090', 15)


@pytest.mark.parametrize(
    ('flags', 'expected'),
    [
        ({'--metrics': True}, (True, '127.0.0.1:9090', 15)),
        ({'--metrics': True, '--metrics-port': '0'}, (True, '127.0.0.1:0', 15)),
        ({'--metrics-address': '0.0.0.0'}, (False, '0.0.0.0:9090', 15)),
        ({'--metrics-address': '::', '--metrics-port': '91'}, (False, '[::]:91', 15)),
        ({'--metrics-scrape-interval': '1m'}, (False, '127.0.0.1:9090', 60)),
    ],
)
def test_flags(flags, expected, loaded):
    assert metrics_of(loaded, APP, {}, flags) == expected
    variables = {'--metrics': 'GRANIAN_METRICS_ENABLED'}
    environ = {
        variables.get(name) or 'GRANIAN_' + name[2:].replace('-', '_').upper(): str(text).lower()
        for name, text in flags.items()
    }
    assert metrics_of(loaded, APP, environ) == expected


def test_a_port_completes_what_is_below_it_and_not_the_listener(loaded):
    toml = '[metrics]\nbind = "10.0.0.1:7"\n' + APP
    config = loaded(toml, {'GRANIAN_METRICS_ADDRESS': '10.0.0.2'}, {'--metrics-port': '8', '--port': '81'}).config

    assert str(config.metrics.bind) == '10.0.0.2:8'
    assert str(config.listeners[0].bind) == '127.0.0.1:81'


def test_a_socket_for_the_listener_leaves_the_address_of_metrics(loaded):
    config = loaded(APP, {}, {'--uds': '/run/g.sock', '--metrics-port': '8'}).config

    assert str(config.metrics.bind) == '127.0.0.1:8'
    assert str(config.listeners[0].bind) == 'unix:/run/g.sock'


def test_the_document_knows_sockets_too(loaded, tmp_path):
    assert metrics_of(loaded, '[metrics]\nbind = "unix:m.sock"\n' + APP)[1] == f'unix:{tmp_path}/m.sock'


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        (
            {'--metrics-address': '0.0.0.0:80'},
            (
                "flag --metrics-address: metrics.bind: '0.0.0.0:80': --metrics-address (GRANIAN_METRICS_ADDRESS) takes no port; "
                'give --metrics-address 0.0.0.0 --metrics-port 80'
            ),
        ),
        (
            {'--metrics-address': 'unix:/run/m.sock'},
            (
                "flag --metrics-address: metrics.bind: 'unix:/run/m.sock': --metrics-address (GRANIAN_METRICS_ADDRESS) takes no "
                'socket path; give --set metrics.bind=unix:/run/m.sock'
            ),
        ),
        ({'--metrics-port': '70000'}, 'flag --metrics-port: metrics.bind: port 70000 is over 65535'),
        (
            {'--metrics-scrape-interval': '0'},
            "flag --metrics-scrape-interval: metrics.scrape_interval: '0' is less than the minimum allowed value of 1s",
        ),
        (
            {'--metrics-scrape-interval': '61'},
            "flag --metrics-scrape-interval: metrics.scrape_interval: '61' is greater than the maximum allowed value of 1m",
        ),
        (
            {'--metrics': True, '--metrics-port': '8000'},
            "flag --metrics-port: metrics.bind: '127.0.0.1:8000' is the bind of listeners[0] already",
        ),
    ],
)
def test_faults(flags, said, report):
    assert report(APP, {}, flags).splitlines()[0] == said


def test_one_bind_is_no_clash_where_no_metrics_are_served(loaded):
    assert metrics_of(loaded, APP, {}, {'--metrics-port': '8000'}) == (False, '127.0.0.1:8000', 15)


def test_links_of_a_service_named_granian_metrics(loaded, report):
    links = {'GRANIAN_METRICS_SERVICE_HOST': '10.0.0.7', 'GRANIAN_METRICS_PORT_9090_TCP': 'tcp://10.0.0.7:9090'}

    assert metrics_of(loaded, APP, links) == (False, '127.0.0.1:9090', 15)
    said = report(APP, {'GRANIAN_METRICS_PORT': 'tcp://10.0.0.7:9090'}).splitlines()[0]
    assert said.startswith("environment GRANIAN_METRICS_PORT: metrics.bind: 'tcp://10.0.0.7:9090' is not a port number")
    assert 'a service named granian-metrics' in said
