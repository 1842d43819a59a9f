"""The applications of `apps.py` for RSGI (`apps_rsgi:app`), and two that only it has: a streamed body and a file."""

from __future__ import annotations

from answer_files import path_of
from apps import BODIES

TYPE = ('content-type', 'text/plain; charset=utf-8')
# What web frameworks use to read and send by.
PIECE_BYTES = 16 * 1024
HEADERS = {path: [TYPE, ('content-length', str(len(body)))] for path, body in BODIES.items()}
PIECES = {
    path: [body[at : at + PIECE_BYTES] for at in range(0, len(body), PIECE_BYTES)] for path, body in BODIES.items()
}
FILES = {path: path_of(path[1:], body) for path, body in BODIES.items()}
# The transport of each session of a broadcast.
everybody = set()


async def echo(protocol):
    """Take the body as it streams in, to its end, and answer it in one piece."""
    body = b''.join([piece async for piece in protocol])
    protocol.response_bytes(200, [TYPE, ('content-length', str(len(body)))], body)


async def stream(path, protocol):
    """Answer the fixed body of `path` in pieces of 16 KiB."""
    transport = protocol.response_stream(200, [TYPE])
    for piece in PIECES[path]:
        await transport.send_bytes(piece)


async def echo_messages(protocol):
    """Send every message back."""
    transport = await protocol.accept()
    while (message := await transport.receive()).kind:
        await transport.send_str(message.data)


async def broadcast(protocol):
    """Send every message to everybody who is here."""
    transport = await protocol.accept()
    everybody.add(transport)
    try:
        while (message := await transport.receive()).kind:
            for other in tuple(everybody):
                await other.send_str(message.data)
    finally:
        everybody.discard(transport)


async def app(scope, protocol):
    """RSGI: `/10b` … answer fixed bodies, `/stream/…` the same in pieces, `/file/…` from a file; any other echoes."""
    path = scope.path
    if scope.proto == 'ws':
        await (broadcast if path == '/broadcast' else echo_messages)(protocol)
    elif path in BODIES:
        protocol.response_bytes(200, HEADERS[path], BODIES[path])
    elif path.startswith('/stream'):
        await stream(path.removeprefix('/stream'), protocol)
    elif path.startswith('/file'):
        protocol.response_file(200, [TYPE], FILES[path.removeprefix('/file')])
    else:
        await echo(protocol)
