from __future__ import annotations

import asyncio
import logging

import pytest

from granian.adapters.asgi.lifespan import Lifespan
from granian.errors import LifespanError
from tests.helpers.serving import TestLoop, answer, asyncio_timeout

CONTINUING = (
    'ASGI Lifespan errored, continuing without Lifespan support (to avoid Lifespan completely use "asginl" interface)'
)


@pytest.fixture
def loop():
    # Nothing here depends on the kind.
    return TestLoop('asyncio')


@pytest.fixture
def engine():
    return 'fast'


def warnings(caplog):
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


class App:
    """Answers startup and shutdown with what it is told to: a message, an exception, or None to return."""

    def __init__(self, startup='lifespan.startup.complete', shutdown='lifespan.shutdown.complete', **more):
        self.answers = [startup, shutdown]
        self.more = more
        self.events = []
        self.scope = None

    async def __call__(self, scope, receive, send):
        self.scope = scope
        for reply in self.answers:
            self.events.append((await receive())['type'])
            if reply is None:
                return
            if isinstance(reply, BaseException):
                raise reply
            await send({'type': reply, **self.more})
            if reply.endswith('.failed'):
                return


async def test_startup_and_shutdown(caplog):
    app = App()
    lifespan = Lifespan(app, 'auto')
    await lifespan.startup()
    assert app.events == ['lifespan.startup']
    await lifespan.shutdown()
    assert app.events == ['lifespan.startup', 'lifespan.shutdown']
    assert warnings(caplog) == []


async def test_scope():
    app = App()
    lifespan = Lifespan(app, 'auto')
    await lifespan.startup()
    assert app.scope == {'type': 'lifespan', 'asgi': {'version': '3.0', 'spec_version': '2.3'}, 'state': {}}
    assert app.scope['state'] is lifespan.state
    await lifespan.shutdown()


async def test_off_never_calls_the_application():
    app = App()
    lifespan = Lifespan(app, 'off')
    await lifespan.startup()
    await lifespan.shutdown()
    assert app.scope is None


@pytest.mark.parametrize('mode', ['auto', 'on'])
@pytest.mark.parametrize('message', [{'message': 'no database'}, {}])
async def test_startup_failed_is_logged_and_refuses(mode, message, caplog):
    lifespan = Lifespan(App('lifespan.startup.failed', None, **message), mode)
    with pytest.raises(LifespanError, match='ASGI lifespan startup failed'):
        await lifespan.startup()
    assert warnings(caplog) == [*message.values(), 'ASGI lifespan startup failed']


async def test_auto_goes_on_where_the_application_raises(caplog):
    lifespan = Lifespan(App(ValueError('lifespan?')), 'auto')
    await lifespan.startup()
    assert warnings(caplog) == [CONTINUING]
    await lifespan.shutdown()


async def test_auto_goes_on_silently_where_the_application_returns(caplog):
    lifespan = Lifespan(App(None), 'auto')
    await lifespan.startup()
    await lifespan.shutdown()
    assert warnings(caplog) == []


@pytest.mark.parametrize('startup', [ValueError('lifespan?'), None])
async def test_on_refuses_where_the_application_raises_or_returns(startup, caplog):
    lifespan = Lifespan(App(startup), 'on')
    with pytest.raises(LifespanError, match='ASGI lifespan startup failed'):
        await lifespan.startup()
    assert warnings(caplog) == ['ASGI lifespan startup failed']


async def test_auto_goes_on_where_the_application_cannot_be_called_like_that(caplog):
    lifespan = Lifespan(lambda scope: None, 'auto')
    await lifespan.startup()
    assert warnings(caplog) == [CONTINUING]


async def test_on_refuses_where_the_application_cannot_be_called_like_that():
    lifespan = Lifespan(lambda scope: None, 'on')
    with pytest.raises(LifespanError):
        await lifespan.startup()


async def test_state_of_an_application_that_gave_up_is_dropped():
    async def app(scope, receive, send):
        scope['state']['half'] = True
        raise ValueError

    lifespan = Lifespan(app, 'auto')
    await lifespan.startup()
    assert lifespan.state == {}


