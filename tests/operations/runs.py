"""What is done to a server under load. Each run gives the clients' tally, and raises AssertionError for an outcome that is wrong."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from typing import TYPE_CHECKING

import psutil

from tests.operations.clients import Load, Tally
from tests.operations.project import FAILING, FAULTY, Project, get, until

if TYPE_CHECKING:
    from pathlib import Path

# Between two operations so many requests are answered, so that each finds clients at work.
BETWEEN = 200


def kinds_of(count: int) -> list[str]:
    """A fifth with a faulty file, a tenth each with a failing application, another port, another certificate."""
    kinds = ['faulty'] * (count // 5) + ['failing', 'port', 'certificate'] * (count // 10)
    kinds += ['plain'] * (count - len(kinds))
    random.Random(6).shuffle(kinds)
    return kinds


async def reloads(folder: Path, count: int, loop: str = 'auto') -> Tally:
    with Project(folder, loop=loop) as project:
        async with Load(project.http_port, project.https_port) as load:
            for number, kind in enumerate(kinds_of(count), 2):
                await load.reached(BETWEEN)
                await _reload(project, kind, str(number))
            await load.reached(BETWEEN)
    return load.tally


async def _reload(project: Project, kind: str, version: str) -> None:
    before = await get(project.http_port)
    project.write_app(version)
    if kind == 'faulty':
        project.write_config(random.choice(FAULTY))
    elif kind == 'failing':
        (project.folder / 'main.py').write_text(random.choice(FAILING))
    elif kind == 'port':
        project.has_extra = not project.has_extra
        project.write_config()
    elif kind == 'certificate':
        project.change_certificate()
    status, message = await project.do('reload')
    if kind in {'faulty', 'failing'}:
        assert status == (2 if kind == 'faulty' else 1), (kind, status, message)
        assert await get(project.http_port) == before
    else:
        assert status == 0, (kind, message)
        await until(lambda: _answers(project, version))
        assert await project.extra_port_answers() == project.has_extra
    project.write_config()


async def _answers(project: Project, version: str) -> bool:
    return await get(project.http_port) == version


async def upgrades(folder: Path, count: int, loop: str = 'auto') -> Tally:
    with Project(folder, loop=loop) as project:
        async with Load(project.http_port, project.https_port) as load:
            for number in range(2, count + 2):
                await load.reached(BETWEEN)
                await _upgrade(project, str(number))
            (project.folder / 'main.py').write_text(FAILING[0])
            before = project.supervisor_pid
            assert (await project.do('upgrade'))[0] == 1
            assert project.supervisor_pid == before
            await load.reached(BETWEEN)
    return load.tally


async def _upgrade(project: Project, version: str) -> None:
    before = project.supervisor_pid
    project.write_app(version)
    status, message = await project.do('upgrade')
    assert status == 0, message
    assert project.supervisor_pid != before
    await until(lambda: _answers(project, version))
    await until(lambda: _gone(before))


async def _gone(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


async def replacements(folder: Path, count: int, loop: str = 'auto') -> Tally:
    """By requests served, and by memory; a lifetime is a minute at least (`ages`), and a stall loses what it holds (`stalls`)."""
    settings = {
        'workers_max_requests': '3000',
        'workers_max_rss': '"150MiB"',
        'rss_sample_interval': '1',
        'respawn_interval': '0.2',
    }
    with Project(folder, loop=loop, **settings) as project:
        async with Load(project.http_port, project.https_port) as load:
            for number in range(count):
                await load.reached(BETWEEN)
                done = _replaced(project)
                if number % 2:
                    await get(project.http_port, '/hoard')
                await until(lambda done=done: _more(project, done), 120)
    return load.tally


def _replaced(project: Project) -> int:
    return len([line for line in project.server.lines if 'Replacing worker' in line])


async def _more(project: Project, done: int) -> bool:
    return _replaced(project) > done


async def stalls(folder: Path, count: int, loop: str = 'auto') -> Tally:
    """Workers that hang: what they hold is lost, and nothing else."""
    settings = {'workers_stall_timeout': '1', 'workers_kill_timeout': '2', 'graceful_timeout': '1'}
    with Project(folder, loop=loop, **settings) as project:
        async with Load(project.http_port, project.https_port) as load:
            for number in range(1, count + 1):
                await load.reached(BETWEEN)
                before = set(await _pids(project))
                hanging = asyncio.create_task(get(project.http_port, '/stall'))
                await until(lambda before=before: _replaced_one(project, before))
                project.server.wait_for(r'main\.py", line \d+ in app', count=number)
                # Which its death ends.
                await asyncio.wait({hanging}, timeout=20)
                assert hanging.exception() is not None or hanging.result() == ''
    return load.tally


async def ages(folder: Path, count: int, loop: str = 'auto') -> Tally:
    """The shortest lifetime there is: a minute for each."""
    with Project(folder, loop=loop, workers_lifetime='60') as project:
        async with Load(project.http_port, project.https_port) as load:
            await until(lambda: _more(project, count - 1), 60 * (count + 1))
            await load.reached(BETWEEN)
    return load.tally


async def _pids(project: Project) -> list[int]:
    return await asyncio.get_running_loop().run_in_executor(None, project.worker_pids)


async def _replaced_one(project: Project, before: set[int]) -> bool:
    now = set(await _pids(project))
    return len(now) == len(before) and now != before


async def kills(folder: Path, seconds: int, loop: str = 'auto') -> Tally:
    """A random worker is killed every second; only what it holds may fail."""
    with Project(folder, loop=loop, respawn_failed_workers='true') as project:
        async with Load(project.http_port, project.https_port) as load:
            for _ in range(seconds):
                await asyncio.sleep(1)
                pids = await _pids(project)
                if pids:
                    os.kill(random.choice(pids), signal.SIGKILL)
            await load.reached(BETWEEN)
    return load.tally


async def growth(folder: Path, count: int, loop: str = 'auto') -> list[tuple[int, int, int, int, float]]:
    """Reloads one after the other: (reloads, descriptors, processes, threads, memory in MiB) of the supervisor, now and then."""
    found = []
    with Project(folder, loop=loop) as project:
        async with Load(project.http_port, pause_s=0.05):
            for number in range(count + 1):
                if number:
                    status, message = await project.do('reload')
                    assert status == 0, message
                if number % max(1, count // 20) == 0:
                    await until(lambda: _calm(project))
                    found.append((number, *await _figures(project)))
    return found


async def _calm(project: Project) -> bool:
    return len(psutil.Process(project.supervisor_pid).children()) == 2


async def _figures(project: Project) -> tuple[int, int, int, float]:
    process = psutil.Process(project.supervisor_pid)
    # The least of some moments: what ends just now is no growth.
    descriptors = []
    for _ in range(5):
        descriptors.append(process.num_fds())
        await asyncio.sleep(0.05)
    family = [process, *process.children(recursive=True)]
    memory = process.memory_info().rss / 1024**2
    return min(descriptors), len(family), sum(each.num_threads() for each in family), round(memory, 1)
