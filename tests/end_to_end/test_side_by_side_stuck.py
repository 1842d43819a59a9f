"""WSGI threads that do not come back, beside applications that go on and a server that has to end."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time

import httpx
import pytest

from tests.helpers.side_by_side import LOOP_HOST, browser, log_in, prepare, serving


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    data = tmp_path_factory.mktemp('library')
    prepare(data)
    return data


@contextlib.contextmanager
def stuck_requests(server, count):
    """Clients that wait for an answer that never comes."""

    def ask():
        with browser(server) as client, contextlib.suppress(httpx.HTTPError):
            answers.append(client.get('/stuck/'))

    answers = []
    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    server.wait_for('^stuck$', count=2)
    yield answers
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture
def pipe(tmp_path):
    path = tmp_path / 'pipe'
    os.mkfifo(path)
    # Open for both, it waits for no reader and keeps what was written until there is one.
    with os.fdopen(os.open(path, os.O_RDWR), 'w') as file:
        yield file, path


@pytest.mark.parametrize('engine', ['fast', 'h11'])
def test_stuck_threads_stop_neither_the_others_nor_a_graceful_stop(engine, prepared, tmp_path, pipe):
    file, pipe_path = pipe
    with serving(prepared, tmp_path, engine, graceful_timeout='2s') as server, stuck_requests(server, 4) as answers:
        with browser(server) as client, browser(server, LOOP_HOST) as on_loop:
            for _ in range(20):
                for path in ('/library/', '/notes/login', '/api/', '/library/static/admin/css/base.css'):
                    assert client.get(path).status_code == 200
                assert on_loop.get('/library/').status_code == 200
            assert 'Site administration' in log_in(client).text
            with client.stream('GET', '/notes/until', params={'pipe': str(pipe_path)}) as reply:
                lines = reply.iter_lines()
                assert next(lines) == 'begun'
                stopped_at = time.monotonic()
                server.send_signal(signal.SIGTERM)
                server.wait_for('Shutting down granian')
                print('to the end', file=file, flush=True)
                assert list(lines) == ['to the end']
        assert server.wait_ended() == 0
        # The graceful timeout, a second for the threads, and a margin.
        assert time.monotonic() - stopped_at < 8
        assert server.log.count('does not come back') == 2, server.log
    assert not answers or {answer.status_code for answer in answers} == {503}
