"""Hosts and ports that say more than a host or a port, and what Kubernetes says unasked."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ('host', 'hint'),
    [
        ('0.0.0.0:80', 'takes no port; give --host 0.0.0.0 --port 80'),
        ('[::1]:80', 'takes no port; give --host [::1] --port 80'),
        ('shop.example:80', 'takes no port; give --host shop.example --port 80'),
        ('unix:/run/g.sock', 'takes no socket path; give --uds /run/g.sock'),
    ],
)
def test_host_that_says_more_is_told_the_flag_for_it(host, hint, report):
    said = f"listeners[0].bind: '{host}': --host (GRANIAN_HOST) {hint}"

    assert report('', {}, {'--host': host}).splitlines()[0] == f'flag --host: {said}'
    assert report('', {'GRANIAN_HOST': host}).splitlines()[0] == f'environment GRANIAN_HOST: {said}'


def test_service_links_are_no_configuration(loaded):
    links = {
        'GRANIAN_SERVICE_HOST': '10.0.0.7',
        'GRANIAN_SERVICE_PORT': '8000',
        'GRANIAN_SERVICE_PORT_HTTP': '8000',
        'GRANIAN_PORT_8000_TCP': 'tcp://10.0.0.7:8000',
        'GRANIAN_PORT_8000_TCP_PROTO': 'tcp',
        'GRANIAN_PORT_8000_TCP_PORT': '8000',
        'GRANIAN_PORT_8000_TCP_ADDR': '10.0.0.7',
    }

    assert str(loaded(environ=links).config.listeners[0].bind) == '127.0.0.1:8000'


@pytest.mark.parametrize(
    'name', ['GRANIAN_SERVICE', 'GRANIAN_PORT_8000', 'GRANIAN_SERVICE_HOSTS', 'GRANIAN_PORT_8000_TCP_X']
)
def test_name_that_is_nearly_a_service_link_is_unknown(name, report):
    assert report('', {name: '1'}).startswith(f'environment {name}: unknown variable')


def test_port_that_is_a_service_link_is_told_as_one(report):
    said = report('', {'GRANIAN_PORT': 'tcp://10.0.0.7:8000'}).splitlines()[0]

    assert said.startswith("environment GRANIAN_PORT: listeners[0].bind: 'tcp://10.0.0.7:8000' is not a port number")
    assert 'service links' in said
    assert 'enableServiceLinks: false' in said


def test_control_characters_of_a_key_a_name_and_a_file_are_shown_as_escapes(report, tmp_path):
    said = report(
        '"\\u001b[31m" = 1\n[server]\nloop = "\\u009b2J"\n', {'GRANIAN_\x1b]0;x\x07': '1'}, {'--set': ['a\x1bb']}
    )

    assert all(letter.isprintable() for letter in said.replace('\n', ''))
    assert '\\x1b[31m: unknown key' in said
    assert '\\x9b2J' in said
    assert 'environment GRANIAN_\\x1b]0;x\\x07: ' in said
    (tmp_path / 'a\x1b\nb.toml').write_text('x = 1')
    assert report(files=['a\x1b\nb.toml']).splitlines()[0] == 'a\\x1b\\nb.toml:1:1: x: unknown key'
