"""What is made from the model: schema, reference pages, starter, the shown document; and the example files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from pydantic import BaseModel, SecretStr

from granian.cli.artefacts import artefacts
from granian.config import load
from granian.config.options import document_of, options
from granian.config.sections.mounts import Rule, Static
from granian.config.sections.tls import Tls
from granian.config.writing.schema import schema
from granian.config.writing.starter import starter_text
from granian.config.writing.toml_writer import toml_text

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / 'schemas' / 'granian.schema.json'
EXAMPLES = sorted([*ROOT.glob('examples/configs/*.toml'), *ROOT.glob('examples/deploy/*/*.toml')])
CERTS = ROOT / 'examples' / 'configs' / 'certs'
TAPLO = Path(sys.executable).with_name('taplo')
BROKEN = {
    'unknown key': '[server]\nworker = 2\n',
    'unknown section': '[servers]\nworkers = 2\n',
    'type': '[server]\nworkers = "2"\n',
    'range': '[[listeners]]\nbacklog = 1\n',
    'choice': '[http1]\nengine = "slow"\n',
    'duration': '[timeouts]\nwrite = "soon"\n',
    'duration of none': '[timeouts]\nwrite = 0\n',
    'size': '[limits]\nbody = "10 megs"\n',
    'mode': '[[listeners]]\npermissions = "rw"\n',
    'no target': '[[apps]]\ninterface = "asgi"\n',
    'no directory': '[[static]]\npath = "/a"\n',
    'encoded header': '[[apps]]\ntarget = "a"\n[apps.headers]\nx = 1\n',
    'relative path': '[[rules]]\npath = "a"\n',
    'unknown coding': '[[static]]\ndirectory = "."\nprecompressed = ["zip"]\n',
    'no listeners': 'listeners = []\n',
    'table': 'server = 3\n',
    'list': 'env_files = "a"\n',
}


@pytest.mark.parametrize('name', artefacts())
def test_generated_file_is_current(name):
    assert (ROOT / name).read_text('utf-8') == artefacts()[name], 'run: python -m granian.cli.artefacts'


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.name)
def test_example_loads_from_anywhere(path, tmp_path):
    load(files=[path], flags={}, environ={}, cwd=tmp_path, needs_app=True)


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.name)
def test_example_names_the_schema_and_says_what_it_shows(path):
    first, second = path.read_text().splitlines()[:2]

    assert (path.parent / first.removeprefix('#:schema ')).resolve() == SCHEMA
    assert second.startswith('# ')


def test_full_example_has_every_key():
    document = tomli.loads((ROOT / 'examples' / 'configs' / 'full.toml').read_text())

    known = {option.key for option in options()}

    def keys(value, path=''):
        if isinstance(value, dict) and path not in known:
            return set().union(*(keys(item, f'{path}.{key}'.strip('.')) for key, item in value.items()))
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return set().union(*(keys(item, f'{path}[]') for item in value))
        return {path}

    assert keys(document) == known


def lint(path):
    """A TOML language tool's opinion of the file: exit status, and what it says."""
    command = [TAPLO, 'lint', '--no-auto-config', '--schema', SCHEMA.as_uri(), path.name]
    done = subprocess.run(command, cwd=path.parent, capture_output=True, text=True, timeout=60, check=False)
    assert 'total=1' in done.stderr, done.stderr
    return done.returncode, done.stderr


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.name)
def test_toml_tool_accepts_example_by_the_schema(path):
    assert lint(path)[0] == 0


@pytest.mark.parametrize('toml', BROKEN.values(), ids=BROKEN)
def test_toml_tool_refuses_broken_file_by_the_schema(toml, tmp_path):
    path = tmp_path / 'granian.toml'
    path.write_text(toml)

    status, said = lint(path)

    assert status == 1
    # Its closing log line may be lost as it ends; the diagnostics are not.
    assert '\nerror: ' in said


def test_schema_describes_every_section_and_key():
    def described(node):
        assert node['description']
        for inner in (node | node.get('items', {})).get('properties', {}).values():
            described(inner)

    described(schema())


def test_toml_tool_accepts_the_example_of_every_key_by_the_schema(tmp_path):
    document = {}
    for option in options():
        holder = document
        for part in option.path[:-1]:
            holder = holder.setdefault(part, {})
        holder[option.path[-1]] = option.example
    for name in ('listeners', 'apps', 'static', 'rules'):
        document[name] = [document[name]['[]']]
    tls = document['listeners'][0]['tls']
    tls['sni'] = [tls['sni']['[]']]
    path = tmp_path / 'granian.toml'
    path.write_text(toml_text(document))

    assert lint(path)[0] == 0


def test_starter_loads_and_serves_one_application(loaded):
    config = loaded(starter_text(), needs_app=True).config

    assert (config.apps[0].target, str(config.listeners[0].bind)) == ('main:app', '127.0.0.1:8000')


def test_starter_has_every_key_and_the_defaults_in_it_are_the_defaults(loaded, tmp_path):
    by_key = {option.key: option for option in options()}
    section, keys, uncommented = '', [], []
    for line in starter_text().splitlines():
        bare = line.removeprefix('# ')
        if header := re.fullmatch(r'\[{1,2}([a-z0-9_.]+)\]{1,2}', bare):
            section = re.sub(r'^(listeners|apps|static|rules)', r'\1[]', header[1])
            section = section.replace('tls.sni', 'tls.sni[]')
            line = bare
        elif option := by_key.get(f'{section}.{bare.partition(" = ")[0]}'):
            keys.append(option.key)
            line = line if option.default is None else bare
        uncommented.append(line)
    document = tomli.loads('\n'.join(uncommented))

    assert keys == list(by_key)
    pair = {'certificate': CERTS / 'site.pem', 'key': CERTS / 'site.key'}
    tls = document['listeners'][0].pop('tls')
    assert tls.pop('sni') == [{}]
    assert Tls.model_validate(tls | pair) == Tls.model_validate(pair)
    # Sections that a server can do without: what they need besides their defaults is not in the starter.
    for name, model, needed in (('static', Static, {'directory': str(tmp_path)}), ('rules', Rule, {'return': 404})):
        assert model.model_validate(document.pop(name)[0] | needed) == model.model_validate(needed)
    assert loaded(toml_text(document)).config == loaded(starter_text()).config


@pytest.mark.parametrize('path', EXAMPLES, ids=lambda path: path.name)
def test_shown_document_loads_to_the_same_configuration(path, loaded):
    config = load(files=[path], flags={}, environ={}, cwd=ROOT).config
    shown = toml_text(document_of(config))

    # Secrets are masked; the examples have one between them.
    assert loaded(shown.replace('"**********"', '"opensesame"')).config == config


def test_secrets_are_masked_by_their_type():
    class Tls(BaseModel):
        key_password: SecretStr = SecretStr('hunter2')

    assert document_of(Tls()) == {'key_password': '**********'}