# ── order ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    'message', ['lifespan.shutdown.complete', 'lifespan.shutdown.failed', 'lifespan.startup', 'http.response.start']
)
async def test_wrong_message_at_startup_is_refused(message):
    raised = []

    async def app(scope, receive, send):
        await receive()
        try:
            await send({'type': message})
        except AssertionError as error:
            raised.append(str(error))
            raise

    with pytest.raises(LifespanError):
        await Lifespan(app, 'on').startup()
    assert raised == ['Invalid lifespan state transition']


@pytest.mark.parametrize('message', ['lifespan.startup.complete', 'lifespan.shutdown.complete'])
async def test_message_while_serving_is_refused(message):
    raised = []

    async def app(scope, receive, send):
        await receive()
        await send({'type': 'lifespan.startup.complete'})
        try:
            await send({'type': message})
        except AssertionError as error:
            raised.append(str(error))
        await receive()
        await send({'type': 'lifespan.shutdown.complete'})

    lifespan = Lifespan(app, 'on')
    await lifespan.startup()
    await lifespan.shutdown()
    assert raised == ['Invalid lifespan state transition']


async def test_startup_may_be_answered_before_it_is_received():
    async def app(scope, receive, send):
        await send({'type': 'lifespan.startup.complete'})
        assert (await receive())['type'] == 'lifespan.startup'
        assert (await receive())['type'] == 'lifespan.shutdown'
        await send({'type': 'lifespan.shutdown.complete'})

    lifespan = Lifespan(app, 'on')
    await lifespan.startup()
    await lifespan.shutdown()


# ── shutdown ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize('message', [{'message': 'no flush'}, {}])
async def test_shutdown_failed_is_logged(message, caplog):
    lifespan = Lifespan(App(shutdown='lifespan.shutdown.failed'), 'auto')
    await lifespan.startup()
    lifespan._application.more = message
    await lifespan.shutdown()
    assert warnings(caplog) == [*message.values(), 'ASGI lifespan shutdown failed']


async def test_raising_at_shutdown_is_logged(caplog):
    lifespan = Lifespan(App(shutdown=ValueError('oh')), 'auto')
    await lifespan.startup()
    await lifespan.shutdown()
    assert warnings(caplog) == ['Application lifespan raised an exception']
    assert str(caplog.records[-1].exc_info[1]) == 'oh'


async def test_returning_at_shutdown_without_an_answer_is_fine(caplog):
    lifespan = Lifespan(App(shutdown=None), 'auto')
    await lifespan.startup()
    await lifespan.shutdown()
    assert warnings(caplog) == []


async def test_an_application_that_ended_while_serving_is_told_at_shutdown(caplog):
    ended = asyncio.Event()

    async def app(scope, receive, send):
        await send({'type': 'lifespan.startup.complete'})
        ended.set()
        raise ValueError

    lifespan = Lifespan(app, 'auto')
    await lifespan.startup()
    await ended.wait()
    await lifespan.shutdown()
    assert warnings(caplog) == ['Application lifespan raised an exception']


async def test_what_goes_on_after_shutdown_complete_is_cancelled(caplog):
    cancelled = []

    async def app(scope, receive, send):
        await receive()
        await send({'type': 'lifespan.startup.complete'})
        await receive()
        await send({'type': 'lifespan.shutdown.complete'})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    lifespan = Lifespan(app, 'auto')
    await lifespan.startup()
    async with asyncio_timeout(5):
        await lifespan.shutdown()
    assert cancelled
    assert warnings(caplog) == []


# ── with a server around it ──────────────────────────────────────────────────────────────────────────────────────────


async def test_requests_come_between_startup_and_shutdown(serve):
    order = []

    async def app(scope, receive, send):
        if scope['type'] == 'lifespan':
            for kind in ('startup', 'shutdown'):
                await receive()
                order.append(kind)
                await send({'type': f'lifespan.{kind}.complete'})
            return
        order.append('request')
        await answer(send)

    async with serve(app, lifespan='auto') as server:
        await server.get()
        await server.get()
    assert order == ['startup', 'request', 'request', 'shutdown']


async def test_nothing_is_accepted_by_an_application_that_does_not_start(serve):
    with pytest.raises(LifespanError):
        async with serve(App('lifespan.startup.failed', None), lifespan='auto'):
            raise AssertionError('started')
