from __future__ import annotations

import asyncio
import contextlib

import pytest

from granian.errors import FatalError
from granian.process.workers.loops import LoopRegistry, loops


def test_what_is_installed_is_registered():
    assert {'asyncio', 'uvloop', 'auto'} <= set(loops.keys())
    assert 'asyncio' in loops
    assert 'winloop' not in loops


@pytest.mark.parametrize('name', ['asyncio', 'uvloop', 'auto'])
def test_a_loop_is_built_by_its_name(name):
    with contextlib.closing(loops.get(name)) as loop:
        assert isinstance(loop, asyncio.AbstractEventLoop)


def test_auto_is_the_fastest_that_imports():
    assert loops.choose('auto') == 'uvloop'


def test_an_unknown_name_is_upstreams_error():
    with pytest.raises(RuntimeError, match=r"^'tornado' implementation not available\.$"):
        loops.get('tornado')


def test_a_loop_that_is_not_installed_is_told():
    with pytest.raises(FatalError, match="the event loop 'winloop' is not installed"):
        loops.choose('winloop')


def test_a_builder_gets_its_packages_and_replaces_an_earlier_one():
    registry = LoopRegistry()
    given = []

    @registry.register('own')
    def build_first():
        raise AssertionError

    @registry.register('own', packages=['json', 'email.mime'])
    def build(**packages):
        given.extend(packages)
        return asyncio.new_event_loop()

    with contextlib.closing(registry.get('own')):
        assert given == ['json', 'email.mime']


def test_a_builder_with_a_missing_package_is_not_registered():
    registry = LoopRegistry()

    @registry.register('own', packages=['no_such_package.inner'])
    def build(**_packages):
        raise AssertionError

    assert 'own' not in registry


def test_a_package_that_is_there_but_does_not_import_is_told_or_passed_over(tmp_path, monkeypatch):
    (tmp_path / 'broken_loop.py').write_text('raise ImportError("wrong platform")')
    monkeypatch.syspath_prepend(tmp_path)
    registry = LoopRegistry()
    registry.register('rloop', packages=['broken_loop'])(asyncio.new_event_loop)
    registry.register('asyncio')(asyncio.new_event_loop)
    assert registry.fastest() == 'asyncio'
    with pytest.raises(FatalError, match="the event loop 'rloop' cannot be imported: wrong platform"):
        registry.choose('rloop')


def test_an_own_auto_is_what_auto_means():
    registry = LoopRegistry()
    registry.register('auto')(asyncio.new_event_loop)
    assert registry.choose('auto') == 'auto'


def test_upstreams_import_path_gives_the_registry():
    import granian.loops
    from granian import loops as imported

    assert imported is loops
    assert granian.loops is loops
    assert 'asyncio' in imported
