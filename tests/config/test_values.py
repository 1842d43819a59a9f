"""Durations, sizes, modes and addresses: text to value and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from granian.config.model import Config
from granian.config.types import values
from granian.config.types.bind import Bind, parse_bind
from granian.config.types.fields import name_of


@pytest.mark.parametrize(
    ('text', 'seconds'),
    [
        ('30', 30),
        ('1.5', 1.5),
        (2, 2),
        (0.25, 0.25),
        ('250ms', 0.25),
        ('1m', 60),
        ('1d2h3m4s', 93784),
        ('1s500ms', 1.5),
        ('0s', 0),
    ],
)
def test_duration_is_read_in_seconds(text, seconds):
    assert values.duration_s(text) == seconds


@pytest.mark.parametrize('text', ['', 's', 'm1', '1 m', '1m 1s', '1s1m', '-1s', '1w', 'ms', '+1', '1e3', '\u0661s'])
def test_other_text_is_no_duration(text):
    with pytest.raises(ValueError, match='is not a valid duration'):
        values.duration_s(text)


@given(st.integers(0, 10**9).map(lambda milliseconds: milliseconds / 1000) | st.floats(0, 1e12))
def test_duration_text_reads_back(seconds):
    assert values.duration_s(values.duration_text(seconds)) == seconds


@pytest.mark.parametrize(
    ('text', 'size'), [(0, 0), ('8192', 8192), ('64KiB', 65536), ('16MB', 16_000_000), ('1 gib', 1024**3), ('5B', 5)]
)
def test_size_is_read_in_bytes(text, size):
    assert values.size_bytes(text) == size


@given(st.integers(0, 2**50))
def test_size_text_reads_back(size):
    assert values.size_bytes(values.size_text(size)) == size


@given(st.integers(0, 0o777))
def test_mode_text_reads_back(bits):
    assert values.mode(values.mode_text(bits)) == bits


@pytest.mark.parametrize(
    ('text', 'bind'),
    [
        ('127.0.0.1:8000', Bind('tcp', host='127.0.0.1', port=8000)),
        ('[::1]:0', Bind('tcp', host='::1', port=0)),
        ('[fe80::1%eth0]:80', Bind('tcp', host='fe80::1%eth0', port=80)),
        ('*:80', Bind('tcp', host='*', port=80)),
        ('localhost:80', Bind('tcp', host='localhost', port=80)),
        ('shop_1.example.org:80', Bind('tcp', host='shop_1.example.org', port=80)),
        ('unix:/run/a.sock', Bind('unix', path=Path('/run/a.sock'))),
        ('fd:3', Bind('fd', fd=3)),
        ('systemd', Bind('systemd')),
        ('systemd:web', Bind('systemd', name='web')),
    ],
)
def test_address_is_read_and_written(text, bind):
    assert parse_bind(text) == bind
    assert str(bind) == text


@pytest.mark.parametrize(
    ('target', 'name'),
    [
        ('main:app', 'main'),
        ('shop.api:create.app', 'api'),
        ('/srv/shop/main.py:app', 'main'),
        ('/srv/shop/__init__.py:app', 'shop'),
        ('main', 'main'),
    ],
)
def test_application_is_named_after_its_module_or_file(target, name):
    assert name_of(target) == name


def test_config_is_frozen_all_the_way_down():
    config = Config()

    for section, field in ((config, 'server'), (config.server, 'workers'), (config.logging.access, 'enabled')):
        with pytest.raises(ValidationError):
            setattr(section, field, None)
    assert isinstance(config.listeners, tuple)
    assert hash(config) == hash(Config())


def test_config_that_breaks_a_rule_between_keys_cannot_be_made():
    with pytest.raises(ValidationError, match=r"apps\[1\]\.path: would never be reached: apps\[0\] has '/' already"):
        Config(apps=[{'target': 'main:app'}, {'target': 'other:app'}])
