"""Sources, their precedence, and the forms a variable or flag may take."""

from __future__ import annotations

import json
import os

import pytest

from granian.config import load
from granian.config.reading.env_files import variables

APP = '[[apps]]\ntarget = "main:app"\ninterface = "asgi"\n'


def test_nothing_given_serves_loopback_8000_with_one_worker(loaded):
    config = loaded().config

    assert str(config.listeners[0].bind) == '127.0.0.1:8000'
    assert config.server.workers == 1
    assert config.apps == ()


def test_each_source_wins_over_those_below_it(loaded, tmp_path):
    (tmp_path / 'secrets').mkdir()
    (tmp_path / 'secrets' / 'granian_workers').write_text('3\n')
    (tmp_path / 'a.env').write_text('GRANIAN_WORKERS=4\n')
    toml = '[server]\nworkers = 2\n'
    secrets = {'GRANIAN_SECRETS_DIR': 'secrets'}
    env_file = secrets | {'GRANIAN_ENV_FILES': 'a.env'}
    variable = env_file | {'GRANIAN_WORKERS': '5'}

    assert loaded().config.server.workers == 1
    assert loaded(toml).config.server.workers == 2
    assert loaded(toml, secrets).config.server.workers == 3
    assert loaded(toml, env_file).config.server.workers == 4
    assert loaded(toml, variable).config.server.workers == 5
    assert loaded(toml, variable, {'--workers': '6'}).config.server.workers == 6


def test_later_file_overrides_key_by_key_and_replaces_lists(loaded, tmp_path):
    (tmp_path / 'base.toml').write_text(
        '[server]\nworkers = 2\nloop = "asyncio"\n[[listeners]]\nbind = "*:1"\nhttp = "1"\n'
    )
    (tmp_path / 'over.toml').write_text('[server]\nworkers = 3\n[[listeners]]\nbind = "*:2"\n')

    config = loaded(files=[tmp_path / 'base.toml', tmp_path / 'over.toml']).config

    assert (config.server.workers, config.server.loop) == (3, 'asyncio')
    assert [(str(listener.bind), listener.http) for listener in config.listeners] == [('*:2', 'auto')]


def test_named_file_is_read_in_place_of_the_default_one(loaded, tmp_path):
    (tmp_path / 'other.toml').write_text('[server]\nworkers = 7\n')

    assert loaded('[server]\nworkers = 2\n', {'GRANIAN_CONFIG': 'other.toml'}).config.server.workers == 7
    assert loaded(files=['other.toml']).config.server.workers == 7


def test_several_files_in_the_variable_are_separated_as_paths_are(loaded, tmp_path):
    (tmp_path / 'a.toml').write_text('[server]\nworkers = 2\nloop = "asyncio"\n')
    (tmp_path / 'b.toml').write_text('[server]\nworkers = 3\n')

    server = loaded(environ={'GRANIAN_CONFIG': os.pathsep.join(['a.toml', 'b.toml'])}).config.server

    assert (server.workers, server.loop) == (3, 'asyncio')


def test_pyproject_table_is_read_where_there_is_no_granian_toml(loaded, tmp_path):
    (tmp_path / 'pyproject.toml').write_text('[project]\nname = "x"\n\n[tool.granian.server]\nworkers = 3\n')

    assert loaded().config.server.workers == 3
    assert str(loaded().origin('server.workers')) == 'pyproject.toml:5'
    assert loaded('[server]\nworkers = 2\n').config.server.workers == 2


def test_pyproject_without_our_table_is_none_of_ours(loaded, tmp_path):
    (tmp_path / 'pyproject.toml').write_text('[project]\nname = "x"\n')

    assert loaded().config.server.workers == 1


def test_named_pyproject_without_our_table_is_a_fault(report, tmp_path):
    (tmp_path / 'pyproject.toml').write_text('[project]\nname = "x"\n')

    assert report(files=['pyproject.toml']).startswith('pyproject.toml:1:1: has no table [tool.granian]\n')


