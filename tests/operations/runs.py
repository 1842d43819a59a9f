"""What is done to a server under load. Each run gives the clients' tally, and raises AssertionError for an outcome that is wrong."""

from __future__ import annotations

import asyncio
import random
import time
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


async def reloads(folder: Path, count: int, loop: str = 'auto', *, programs: bool = False) -> Tally:
    with Project(folder, loop=loop) as project:
        async with Load(project.http_port, project.https_port, programs=programs) as load:
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
        assert await get(project.http_port) == version
        assert await project.extra_port_answers() == project.has_extra
    project.write_config()


async def upgrades(folder: Path, count: int, loop: str = 'auto', *, programs: bool = False) -> Tally:
    with Project(folder, loop=loop) as project:
        async with Load(project.http_port, project.https_port, programs=programs) as load:
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
    assert await get(project.http_port) == version
    await until(lambda: _gone(before))


async def _gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def replacements(folder: Path, count: int, loop: str = 'auto', *, programs: bool = False) -> Tally:
    """By requests served, and by memory; a lifetime is a minute at least (`ages`), and a stall loses what it holds (`stalls`)."""
    settings = {
        'workers_max_requests': '3000',
        'workers_max_rss': '"150MiB"',
        'rss_sample_interval': '1',
        'respawn_interval': '0.2',
    }
    with Project(folder, loop=loop, **settings) as project:
        async with Load(project.http_port, project.https_port, programs=programs) as load:
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
    """Workers that hang: the connections they have accepted are lost, and nothing else."""
    settings = {'workers_stall_timeout': '1', 'workers_kill_timeout': '2', 'graceful_timeout': '1'}
    with Project(folder, loop=loop, **settings) as project:
        async with Load(project.http_port, project.https_port) as load:
            for number in range(1, count + 1):
                await load.reached(BETWEEN)
                before = set(await _pids(project))
                hanging = asyncio.create_task(get(project.http_port, '/stall'))
                found = await _line(project, r'The loop of (worker-\d+) has not turned', number)
                # Its loop accepts nothing from here on, and neither closes anything.
                load.tally.doomed |= client_ports(project.pid_of(found.group(1)))
                await until(lambda before=before: _replaced_one(project, before))
                await _line(project, r'main\.py", line \d+ in app', number)
                # Which its death ends.
                await asyncio.wait({hanging}, timeout=20)
                assert hanging.exception() is not None or hanging.result() == ''
            await load.reached(BETWEEN)
    return load.tally


async def _line(project: Project, pattern: str, count: int):
    return await asyncio.get_running_loop().run_in_executor(None, lambda: project.server.wait_for(pattern, count=count))


def client_ports(pid: int) -> set[int]:
    """Of the connections which that process has accepted."""
    found = psutil.Process(pid).net_connections(kind='tcp')
    return {each.raddr.port for each in found if each.raddr}


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
    """A random worker is killed every second; the connections it has accepted are lost, and nothing else."""
    with Project(folder, loop=loop, respawn_failed_workers='true') as project:
        async with Load(project.http_port, project.https_port) as load:
            for _ in range(seconds):
                await asyncio.sleep(1)
                pids = await _pids(project)
                if pids:
                    load.tally.doomed |= _killed(random.choice(pids))
            await load.reached(BETWEEN)
    return load.tally


def _killed(pid: int) -> set[int]:
    """The clients' ports of what it held."""
    process = psutil.Process(pid)
    # So that it accepts nothing more between the look and the end.
    process.suspend()
    while process.status() != psutil.STATUS_STOPPED:
        time.sleep(0.001)
    ports = client_ports(pid)
    process.kill()
    return ports
