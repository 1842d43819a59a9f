from __future__ import annotations

import asyncio

import pytest

from granian.adapters.loading import load
from granian.adapters.rsgi.http import RsgiAdapter
from granian.errors import LifespanError
from granian.server.websocket import ClosedDoor
from tests.helpers.serving import one_loop


class Application:
    """Writes down what it was called with."""

    def __init__(self):
        self.calls = []

    async def __call__(self, scope, protocol):
        protocol.response_str(body='called')

    async def __rsgi__(self, scope, protocol):
        protocol.response_str(body='rsgi')

    def __rsgi_init__(self, loop):
        self.calls.append(('init', loop, loop.run_until_complete(asyncio.sleep(0, 'ran'))))

    def __rsgi_del__(self, loop):
        self.calls.append(('del', loop, loop.run_until_complete(asyncio.sleep(0, 'ran'))))


class OnlyRsgi:
    async def __rsgi__(self, scope, protocol):
        protocol.response_str(body='rsgi')


@one_loop
@pytest.mark.parametrize('application', [Application(), OnlyRsgi()], ids=['both', 'only'])
async def test_the_method_for_rsgi_is_preferred(serve_rsgi, application):
    async with serve_rsgi(application) as server:
        assert (await server.get()).body == b'rsgi'


def test_an_object_with_the_method_for_rsgi_alone_is_an_application(tmp_path, monkeypatch):
    (tmp_path / 'only_rsgi.py').write_text(
        'class App:\n    async def __rsgi__(self, scope, protocol): ...\n\napp = App()\n'
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert type(load('only_rsgi:app')).__name__ == 'App'


@pytest.fixture
def idle_loop(loop):
    yield loop.loop
    loop.loop.close()


def test_hooks_may_run_the_loop(idle_loop):
    application = Application()
    adapter = RsgiAdapter(application, idle_loop, door=ClosedDoor())
    adapter.init()
    idle_loop.run_until_complete(adapter.start())
    idle_loop.run_until_complete(adapter.stop())
    adapter.close()
    assert application.calls == [('init', idle_loop, 'ran'), ('del', idle_loop, 'ran')]


def test_hooks_may_be_attributes_of_a_function(idle_loop):
    calls = []

    async def app(scope, protocol):
        pass

    app.__rsgi_init__ = calls.append
    adapter = RsgiAdapter(app, idle_loop, door=ClosedDoor())
    adapter.init()
    adapter.close()
    assert calls == [idle_loop]


@pytest.mark.parametrize('error', [ValueError('no database'), SystemExit('no database')])
def test_an_application_that_fails_in_init_does_not_start(idle_loop, error):
    def fail(loop):
        raise error

    application = Application()
    application.__rsgi_init__ = fail
    with pytest.raises(LifespanError, match=r'RSGI init failed: .*no database') as caught:
        RsgiAdapter(application, idle_loop, door=ClosedDoor()).init()
    assert caught.value.__cause__ is error


@pytest.mark.parametrize('error', [ValueError('no'), SystemExit(3)])
def test_a_failure_in_del_is_logged(idle_loop, error, caplog):
    def fail(loop):
        raise error

    application = Application()
    application.__rsgi_del__ = fail
    RsgiAdapter(application, idle_loop, door=ClosedDoor()).close()
    assert caplog.messages == ['Application __rsgi_del__ raised an exception']
    assert caplog.records[0].exc_info[1] is error
