"""The floor of connections over TLS: OpenSSL between two buffers on uvloop, and a fixed answer to whatever is read first.

`floor_tls.py PORT --ssl-certificate FILE --ssl-keyfile FILE`. No server that leaves TLS to the same OpenSSL can cost less.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
from functools import partial

import uvloop

ANSWER = (
    b'HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 10\r\nconnection: close\r\n\r\n'
    b'0123456789'
)


class Floor(asyncio.Protocol):
    __slots__ = ('incoming', 'outgoing', 'shaken', 'tls', 'transport')

    def __init__(self, context):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.shaken = False

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.incoming.write(data)
        try:
            self.go_on()
        except ssl.SSLWantReadError:
            if not self.shaken:
                self.transport.write(self.outgoing.read())

    def go_on(self):
        """Raises SSLWantReadError."""
        if not self.shaken:
            self.tls.do_handshake()
            self.shaken = True
        self.tls.read(16384)
        self.tls.write(ANSWER)
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            self.transport.write(self.outgoing.read())
            self.transport.close()


def context(certificate, key):
    """As the server's own."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.minimum_version = ssl.TLSVersion.TLSv1_3
    made.num_tickets = 1
    made.load_cert_chain(certificate, key)
    return made


async def main(options):
    """Serve on 127.0.0.1 until somebody ends the process."""
    make = partial(Floor, context(options.ssl_certificate, options.ssl_keyfile))
    server = await asyncio.get_running_loop().create_server(make, '127.0.0.1', options.port, backlog=1024)
    await server.serve_forever()


if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('port', type=int)
    parser.add_argument('--ssl-certificate', required=True)
    parser.add_argument('--ssl-keyfile', required=True)
    uvloop.new_event_loop().run_until_complete(main(parser.parse_args()))
