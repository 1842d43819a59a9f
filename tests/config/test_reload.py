from __future__ import annotations

import logging

import pytest

from granian.config.model import Config
from granian.config.sections.reload import Reload
from granian.process.plan import planning, sections
from granian.process.reloading.watching import WatchSettings


@pytest.mark.parametrize(
    ('toml', 'fault'),
    [
        ('enabled = "yes"', "2:11: reload.enabled: 'yes' is not true or false"),
        ('paths = ["nowhere"]', "2:10: reload.paths[0]: 'nowhere': no such file or directory"),
        ('paths = "src"', "2:9: reload.paths: 'src' is not a list of paths that are there"),
        (
            'ignore_dirs = ["a/b"]',
            "2:16: reload.ignore_dirs[0]: 'a/b' is not the name of a directory; whole paths go to ignore_paths",
        ),
        (
            "ignore_patterns = ['(']",
            (
                "2:20: reload.ignore_patterns[0]: '(' is not a regular expression: "
                'missing ), unterminated subpattern at position 0'
            ),
        ),
        ('ignore_paths = [1]', '2:17: reload.ignore_paths[0]: 1 is not a path; write it in quotes'),
        ('tick = 0.04', '2:8: reload.tick: 0.04 is less than the minimum allowed value of 50ms'),
        ('tick = "6s"', "2:8: reload.tick: '6s' is greater than the maximum allowed value of 5s"),
        ('ignore_worker_failure = 1', '2:25: reload.ignore_worker_failure: 1 is not true or false'),
    ],
)
def test_faults(toml, fault, report):
    assert report(f'[reload]\n{toml}\n') == f'granian.toml:{fault}\n1 file has faults; nothing was started'


@pytest.mark.parametrize(
    ('toml', 'said'),
    [
        (
            '[server]\npreload = true\n[reload]\nenabled = true\n',
            'imports the code once, so no change of it would be seen; leave it out where reload.enabled is true',
        ),
        (
            '[server]\npreload = true\ngroup = "0"\n',
            'would import applications as root, before workers become somebody else; leave out one of the two',
        ),
    ],
)
def test_preload_goes_neither_with_reloading_nor_with_another_user(toml, said, report):
    assert report(toml) == f'granian.toml:2:11: server.preload: {said}\n1 file has faults; nothing was started'


def test_flags_and_variables_mean_what_they_mean_upstream(loaded, tmp_path):
    (tmp_path / 'a').mkdir()
    (tmp_path / 'b').mkdir()
    by_flags = loaded(
        flags={
            '--reload': True,
            '--reload-paths': ('a', 'b'),
            '--reload-ignore-dirs': ('c', 'd'),
            '--reload-ignore-patterns': (r'\.x$',),
            '--reload-ignore-paths': ('e',),
            '--reload-tick': '70',
            '--reload-ignore-worker-failure': True,
        }
    ).config.reload
    by_variables = loaded(
        environ={
            'GRANIAN_RELOAD': 'true',
            'GRANIAN_RELOAD_PATHS': 'a:b',
            'GRANIAN_RELOAD_IGNORE_DIRS': 'c d',
            'GRANIAN_RELOAD_IGNORE_PATTERNS': r'\.x$',
            'GRANIAN_RELOAD_IGNORE_PATHS': 'e',
            'GRANIAN_RELOAD_TICK': '70',
            'GRANIAN_RELOAD_IGNORE_WORKER_FAILURE': '1',
        }
    ).config.reload
    assert by_flags == by_variables
    assert by_flags.tick == 0.07
    assert [path.name for path in by_flags.paths] == ['a', 'b']
    assert by_flags.ignore_paths == (tmp_path / 'e',)


def test_loading_tells_the_files_it_read(loaded, tmp_path):
    assert loaded('').files == ()
    assert loaded('[server]\n').files == (tmp_path / 'granian.toml',)


def test_supervisor_is_told_what_to_watch(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / 'env').write_text('')
    assert sections.watch(Config.model_validate({})) is None
    config = Config.model_validate({'reload': {'enabled': True}, 'server': {'env_files': [str(tmp_path / 'env')]}})
    assert sections.watch(config) == WatchSettings(
        (str(tmp_path),), (), (), (), (str(tmp_path / 'env'),), 0.05, ignore_failure=False
    )


def test_what_replaces_workers_by_time_or_memory_is_left_out(caplog):
    limits = {'workers_lifetime': 60, 'workers_max_rss': '100MiB'}
    config = Config.model_validate(
        {'reload': {'enabled': True}, 'server': limits, 'rules': [{'path': '/', 'return': 404}]}
    )
    supervisor = planning.plan_of(config).supervisor
    assert (supervisor.lifetime_s, supervisor.rss_bytes_max) == (None, None)
    logger = logging.getLogger('_granian')
    logger.addHandler(caplog.handler)
    planning.warn(config)
    logger.removeHandler(caplog.handler)
    assert 'workers_lifetime is left out: it does nothing with auto reload' in caplog.messages
    without = config.model_copy(update={'reload': Reload()})
    assert planning.plan_of(without).supervisor.lifetime_s == 60
