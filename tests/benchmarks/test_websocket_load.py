"""The WebSocket client of the benchmarks sends what RFC 6455 says, and counts what comes back."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks import websocket_load
from benchmarks.rows import ROWS
from granian.protocol.websocket.fast import WebSocketFast
from tests.helpers.server import running_server
from tests.helpers.websocket_engines import TEXT, Frame, Session, limits, read_frames


@pytest.mark.parametrize('size', [0, 64, 125, 126, 1024, 65535, 65536])
def test_frames(size):
    session = Session(WebSocketFast, limits(frame_bytes_max=70_000))
    session.feed(websocket_load.masked_frame(b'x' * size))
    assert session.messages == ['x' * size]
    assert read_frames(websocket_load.answer_frame(b'x' * size)) == [Frame(TEXT, b'x' * size)]


@pytest.mark.parametrize('interface', ['asgi', 'rsgi'])
def test_every_size_and_kind_has_its_row(interface):
    rows = {row.name: row for row in ROWS}
    for size in (64, 1024, 16384):
        name = {64: '64b', 1024: '1k', 16384: '16k'}[size]
        for in_flight in (1, 16):
            row = rows[f'ws-{interface}-echo-{name}-{in_flight}']
            assert (row.message_bytes, row.in_flight, row.connections) == (size, in_flight, 32)
    assert [rows[f'ws-{interface}-broadcast-{count}'].connections for count in (8, 16, 32)] == [8, 16, 32]
    assert rows[f'ws-{interface}-idle-10000'].connections == 10_000


@pytest.mark.parametrize('interface', ['asgi', 'rsgi'])
@pytest.mark.parametrize('kind', ['echo', 'broadcast'])
def test_messages_come_back_and_are_counted(interface, kind):
    module = 'apps' if interface == 'asgi' else 'apps_rsgi'
    folder = websocket_load.__file__.rpartition('/')[0]
    with running_server('--interface', interface, f'{module}:app', cwd=folder) as server:
        command = [sys.executable, websocket_load.__file__, kind, str(server.port), '200', '3', '2', '1']
        done = subprocess.run(command, input='\n', capture_output=True, text=True, check=True, timeout=60)
    opened, figures = map(json.loads, done.stdout.splitlines())
    assert opened == {'sessions': 3}
    assert figures['messages'] > 0
    assert figures['messages'] % (3 if kind == 'broadcast' else 1) == 0
