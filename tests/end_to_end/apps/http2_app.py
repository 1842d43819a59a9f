"""What HTTP/2's clients ask for: a page with many images, bodies of any size, an echo, what the server saw."""

from __future__ import annotations

import asyncio
import json
import struct
import zlib

IMAGES = 200


def png(number):
    """An image of one pixel, another for each number."""

    def chunk(kind, data):
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    pixel = zlib.compress(bytes([0, number % 256, number // 256, 0]))
    head = struct.pack('>IIBBBBB', 1, 1, 8, 2, 0, 0, 0)
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', pixel) + chunk(b'IEND', b'')


PAGE = f"""<!doctype html><title>loading</title><body>
<script>
let loaded = 0, failed = 0;
function settle(ok) {{
  ok ? loaded++ : failed++;
  if (loaded + failed === {IMAGES}) {{
    const kinds = new Set(performance.getEntriesByType('resource').map(e => e.nextHopProtocol));
    document.title = loaded + ' loaded, ' + failed + ' failed, ' + [...kinds].join('+');
  }}
}}
</script>
{''.join(f'<img src="/image/{n}" onload="settle(true)" onerror="settle(false)">' for n in range(IMAGES))}
""".encode()


async def app(scope, receive, send):
    if scope['type'] == 'lifespan':
        for kind in ('startup', 'shutdown'):
            await receive()
            await send({'type': f'lifespan.{kind}.complete'})
        return
    path, body, kind = scope['path'], b'', b'text/plain'
    if path == '/':
        body, kind = PAGE, b'text/html'
    elif path.startswith('/image/'):
        body, kind = png(int(path.removeprefix('/image/'))), b'image/png'
    elif path.startswith('/late/'):
        await asyncio.sleep(0.05)
        body = bytes(int(path.removeprefix('/late/')))
    elif path.startswith('/bytes/'):
        body = bytes(int(path.removeprefix('/bytes/')))
    elif path == '/seen':
        headers = [[name.decode(), value.decode()] for name, value in scope['headers']]
        seen = [scope['http_version'], scope['scheme'], scope['client'], headers]
        body = json.dumps(seen).encode()
    else:
        pieces = []
        while True:
            message = await receive()
            if message['type'] == 'http.disconnect':
                return
            pieces.append(message['body'])
            if not message['more_body']:
                break
        body = b''.join(pieces)
    await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-type', kind)]})
    await send({'type': 'http.response.body', 'body': body})
