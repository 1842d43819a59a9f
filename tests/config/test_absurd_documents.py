"""Documents that no person writes: each is a fault with its place, never a traceback."""

from __future__ import annotations

import pytest

from granian.config.options import options

CLOSING = '1 file has faults; nothing was started'


@pytest.mark.parametrize(
    ('toml', 'spot'),
    [
        ('a=' + '[' * 100_000, '1:67'),
        ('\n' + '.'.join(['a'] * 1001) + ' = 1', '2:129'),
        ('.'.join(['a'] * 65) + ' = 1', '1:129'),
        ('[' + '.'.join(['a'] * 1001) + ']', '1:130'),
        ('[a]\nb = ' + '{a=' * 70 + '1' + '}' * 70, '2:192'),
    ],
)
def test_nesting_without_end_is_not_valid_toml_where_it_goes_too_deep(toml, spot, report):
    assert report(toml) == f'granian.toml:{spot}: not valid TOML: nested too deeply\n{CLOSING}'


def test_number_that_the_interpreter_does_not_read_is_not_valid_toml(report):
    toml = '[server]\nworkers = ' + '9' * 5000

    assert report(toml) == f'granian.toml:2:11: not valid TOML: a number of too many digits\n{CLOSING}'


@pytest.mark.parametrize('value', ['9' * 400, '"' + '9' * 5000 + 's"', '1e400', 'inf', 'nan'])
def test_time_beyond_all_numbers_is_no_duration(value, report):
    assert 'is not a valid duration' in report(f'[server]\ngraceful_timeout = {value}\n')


@pytest.mark.parametrize(
    ('environ', 'said'),
    [
        ({'GRANIAN_SERVER': '[' * 100_000}, 'server: a section or a list is given as JSON, and this is not: nested'),
        ({'GRANIAN_SERVER': '[' * 70 + ']' * 70}, 'this is not: nested too deeply'),
        ({'GRANIAN_SERVER': '{"workers": ' + '9' * 5000 + '}'}, 'this is not: a number of too many digits'),
        ({'GRANIAN_A' + '__A' * 2000: '1'}, 'unknown variable'),
        ({'GRANIAN_LISTENERS__' + '9' * 5000 + '__BACKLOG': '1'}, 'listeners: must be a list of tables'),
    ],
)
def test_variable_beyond_all_bounds_is_a_fault_of_it(environ, said, report):
    assert said in report('', environ)


@pytest.mark.parametrize(
    ('setting', 'said'),
    [
        ('.'.join(['a'] * 2000) + '=1', 'is not key=value'),
        ('server.workers=' + '[' * 100_000, 'is not a whole number'),
        ('server.workers=' + '9' * 5000, 'is not a whole number'),
    ],
)
def test_setting_beyond_all_bounds_is_a_fault_of_it(setting, said, report):
    assert said in report('', {}, {'--set': [setting]})


@pytest.mark.parametrize(
    'text',
    ['[{"target": "main:app", "factory": true}]', '[{target = "main:app", factory = true}]'],
    ids=['JSON', 'TOML'],
)
def test_setting_takes_lists_and_tables_as_json_and_as_toml(text, loaded):
    (app,) = loaded(flags={'--set': [f'apps={text}']}).config.apps

    assert (app.target, app.factory) == ('main:app', True)


@pytest.mark.parametrize(
    ('toml', 'said'),
    [
        ('[server]\nworkers = 1025\n', 'server.workers: 1025 is greater than the maximum allowed value of 1024'),
        ('[server]\nbackpressure = 2147483648\n', 'greater than the maximum allowed value of 2147483647'),
        ('[server]\ngraceful_timeout = "25d"\n', "'25d' is greater than the maximum allowed value of 24d"),
        ('[timeouts]\nwrite = 1e12\n', 'is greater than the maximum allowed value of 24d'),
        ('[limits]\nbody = 4611686018427387905\n', 'is greater than the maximum allowed value of 4194304TiB'),
    ],
)
def test_number_that_no_server_needs_is_a_fault(toml, said, report):
    assert said in report(toml)


def test_every_number_has_an_upper_bound():
    numbers = {'whole number', 'duration', 'size'}

    assert [option.key for option in options() if option.kind.name in numbers and option.bounds.most is None] == []


def test_missing_application_is_the_fault_of_no_flag(report):
    said = report('', {}, {'--set': ['foo.bar=1']}, needs_app=True)

    assert said.splitlines()[0] == 'flag --set foo.bar: foo: unknown key'
    assert said.splitlines()[1].startswith('apps: no application to serve; name one')
