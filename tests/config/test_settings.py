"""The document's model as a settings model: what feeds it, and what does not."""

from __future__ import annotations

import threading

import pytest
from pydantic import ValidationError
from pydantic_settings import BaseSettings

from granian.config.model import Config
from granian.config.reading.settings import MergedSources, is_reading, reading


def test_config_is_a_settings_model_with_our_source_below_what_it_is_given():
    assert issubclass(Config, BaseSettings)
    with reading({'server': {'workers': 3}, 'limits': {'fields': 7}}):
        config = Config(server={'workers': 5})

        assert (config.server.workers, config.limits.fields) == (5, 7)
        assert MergedSources(Config).get_field_value(Config.model_fields['server'], 'server') == (
            {'workers': 3},
            'server',
            False,
        )


def test_config_made_directly_reads_no_environment_file_or_secret(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name in ('SERVER', 'server', 'GRANIAN_SERVER'):
        monkeypatch.setenv(name, '{"workers": 7}')
    (tmp_path / '.env').write_text('SERVER={"workers": 7}\n')

    assert Config().server.workers == 1
    assert Config.model_validate({'limits': {'fields': 7}}).server.workers == 1


def test_config_made_directly_refuses_what_is_unknown():
    with pytest.raises(ValidationError, match='extra_forbidden'):
        Config(sever={'workers': 7})


def test_what_is_being_read_is_known_only_where_it_is_read():
    seen = []
    with reading({'server': {'workers': 3}}):
        other = threading.Thread(target=lambda: seen.append((is_reading(), Config().server.workers)))
        other.start()
        other.join()

    assert seen == [(False, 1)]
    assert not is_reading()


def test_keys_of_a_file_that_the_library_has_parameters_for_are_unknown_keys(report):
    assert report('_env_file = "x"\n_secrets_dir = "y"\n') == (
        'granian.toml:1:1: _env_file: unknown key\n'
        'granian.toml:2:1: _secrets_dir: unknown key\n'
        '1 file has faults; nothing was started'
    )