def test_paths_in_a_file_are_relative_to_that_file_and_others_to_the_working_directory(tmp_path):
    (tmp_path / 'conf').mkdir()
    (tmp_path / 'conf' / 'src').mkdir()
    (tmp_path / 'src').mkdir()
    (tmp_path / 'conf' / 'a.toml').write_text(
        '[server]\nworking_dir = "src"\npid_file = "x.pid"\n'
        '[[listeners]]\nbind = "unix:a.sock"\n[[apps]]\ntarget = "src/main.py:app"\ninterface = "asgi"\n'
    )
    arguments = {'files': ['conf/a.toml'], 'cwd': tmp_path}

    config = load(flags={}, environ={}, **arguments).config
    overridden = load(
        flags={'--working-dir': 'src', '--uds': 'b.sock', 'APP': 'main.py:app'}, environ={}, **arguments
    ).config

    assert config.server.working_dir == tmp_path / 'conf' / 'src'
    assert config.server.pid_file == tmp_path / 'conf' / 'x.pid'
    assert config.listeners[0].bind.path == tmp_path / 'conf' / 'a.sock'
    assert config.apps[0].target == f'{tmp_path}/conf/src/main.py:app'
    assert overridden.server.working_dir == tmp_path / 'src'
    assert overridden.listeners[0].bind.path == tmp_path / 'b.sock'
    assert overridden.apps[0].target == f'{tmp_path}/main.py:app'


@pytest.mark.parametrize(
    ('environ', 'key', 'value'),
    [
        ({'GRANIAN_HTTP1__KEEP_ALIVE': 'off'}, 'http1.keep_alive', False),
        ({'GRANIAN_HTTP1_KEEP_ALIVE': '0'}, 'http1.keep_alive', False),
        ({'GRANIAN_HTTP1': '{"keep_alive": false}'}, 'http1.keep_alive', False),
        ({'GRANIAN_LOGGING__ACCESS__ENABLED': 'Yes'}, 'logging.access.enabled', True),
        ({'GRANIAN_LOG_ACCESS_ENABLED': 'true'}, 'logging.access.enabled', True),
        ({'GRANIAN_LOGGING': '{"access": {"format": "json"}}'}, 'logging.access.format', 'json'),
        ({'GRANIAN_LOG_ACCESS_FMT': '%(path)s'}, 'logging.access.format', '%(path)s'),
        ({'GRANIAN_LOG_ENABLED': 'n'}, 'logging.enabled', False),
        ({'GRANIAN_LOG_LEVEL': 'DEBUG'}, 'logging.level', 'debug'),
        ({'GRANIAN_TIMEOUTS__WRITE': '1m30s'}, 'timeouts.write', 90.0),
        ({'GRANIAN_LIMITS__BODY': '16MB'}, 'limits.body', 16_000_000),
        ({'GRANIAN_HTTP1_HEADER_READ_TIMEOUT': '500'}, 'http1.header_read_timeout', 0.5),
        ({'GRANIAN_HTTP1_HEADER_READ_TIMEOUT': '5s'}, 'http1.header_read_timeout', 5.0),
        ({'GRANIAN_HTTP1__HEADER_READ_TIMEOUT': '5'}, 'http1.header_read_timeout', 5.0),
        ({'GRANIAN_LISTENERS__0__BACKLOG': '256'}, 'listeners.0.backlog', 256),
        ({'GRANIAN_LISTENERS__0': '{"backlog": 256}'}, 'listeners.0.backlog', 256),
        ({'GRANIAN_LISTENERS': '[{"backlog": 256}]'}, 'listeners.0.backlog', 256),
        ({'GRANIAN_WORKERS_KILL_TIMEOUT': '1m'}, 'server.workers_kill_timeout', 60.0),
        ({'GRANIAN_WORKERS': ''}, 'server.workers', 1),
        ({'PATH': 'x', 'granian_workers': '3'}, 'server.workers', 1),
    ],
)
def test_variable_means_its_key(environ, key, value, loaded):
    found = loaded(environ=environ).config
    for part in key.split('.'):
        found = found[int(part)] if part.isdigit() else getattr(found, part)

    assert found == value
    assert type(found) is type(value)


