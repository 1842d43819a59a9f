"""A client that makes connections: `handshakes.py HOST PORT SECONDS full|resumed|clear`. Each is for one request.

Prints how many there were, and how many errors: the server's CPU time is what is measured, not this client's.
"""

from __future__ import annotations

import json
import socket
import ssl
import sys
import threading
import time

CLIENTS = 4
REQUEST = b'GET /10b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n'


def context() -> ssl.SSLContext:
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname, made.verify_mode = False, ssl.CERT_NONE
    return made


def connect(made: ssl.SSLContext, address: tuple[str, int], session: ssl.SSLSession | None) -> ssl.SSLSession | None:
    """One connection and one request; the session to come back with."""
    with socket.create_connection(address, timeout=5) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with made.wrap_socket(plain, server_hostname='localhost', session=session) as encrypted:
            if session is not None and not encrypted.session_reused:
                raise OSError('the session was not resumed')
            ask(encrypted)
            return encrypted.session


def connect_in_clear(address: tuple[str, int]) -> None:
    """The same without TLS."""
    with socket.create_connection(address, timeout=5) as plain:
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ask(plain)


def ask(connection: socket.socket) -> None:
    """One request; the server ends the connection after its answer."""
    connection.sendall(REQUEST)
    answer = b''
    while data := connection.recv(4096):
        answer += data
    if not answer.startswith(b'HTTP/1.1 200') or not answer.endswith(b'0123456789'):
        raise OSError(f'answered with {answer!r}')


def drive(address: tuple[str, int], until: float, counts: dict[str, int], kind: str) -> None:
    made = context()
    session = connect(made, address, None) if kind == 'resumed' else None
    while time.monotonic() < until:
        try:
            if kind == 'clear':
                connect_in_clear(address)
            else:
                found = connect(made, address, session)
                session = found if kind == 'resumed' else None
            counts['requests'] += 1
        except OSError as error:
            counts['errors'] += 1
            print(error, file=sys.stderr)


def main(host: str, port: str, seconds: str, kind: str) -> None:
    until = time.monotonic() + float(seconds)
    counts = [{'requests': 0, 'errors': 0} for _ in range(CLIENTS)]
    threads = [threading.Thread(target=drive, args=((host, int(port)), until, each, kind)) for each in counts]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = {name: sum(each[name] for each in counts) for name in ('requests', 'errors')}
    print(json.dumps({**total, 'duration_s': time.monotonic() - started}))


if __name__ == '__main__':
    main(*sys.argv[1:])
