"""The command line as a process: what it prints, and with which status it ends."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import tomli

from granian import __version__
from granian.config.options import options
from tests.helpers.server import server_environment
from tests.helpers.tls import authority

SCRIPT = Path(sys.executable).with_name('granian')
APP = '[[apps]]\ntarget = "main:app"\ninterface = "asgi"\n'


@pytest.fixture
def granian(tmp_path):
    """Run `python -m granian` with these words in an empty directory: (status, output, errors)."""

    def run(*words, environ=None, program=(sys.executable, '-m', 'granian')):
        clean = {name: value for name, value in os.environ.items() if not name.startswith('GRANIAN_')}
        done = subprocess.run(
            [*program, *words],
            cwd=tmp_path,
            env={**clean, **(environ or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert 'Traceback' not in done.stderr
        return done.returncode, done.stdout, done.stderr

    return run


@pytest.mark.parametrize('program', [(sys.executable, '-m', 'granian'), (str(SCRIPT),)], ids=['module', 'script'])
@pytest.mark.parametrize('words', [['--version'], ['--version', 'main:app']])
def test_version_is_printed_as_upstream_prints_it(program, words, granian):
    assert granian(*words, program=program) == (0, f'granian {__version__}\n', '')


def test_version_does_not_import_the_configuration(tmp_path):
    code = (
        "import sys; sys.argv = ['granian', '--version']\n"
        'import granian.cli\n'
        'try:\n    granian.cli.entrypoint()\n'
        "except SystemExit:\n    print(sorted({'click', 'pydantic', 'tomli'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.splitlines()[-1] == '[]'


def test_duration_can_be_imported_from_the_command_line_module():
    from granian.cli import Duration

    assert Duration(1, 60).convert('30s', None, None) == 30


@pytest.mark.parametrize('words', [['serve'], ['check'], [], ['config', 'show']])
def test_faulty_configuration_is_reported_and_ends_with_2(words, granian, tmp_path):
    (tmp_path / 'granian.toml').write_text('[server]\nworkers = 0\n\n' + APP)

    assert granian(*words, '--port', 'x', environ={'GRANIAN_LOOP': 'y'}) == (
        2,
        '',
        (
            'granian.toml:2:11: server.workers: 0 is less than the minimum allowed value of 1\n'
            "environment GRANIAN_LOOP: server.loop: 'y' is not one of: auto, asyncio, uvloop, rloop, winloop\n"
            "flag --port: listeners[0].bind: 'x' is not a port number\n"
            '1 file, 1 variable and 1 flag have faults; nothing was started\n'
        ),
    )


@pytest.mark.parametrize('words', [['serve'], ['check'], []])
def test_without_an_application_the_status_is_2(words, granian):
    status, _, said = granian(*words)

    assert status == 2
    assert said.startswith('apps: no application to serve; name one as the argument APP')


def test_check_reports_every_application_and_bind_that_fails_with_its_place(granian, tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        bind = f'127.0.0.1:{taken.getsockname()[1]}'
        (tmp_path / 'granian.toml').write_text(f'[[listeners]]\nbind = "{bind}"\n\n{APP}')
        status, _, said = granian('check')

    assert status == 2
    assert 'granian.toml:5:10: apps[0].target: ' in said
    assert 'granian.toml:2:8: listeners[0].bind: ' in said


def test_check_of_a_good_configuration_says_so(granian, tmp_path):
    (tmp_path / 'main.py').write_text('async def app(scope, receive, send): ...\n')

    assert granian('check', '--port', '0', '--interface', 'asgi', 'main:app') == (
        0,
        'the configuration has no faults\n',
        '',
    )


def test_check_warns_of_odd_certificates(granian, tmp_path):
    (tmp_path / 'main.py').write_text('async def app(scope, receive, send): ...\n')
    authority().issue(named=False).write(tmp_path, 'site')
    words = ('check', '--port', '0', '--ssl-certificate', 'site.pem', '--ssl-keyfile', 'site.key', 'main:app')

    status, out, err = granian(*words)

    assert (status, out) == (0, 'the configuration has no faults\n')
    assert err.startswith('warning: listeners[0].tls: ')
    assert err.endswith("site.pem' names no host (subjectAltName), so that most clients will refuse it\n")


def test_server_that_cannot_start_ends_with_1_and_one_line(granian):
    with socket.create_server(('127.0.0.1', 0)) as taken:
        port = str(taken.getsockname()[1])
        status, _, said = granian('serve', '--port', port, '--interface', 'asgi', 'main:app')

    assert (status, said) == (1, f'listeners[0].bind: 127.0.0.1:{port}: already in use by another process\n')


def test_file_that_is_not_there_is_a_fault_of_the_flag(granian):
    assert granian('config', 'show', '-c', 'x.toml') == (
        2,
        '',
        "flag -c: 'x.toml': no such file or directory\n1 flag has faults; nothing was started\n",
    )


def test_unknown_flag_ends_with_2_and_a_suggestion(granian):
    status, _, said = granian('serve', '--wokers', '2', 'main:app')

    assert status == 2
    assert "No such option '--wokers'" in said or 'No such option: --wokers' in said
    assert '--workers' in said


def test_command_word_is_a_command_only_in_first_place(granian, tmp_path):
    status, shown, _ = granian('--workers', '0', 'check')

    assert status == 2
    assert not shown


def test_help_groups_every_flag_by_topic(granian):
    status, said, _ = granian('--help')
    headings = [line.rstrip(':') for line in said.splitlines() if line.endswith(':') and not line.startswith(' ')]

    assert status == 0
    assert headings[:10] == [
        'Commands', 'Configuration', 'Processes', 'Listening', 'TLS', 'Application', 'Static files', 'HTTP/1', 'HTTP/2',
        'WebSockets',
    ]  # fmt: skip
    assert not [flag.name for option in options() for flag in option.flags if flag.name not in said]
    assert granian('serve', '--help')[1].startswith('Usage: granian serve [OPTIONS] [APP]')


def test_shown_configuration_says_where_each_value_came_from(granian, tmp_path):
    (tmp_path / 'granian.toml').write_text('[server]\nworkers = 2\n')

    _, shown, _ = granian('config', 'show', '--origin', '--port', '81', environ={'GRANIAN_LOG_LEVEL': 'debug'})

    assert 'workers = 2  # granian.toml:2\n' in shown
    assert 'bind = "127.0.0.1:81"  # flag --port\n' in shown
    assert 'level = "debug"  # environment GRANIAN_LOG_LEVEL\n' in shown
    assert 'loop = "auto"  # default\n' in shown


def test_shown_configuration_is_a_configuration(granian, tmp_path):
    words = ['--workers', '3', '--uds', 'a.sock', '--uds-permissions', '0660', '--interface', 'asgi', 'main:app']
    _, shown, _ = granian('config', 'show', *words)
    (tmp_path / 'shown.toml').write_text(shown)

    assert granian('config', 'show', '-c', 'shown.toml') == (0, shown, '')
    assert json.loads(granian('config', 'show', '--format', 'json', *words)[1]) == tomli.loads(shown)


def test_origins_as_json_stand_beside_the_values(granian):
    _, shown, _ = granian('config', 'show', '--origin', '--format', 'json', '--set', 'limits.fields=7')

    assert json.loads(shown)['limits']['fields'] == {'value': 7, 'origin': 'flag --set limits.fields'}


def test_lists_have_their_origins_too(granian, tmp_path):
    (tmp_path / 'granian.toml').write_text(
        '[[apps]]\ntarget = "main:app"\nhosts = ["a.example"]\n[apps.websocket]\norigins = ["https://a.example"]\n'
    )
    _, shown, _ = granian('config', 'show', '--origin')

    assert 'hosts = ["a.example"]  # granian.toml:3\n' in shown
    assert 'origins = ["https://a.example"]  # granian.toml:5\n' in shown


def test_schema_is_printed_as_it_is_committed(granian):
    committed = Path(__file__).parents[2] / 'schemas' / 'granian.schema.json'

    assert granian('schema') == (0, committed.read_text('utf-8'), '')


def test_init_writes_a_starter_that_loads_and_never_overwrites(granian, tmp_path):
    status, said, _ = granian('init')
    written = (tmp_path / 'granian.toml').read_text()

    assert (status, said) == (0, 'wrote granian.toml; serve it with: granian serve -c granian.toml\n')
    assert granian('config', 'show')[0] == 0
    assert granian('init') == (1, '', 'granian.toml is there already; nothing was written\n')
    assert (tmp_path / 'granian.toml').read_text() == written
    assert granian('init', 'no/such/a.toml') == (1, '', 'no/such/a.toml cannot be written: no such file or directory\n')


@pytest.mark.parametrize(
    ('words', 'offered'),
    [
        ('granian se', 'plain,serve'),
        ('granian config s', 'plain,show'),
        ('granian serve --loop uv', 'plain,uvloop'),
        ('granian --interface asgin', 'plain,asginl'),
        ('granian --http1-keep', 'plain,--http1-keep-alive'),
        ('granian serve -c x', 'file,x'),
        ('granian --working-dir x', 'dir,x'),
    ],
)
def test_shell_completes(words, offered, granian):
    index = str(words.count(' '))
    environ = {'_GRANIAN_COMPLETE': 'bash_complete', 'COMP_WORDS': words, 'COMP_CWORD': index}

    assert granian(environ=environ)[1] == f'{offered}\n'


@pytest.mark.parametrize(
    'words', [['serve', '--\x1b[31m'], ['--\x1b[31m'], ['-c', '\x1b[31m', 'main:app'], ['a\x9bx:b', 'c\x1bd']]
)
def test_control_characters_of_the_command_line_do_not_reach_the_terminal(words, granian):
    status, out, err = granian(*words)

    assert (status, out) == (2, '')
    assert all(letter.isprintable() for letter in err.replace('\n', ''))


def test_shown_configuration_holds_no_control_characters(granian, tmp_path):
    (tmp_path / 'a\x1b.toml').write_text('[logging.access]\nformat = "\\u009b\\u007f%(path)s"\n')
    for form in ('toml', 'json'):
        status, out, _ = granian('config', 'show', '--origin', '--format', form, '-c', 'a\x1b.toml')

        assert status == 0
        assert all(letter.isprintable() for letter in out.replace('\n', ''))


OUTPUTS = ['--help', '--version', 'check --help', 'check main:app', 'config show', 'schema']


def in_shell(words, redirection, folder):
    """Exit status of the command itself, and what it says."""
    (folder / 'main.py').write_text('async def app(scope, receive, send): ...\n')
    line = f'{{ {sys.executable} -m granian {words} {redirection}'
    return subprocess.run(
        ['sh', '-c', line],
        cwd=folder,
        env=server_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='there is no /dev/full')
@pytest.mark.parametrize('words', OUTPUTS)
def test_a_full_disk_is_said_in_one_line(words, tmp_path):
    done = in_shell(words, '>/dev/full; }', tmp_path)

    assert (done.returncode, done.stderr) == (1, 'granian: standard output: No space left on device\n')


@pytest.mark.parametrize('words', ['--help', '--version', 'config show'])
def test_a_closed_output_and_one_that_nobody_reads_are_passed_over(words, tmp_path):
    closed = in_shell(words, '>&-; }', tmp_path)
    unread = in_shell(words, '; } | true', tmp_path)

    assert (closed.returncode, closed.stdout, closed.stderr) == (0, '', '')
    # The status is the reader's.
    assert (unread.stdout, unread.stderr) == ('', '')
