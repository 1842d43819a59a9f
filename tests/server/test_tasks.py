"""`Starter`: a task like any other, but for its first step. Run on each supported version of Python."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref

import anyio
import pytest

from granian.server.tasks import Starter

variable: contextvars.ContextVar[str] = contextvars.ContextVar('variable', default='unset')


async def from_callback(function):
    """Call `function` as a callback of the running loop, where no task is current, and return what it returns."""
    loop = asyncio.get_running_loop()
    called = loop.create_future()

    def call():
        assert asyncio.current_task() is None
        try:
            result = function(loop)
        except BaseException as error:
            called.set_exception(error)
        else:
            called.set_result(result)
        assert asyncio.current_task() is None

    loop.call_soon(call)
    return await called


async def test_the_first_step_is_taken_at_once(loop):
    steps = []

    async def work():
        steps.append('first')
        await asyncio.sleep(0)
        steps.append('second')

    def begin(loop):
        task = Starter(loop).start(work())
        assert steps == ['first']
        assert not task.done()
        return task

    await (await from_callback(begin))
    assert steps == ['first', 'second']


async def test_what_never_waits_is_done_at_once(loop):
    async def work():
        pass

    def begin(loop):
        task = Starter(loop).start(work())
        assert task.done()
        assert task.result() is None
        return task

    assert await (await from_callback(begin)) is None


async def test_the_task_is_the_current_one_and_among_all_tasks(loop):
    seen = []

    async def work():
        seen.append(asyncio.current_task())
        assert asyncio.current_task() in asyncio.all_tasks()
        await asyncio.sleep(0)
        seen.append(asyncio.current_task())

    task = await from_callback(lambda loop: Starter(loop).start(work()))
    await task
    assert seen == [task, task]


async def test_the_loop_is_left_as_it_was(loop):
    running = asyncio.get_running_loop()

    async def work():
        pass

    await from_callback(lambda loop: Starter(loop).start(work()))
    assert 'call_soon' not in vars(running)


async def test_each_task_has_a_context_of_its_own(loop):
    seen = []

    async def work(value):
        seen.append(variable.get())
        variable.set(value)
        await asyncio.sleep(0)
        seen.append(variable.get())

    def begin(loop):
        tasks = [Starter(loop).start(work('a')), Starter(loop).start(work('b'))]
        assert variable.get() == 'unset'
        return tasks

    for task in await from_callback(begin):
        await task
    assert seen == ['unset', 'unset', 'a', 'b']


async def test_an_exception_of_the_first_step_stays_in_the_task(loop):
    async def work():
        raise ValueError('mine')

    task = await from_callback(lambda loop: Starter(loop).start(work()))
    with pytest.raises(ValueError, match='mine'):
        await task


async def test_what_the_first_step_schedules_runs_later(loop):
    order = []

    async def work():
        asyncio.get_running_loop().call_soon(order.append, 'scheduled')
        child = asyncio.ensure_future(mark())
        order.append('first step')
        await child

    async def mark():
        order.append('child')

    def begin(loop):
        task = Starter(loop).start(work())
        order.append('begun')
        return task

    await (await from_callback(begin))
    assert order == ['first step', 'begun', 'scheduled', 'child']


# Before, the step of a task refuses to run inside that of another; connections start tasks from callbacks only.
@pytest.mark.skipif(sys.version_info < (3, 12), reason='tasks do not nest before Python 3.12')
async def test_one_may_be_started_in_the_first_step_of_another(loop):
    order = []

    async def inner():
        order.append(asyncio.current_task().get_name())
        await asyncio.sleep(0)

    async def outer():
        task = asyncio.current_task()
        task.set_name('outer')
        children.append(Starter(asyncio.get_running_loop()).start(named('inner')))
        assert asyncio.current_task() is task
        order.append(asyncio.current_task().get_name())

    async def named(name):
        asyncio.current_task().set_name(name)
        await inner()

    children = []
    await (await from_callback(lambda loop: Starter(loop).start(outer())))
    await children[0]
    assert order == ['inner', 'outer']


async def test_it_can_be_cancelled(loop):
    cancelled = []

    async def work():
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    task = await from_callback(lambda loop: Starter(loop).start(work()))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled


async def test_anyio_scopes_and_groups_work_from_the_first_step_on(loop):
    order = []

    async def child(number):
        await anyio.sleep(0)
        order.append(number)

    async def work():
        with anyio.move_on_after(0.001) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        async with anyio.create_task_group() as group:
            group.start_soon(child, 1)
            group.start_soon(child, 2)
        with anyio.CancelScope() as scope:
            scope.cancel()
            await anyio.sleep(0)
        assert scope.cancelled_caught
        order.append(anyio.get_current_task().id == id(asyncio.current_task()))

    await (await from_callback(lambda loop: Starter(loop).start(work())))
    assert order == [1, 2, True]


async def test_anyio_cancels_a_group_when_one_of_it_fails(loop):
    cancelled = []

    async def waiting():
        try:
            await anyio.sleep_forever()
        finally:
            cancelled.append(True)

    async def failing():
        await anyio.sleep(0)
        raise ValueError

    async def work():
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(waiting)
                group.start_soon(failing)
        except BaseException as error:
            return type(error).__name__
        return None

    assert await (await from_callback(lambda loop: Starter(loop).start(work()))) == 'ExceptionGroup'
    assert cancelled


async def test_wait_for_works_from_the_first_step_on(loop):
    async def work():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.Event().wait(), 0.001)
        return 'went on'

    assert await (await from_callback(lambda loop: Starter(loop).start(work()))) == 'went on'


@pytest.mark.skipif(sys.version_info < (3, 11), reason='asyncio.timeout and TaskGroup came with 3.11')
async def test_timeout_and_task_group_work_from_the_first_step_on(loop):
    order = []

    async def child(number):
        await asyncio.sleep(0)
        order.append(number)

    async def work():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()
        async with asyncio.TaskGroup() as group:
            group.create_task(child(1))
            group.create_task(child(2))
        order.append(asyncio.current_task().cancelling())

    await (await from_callback(lambda loop: Starter(loop).start(work())))
    assert order == [1, 2, 0]


async def test_a_done_task_is_freed_with_its_last_reference(loop):
    async def work():
        pass

    task = await from_callback(lambda loop: Starter(loop).start(work()))
    reference = weakref.ref(task)
    # The step that woke us holds what it was woken with.
    await asyncio.sleep(0)
    gc.collect()
    gc.disable()
    try:
        del task
        assert reference() is None
    finally:
        gc.enable()