def test_more_special_variable_wins_over_its_section(loaded):
    environ = {'GRANIAN_HTTP1': '{"keep_alive": true, "engine": "h11"}', 'GRANIAN_HTTP1__KEEP_ALIVE': 'false'}

    assert loaded(environ=environ).config.http1.model_dump(include={'keep_alive', 'engine'}) == {
        'keep_alive': False,
        'engine': 'h11',
    }


def test_variable_changes_one_item_of_the_list_in_the_file_and_may_add_the_next(loaded):
    toml = '[[listeners]]\nbind = "*:1"\nbacklog = 256\n[[listeners]]\nbind = "*:2"\n'
    environ = {'GRANIAN_LISTENERS__1__BACKLOG': '512', 'GRANIAN_LISTENERS__2__BIND': 'fd:3'}

    listeners = loaded(toml, environ).config.listeners

    assert [(str(item.bind), item.backlog) for item in listeners] == [('*:1', 256), ('*:2', 512), ('fd:3', 1024)]


@pytest.mark.parametrize('text', ['a.env:sub/b.env', json.dumps(['a.env', 'sub/b.env'])])
def test_env_files_in_a_variable_are_separated_as_paths_are_or_given_as_json(text, loaded, tmp_path):
    (tmp_path / 'sub').mkdir()
    (tmp_path / 'a.env').touch()
    (tmp_path / 'sub' / 'b.env').touch()

    for name in ('GRANIAN_ENV_FILES', 'GRANIAN_SERVER__ENV_FILES'):
        server = loaded(environ={name: text}).config.server
        assert server.env_files == (tmp_path / 'a.env', tmp_path / 'sub' / 'b.env')


def test_env_files_configure_and_the_first_that_has_a_name_wins(loaded, tmp_path):
    (tmp_path / 'a.env').write_text('# first\nGRANIAN_PORT=81\nSHOP=1\n')
    (tmp_path / 'b.env').write_text('GRANIAN_PORT=82\n\nGRANIAN_BACKLOG=256\nSHOP=2\nOTHER="x y"\n')

    result = loaded('[server]\nenv_files = ["a.env", "b.env"]\n')

    assert str(result.config.listeners[0].bind) == '127.0.0.1:81'
    assert result.config.listeners[0].backlog == 256
    assert str(result.origin('listeners[0].backlog')) == 'b.env:3 GRANIAN_BACKLOG'
    assert variables(result.config.server.env_files) == {
        'GRANIAN_PORT': '81',
        'GRANIAN_BACKLOG': '256',
        'SHOP': '1',
        'OTHER': 'x y',
    }


def test_faults_in_an_env_file_name_file_line_and_variable(report, tmp_path):
    (tmp_path / 'a.env').write_text('SHOP=1\n\nGRANIAN_WORKERS=two\nGRANIAN_CONFIG=x.toml\n')

    assert report('[server]\nenv_files = ["a.env"]\n') == (
        "a.env:3 GRANIAN_WORKERS: server.workers: 'two' is not a whole number\n"
        'a.env:4 GRANIAN_CONFIG: cannot be set in an env file; set it in the environment\n'
        '1 file has faults; nothing was started'
    )


def test_line_of_an_env_file_that_is_no_assignment_is_a_fault(report, tmp_path):
    (tmp_path / 'a.env').write_text('SHOP=1\n\nthis is not one\n')

    assert report(flags={'--env-files': ('a.env',)}).startswith('a.env:3: is not a NAME=value line\n')


def test_secret_is_a_file_named_as_the_variable_and_others_are_left_alone(loaded, tmp_path):
    for name, text in {'granian_server__process_name': 'shop\n', 'database_password': 'x', '.data': 'y'}.items():
        (tmp_path / name).write_text(text)

    result = loaded(environ={'GRANIAN_SECRETS_DIR': str(tmp_path)})

    assert result.config.server.process_name == 'shop'
    assert str(result.origin('server.process_name')) == f'secret {tmp_path}/granian_server__process_name'


