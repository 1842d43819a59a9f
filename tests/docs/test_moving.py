"""The pages for people who come from elsewhere name what there is."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from granian.config.loading import load
from granian.config.options import options, tables
from tests.config.conftest import example_certificates as _certificates

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(ROOT.glob('docs/how-to/move-from-*.md'))
EXAMPLE = ROOT / 'examples' / 'configs' / 'from-unit.toml'

example_certificates = _certificates


def block(page, language):
    return re.search(rf'```{language}\n(.*?)```', page.read_text(), re.DOTALL)[1]


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_every_key_and_flag_of_a_page_is_there(page):
    # Of a row, the last column: what is here.
    lines = re.sub(r'```.*?```', '', page.read_text(), flags=re.DOTALL).splitlines()
    text = '\n'.join(line.rstrip(' |').rpartition(' | ')[2] for line in lines)
    keys = {option.key.replace('[]', '') for option in options()} | {
        '.'.join(part for part in table.path if part != '[]') for table in tables()
    }
    sections = '|'.join(sorted({table.path[0] for table in tables()}))
    flags = {flag.name for option in options() for flag in option.flags}

    assert set(re.findall(rf'`((?:{sections})\.[\w.]+)`', text)) - keys == set()
    assert set(re.findall(r'(--[a-z][a-z0-9-]+)', text)) - flags == set()


def test_example_of_the_page_about_unit_is_the_file_beside_it():
    page = ROOT / 'docs' / 'how-to' / 'move-from-unit.md'
    assert EXAMPLE.read_text().partition('\n\n')[2] == block(page, 'toml')


@pytest.mark.usefixtures('example_certificates')
def test_example_of_the_page_about_unit_says_what_its_json_says():
    theirs = json.loads(block(ROOT / 'docs' / 'how-to' / 'move-from-unit.md', 'json'))
    config = load(files=[EXAMPLE], flags={}, environ={}, cwd=ROOT, needs_app=True).config

    (listener,) = config.listeners
    ((bind, their_listener),) = theirs['listeners'].items()
    assert str(listener.bind) == bind
    assert list(listener.trusted_proxies) == their_listener['forwarded']['source']
    assert {app.name: (app.target, app.interface) for app in config.apps} == {
        name: (f'{app["module"]}:{app["callable"]}', app.get('protocol', 'wsgi'))
        for name, app in theirs['applications'].items()
    }
    assert {app['processes'] for app in theirs['applications'].values()} == {config.server.workers}
    host, old, rest = theirs['routes']
    assert config.apps[0].hosts == (host['match']['host'],)
    assert (f'{config.rules[0].path}/*', config.rules[0].status) == (old['match']['uri'], str(old['action']['return']))
    assert (config.static[0].directory.name, config.static[0].fall_through) == ('site', 'fallback' in rest['action'])
    assert config.limits.body == theirs['settings']['http']['max_body_size']
    assert config.timeouts.keep_alive == theirs['settings']['http']['idle_timeout']
