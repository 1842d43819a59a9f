from __future__ import annotations

import sys

import pytest

from granian.adapters.loading import application_traceback, load
from granian.errors import AppLoadError


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty working directory whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, 'path', [entry for entry in sys.path if entry])
    before = set(sys.modules)
    sys.dont_write_bytecode, flag = True, sys.dont_write_bytecode
    yield tmp_path
    sys.dont_write_bytecode = flag
    for name in set(sys.modules) - before:
        del sys.modules[name]


def write(project, name: str, text: str) -> None:
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


APP = 'def app(): return "hello"\nclass Holder:\n    inner = staticmethod(app)\ndef make(): return app\n'


@pytest.mark.parametrize(
    'target',
    ['shop_main:app', 'shop_main', 'shop_main:Holder.inner', 'shop_main.py:app', './shop_main.py', './shop_main:app'],
)
def test_every_spelling_of_a_target_finds_the_application(project, target):
    write(project, 'shop_main.py', APP)
    assert load(target)() == 'hello'


def test_an_absolute_path_puts_the_root_of_its_package_on_the_path(project):
    write(project, 'src/shop_pkg/__init__.py', '')
    write(project, 'src/shop_pkg/api/__init__.py', 'from shop_pkg.base import app')
    write(project, 'src/shop_pkg/base.py', APP)
    assert load(f'{project}/src/shop_pkg/api/__init__.py:app')() == 'hello'
    assert sys.path[0] == str(project / 'src')


def test_the_working_dir_comes_before_the_current_directory(project):
    write(project, 'shop_twice.py', 'def app(): return "current"')
    write(project, 'inner/shop_twice.py', 'def app(): return "working_dir"')
    assert load('shop_twice:app', working_dir=str(project / 'inner'))() == 'working_dir'


def test_a_factory_is_called_for_the_application(project):
    write(project, 'shop_main.py', APP)
    assert load('shop_main:make', factory=True)() == 'hello'


@pytest.mark.parametrize('target', ['shop_absent', 'shop_absent.deep:app', 'shop_absent/file.py:app'])
def test_a_module_that_is_not_there_is_told_without_a_traceback(project, target):
    with pytest.raises(AppLoadError, match=r"^Could not import '[a-z_.]+'\.$") as caught:
        load(target)
    assert application_traceback(caught.value) == ''


def test_an_import_that_fails_inside_the_module_is_told_with_its_traceback(project):
    write(project, 'shop_main.py', '\nimport shop_missing_dependency\n')
    with pytest.raises(AppLoadError) as caught:
        load('shop_main:app')
    assert str(caught.value) == (
        "While importing 'shop_main', an ImportError was raised: No module named 'shop_missing_dependency'"
    )
    lines = application_traceback(caught.value).splitlines()
    assert lines[1] == f'  File "{project}/shop_main.py", line 2, in <module>'


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('1 / 0', 'a ZeroDivisionError was raised: division by zero'),
        ('raise SystemExit(3)', 'a SystemExit was raised: 3'),
        ('def (', 'a SyntaxError was raised: '),
        ('from os import nothing_like_it', "an ImportError was raised: cannot import name 'nothing_like_it'"),
    ],
)
def test_whatever_a_module_raises_is_told_in_one_line(project, text, message):
    write(project, 'shop_main.py', text)
    with pytest.raises(AppLoadError, match=r"^While importing 'shop_main', ") as caught:
        load('shop_main:app')
    assert message in str(caught.value)
    assert application_traceback(caught.value)


@pytest.mark.parametrize(
    ('target', 'message'),
    [
        ('shop_main:ap', "'shop_main' has no attribute 'ap'. Did you mean 'app'?"),
        ('shop_main:Holder.zzz', "'shop_main' has no attribute 'Holder.zzz'."),
        ('shop_main:number', "'shop_main:number' is not an application: 'int' object is not callable."),
    ],
)
def test_an_attribute_that_is_no_application_is_refused(project, target, message):
    write(project, 'shop_main.py', APP + 'number = 1\n')
    with pytest.raises(AppLoadError) as caught:
        load(target)
    assert str(caught.value) == message


def test_a_factory_that_fails_is_told_with_its_traceback(project):
    write(project, 'shop_main.py', 'number = 1\ndef make():\n    raise ValueError("no database")\n')
    with pytest.raises(AppLoadError, match='not a factory'):
        load('shop_main:number', factory=True)
    with pytest.raises(AppLoadError) as caught:
        load('shop_main:make', factory=True)
    assert str(caught.value) == "While calling the factory 'shop_main:make', a ValueError was raised: no database"
    assert 'line 3, in make' in application_traceback(caught.value)