@pytest.mark.parametrize(
    ('toml', 'environ', 'flags', 'bind'),
    [
        ('', {'GRANIAN_PORT': '9000'}, {}, '127.0.0.1:9000'),
        ('', {'GRANIAN_HOST': '0.0.0.0'}, {'--port': '0'}, '0.0.0.0:0'),
        ('', {}, {'--host': '::1'}, '[::1]:8000'),
        ('', {}, {'--host': 'localhost', '--port': '81'}, 'localhost:81'),
        ('[[listeners]]\nbind = "*:80"\n', {}, {'--port': '81'}, '*:81'),
        ('[[listeners]]\nbind = "fd:3"\n', {}, {'--port': '81'}, '127.0.0.1:81'),
        ('', {'GRANIAN_UDS': '/a.sock'}, {'--port': '81'}, 'unix:/a.sock'),
        ('', {'GRANIAN_PORT': '81'}, {'--uds': '/a.sock', '--host': '0.0.0.0'}, 'unix:/a.sock'),
        ('', {'GRANIAN_LISTENERS__0__BIND': '*:80'}, {'--port': '81'}, '*:81'),
        ('', {'GRANIAN_PORT': '81'}, {'--set': ('listeners[0].bind=*:82',)}, '*:82'),
    ],
)
def test_host_port_and_socket_speak_of_the_first_listener(toml, environ, flags, bind, loaded):
    assert str(loaded(toml, environ, flags).config.listeners[0].bind) == bind


@pytest.mark.parametrize(('text', 'bits'), [('0660', 0o660), ('0o600', 0o600), ('432', 0o660)])
def test_socket_mode_is_octal_with_a_leading_zero_and_decimal_without(text, bits, loaded):
    flags = {'--uds': 'a.sock', '--uds-permissions': text}

    assert loaded(flags=flags).config.listeners[0].permissions == bits


def test_named_application_takes_the_place_of_the_target_in_the_file(loaded):
    config = loaded(APP + 'root_path = "/x"\n', flags={'APP': 'other:app'}).config

    assert (config.apps[0].target, config.apps[0].root_path, config.apps[0].name) == ('other:app', '/x', 'other')


@pytest.mark.parametrize(
    ('setting', 'key', 'value'),
    [
        ('http1.keep_alive=false', 'http1.keep_alive', False),
        ('http1.keep_alive=off', 'http1.keep_alive', False),
        ('server.workers=0x4', 'server.workers', 4),
        ('server.loop=asyncio', 'server.loop', 'asyncio'),
        ('timeouts.write=5s', 'timeouts.write', 5.0),
        ('listeners[0].backlog=256', 'listeners.0.backlog', 256),
        ('listeners.0.backlog = 256', 'listeners.0.backlog', 256),
        ('listeners=[{backlog = 256}]', 'listeners.0.backlog', 256),
        ('logging.access.format=%(path)s=%(status)d', 'logging.access.format', '%(path)s=%(status)d'),
        ('server.pid_file=/2024-01-01', 'server.pid_file', '/2024-01-01'),
    ],
)
def test_set_reads_toml_or_else_text(setting, key, value, loaded):
    found = loaded(flags={'--set': (setting,)}).config
    for part in key.split('.'):
        found = found[int(part)] if part.isdigit() else getattr(found, part)

    assert found == value or str(found) == value


def test_every_value_knows_where_it_came_from(loaded):
    toml = '[server]\nworkers = 2\n\n[[listeners]]\nbacklog = 256\n\n' + APP
    environ = {'GRANIAN_LOG_LEVEL': 'debug', 'GRANIAN_PORT': '81'}

    result = loaded(toml, environ, {'--http1-keep-alive': False, '--set': ('limits.fields=7',), 'APP': 'a:b'})

    assert {key: str(origin) for key, origin in result.origins.items()} == {
        'server.workers': 'granian.toml:2',
        'listeners[0].backlog': 'granian.toml:5',
        'listeners[0].bind': 'environment GRANIAN_PORT',
        'apps[0].target': 'argument APP',
        'apps[0].interface': 'granian.toml:9',
        'logging.level': 'environment GRANIAN_LOG_LEVEL',
        'http1.keep_alive': 'flag --no-http1-keep-alive',
        'limits.fields': 'flag --set limits.fields',
    }
    assert str(result.origin('server.loop')) == 'default'
