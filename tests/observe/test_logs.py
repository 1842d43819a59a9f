from __future__ import annotations

import json
import logging

import pytest

from granian import log
from granian.errors import ConfigurationError, FatalError
from granian.observe.logs import LEVELS, access_logger, configure, logger, read_config


def test_the_default_lines_go_to_standard_output(capsys):
    configure('info')
    logger.info('ready')
    logger.debug('hidden')
    access_logger.info('a line')
    assert capsys.readouterr().out == '[INFO] ready\na line\n'


@pytest.mark.parametrize('level', LEVELS)
def test_the_level_is_the_servers_own(level):
    configure(level)
    assert logger.level == LEVELS[level]
    assert access_logger.level == logging.INFO


def test_without_the_log_the_access_log_goes_on(capsys):
    configure('debug', enabled=False)
    logger.critical('hidden')
    access_logger.info('shown')
    assert capsys.readouterr().out == 'shown\n'


def test_a_config_replaces_top_level_keys_whole(capsys):
    configure('info', {'formatters': {'generic': {'format': 'own %(message)s'}, 'access': {'format': '%(message)s'}}})
    logger.info('format')
    assert capsys.readouterr().out == 'own format\n'


def test_a_config_that_cannot_be_applied_is_one_error():
    with pytest.raises(ConfigurationError, match=r"^logging\.config: Unable to configure handler 'console'"):
        configure('info', {'handlers': {'console': {'class': 'no.such.Handler'}}})


@pytest.mark.parametrize('text', ['{', '[]', '\xff'])
def test_a_file_that_is_not_a_config_is_refused(tmp_path, text):
    path = tmp_path / 'log.json'
    path.write_text(text, 'latin-1')
    with pytest.raises(FatalError, match=r'^Unable to parse provided logging config\.$'):
        read_config(path)


def test_a_file_is_read_as_json(tmp_path):
    path = tmp_path / 'log.json'
    path.write_text(json.dumps({'version': 1}))
    assert read_config(path) == {'version': 1}


def test_upstreams_module_is_the_same_thing():
    assert log.logger is logger
    assert log.log_levels_map[log.LogLevels.warn] == logging.WARNING
    log.configure_logging(log.LogLevels.error)
    assert logger.level == logging.ERROR
