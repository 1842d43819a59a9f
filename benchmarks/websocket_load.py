"""Drive WebSocket sessions, and print what came of it: `websocket_load.py KIND PORT BYTES CONNECTIONS IN_FLIGHT SECONDS`.

KIND echo: every session keeps IN_FLIGHT messages on their way. KIND broadcast: one session sends, each gets, then the next. KIND
idle: sessions are opened and rest, until standard input ends. Frames are masked once, before the clock runs; what comes back is
compared once, and then only counted: so this costs a fraction of any server.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from base64 import b64encode

BUFFER_BYTES = 1024 * 1024
TIMEOUT_S = 20.0


def masked_frame(payload: bytes) -> bytes:
    """A text message in one frame, as a client sends it."""
    mask = os.urandom(4)
    size = len(payload)
    if size < 126:
        head = bytes((0x81, 0x80 | size))
    elif size < 65536:
        head = b'\x81\xfe' + size.to_bytes(2, 'big')
    else:
        head = b'\x81\xff' + size.to_bytes(8, 'big')
    whole = int.from_bytes(payload, 'big') ^ int.from_bytes((mask * (size // 4 + 1))[:size], 'big')
    return head + mask + whole.to_bytes(size, 'big')


def answer_frame(payload: bytes) -> bytes:
    """The same message, as a server sends it."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    return (b'\x81\x7e' + size.to_bytes(2, 'big') if size < 65536 else b'\x81\x7f' + size.to_bytes(8, 'big')) + payload


def opened(port: int, path: str) -> socket.socket:
    """A session that was accepted."""
    connection = socket.create_connection(('127.0.0.1', port), timeout=TIMEOUT_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = b64encode(os.urandom(16)).decode()
    connection.sendall(
        f'GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
        f'Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n'.encode()
    )
    answer = b''
    while not answer.endswith(b'\r\n\r\n'):
        data = connection.recv(1)
        if not data:
            raise SystemExit(f'the opening was answered by {answer!r}')
        answer += data
    if not answer.startswith(b'HTTP/1.1 101'):
        raise SystemExit(f'the opening was answered by {answer!r}')
    return connection


def receive_exactly(connection: socket.socket, count: int) -> bytes:
    data = b''
    while len(data) < count:
        piece = connection.recv(count - len(data))
        if not piece:
            raise SystemExit('a session ended early')
        data += piece
    return data


class Load:
    """Sessions that were proved to answer rightly, and the frames for them."""

    def __init__(self, kind: str, port: int, size: int, connections: int, in_flight: int) -> None:
        payload = b'x' * size
        self.answer = answer_frame(payload)
        self.in_flight = in_flight
        self.blocks = [masked_frame(payload) * count for count in range(in_flight + 1)]
        self.sessions = [opened(port, f'/{kind}') for _ in range(connections)]
        for sender in self.sessions if kind == 'echo' else self.sessions[:1]:
            sender.sendall(self.blocks[1])
            for receiver in [sender] if kind == 'echo' else self.sessions:
                if receive_exactly(receiver, len(self.answer)) != self.answer:
                    raise SystemExit('what came back is not what was sent')

    def echo(self, seconds: float) -> int:
        """Messages echoed in that time."""
        poller = select.epoll()
        by_number = {session.fileno(): session for session in self.sessions}
        for number in by_number:
            poller.register(number, select.EPOLLIN)
        rests = dict.fromkeys(by_number, 0)
        size, blocks, buffer = len(self.answer), self.blocks, bytearray(BUFFER_BYTES)
        for session in self.sessions:
            session.sendall(blocks[self.in_flight])
        total, deadline = 0, time.monotonic() + seconds
        while time.monotonic() < deadline:
            for number, _ in poller.poll(TIMEOUT_S):
                session = by_number[number]
                received = session.recv_into(buffer)
                if not received:
                    raise SystemExit('a session ended early')
                count, rests[number] = divmod(rests[number] + received, size)
                if count:
                    total += count
                    session.sendall(blocks[count])
        return total

    def broadcast(self, seconds: float) -> int:
        """Messages received in that time, by all sessions together."""
        poller = select.epoll()
        by_number = {session.fileno(): session for session in self.sessions}
        for number in by_number:
            poller.register(number, select.EPOLLIN)
        buffer, each = bytearray(BUFFER_BYTES), len(self.sessions) * len(self.answer)
        rounds, deadline = 0, time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.sessions[0].sendall(self.blocks[1])
            left = each
            while left:
                for number, _ in poller.poll(TIMEOUT_S):
                    received = by_number[number].recv_into(buffer)
                    if not received:
                        raise SystemExit('a session ended early')
                    left -= received
            rounds += 1
        return rounds * len(self.sessions)


def main() -> None:
    kind = sys.argv[1]
    port, size, connections, in_flight, seconds = map(int, sys.argv[2:])
    if kind == 'idle':
        sessions = [opened(port, '/echo') for _ in range(connections)]
        print(json.dumps({'sessions': len(sessions)}), flush=True)
        sys.stdin.read()
        return
    load = Load(kind, port, size, connections, in_flight)
    print(json.dumps({'sessions': connections}), flush=True)
    sys.stdin.readline()
    started, used_s = time.monotonic(), time.process_time()
    messages = (load.echo if kind == 'echo' else load.broadcast)(seconds)
    duration_s = time.monotonic() - started
    figures = {'messages': messages, 'duration_s': duration_s, 'client_s': time.process_time() - used_s}
    print(json.dumps(figures), flush=True)


if __name__ == '__main__':
    main()
