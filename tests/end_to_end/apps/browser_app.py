"""Pages whose scripts hold a session, and what they have to report of that."""

from pathlib import Path

PAGE = b"""<!doctype html><script>
const got = [];
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/echo', ['one', 'two']);
socket.binaryType = 'arraybuffer';
const report = (what) => fetch('/report', {method: 'POST', body: JSON.stringify(what)});
socket.onopen = () => {
  for (const data of ['text', 'x'.repeat(100000), new Uint8Array(70000).fill(7)]) socket.send(data);
};
socket.onmessage = (event) => {
  got.push(typeof event.data === 'string' ? event.data.length : event.data.byteLength);
  if (got.length === 4) socket.close(4000, 'done');
};
socket.onclose = (event) => report({got, code: event.code, protocol: socket.protocol, extensions: socket.extensions});
</script>"""

VOLUME = b"""<!doctype html><script>%s
volume(new WebSocket(location.origin.replace('http', 'ws') + '/echo', ['two']), Number(location.search.slice(1)))
  .then((what) => fetch('/report', {method: 'POST', body: JSON.stringify(what)}));
</script>""" % (Path(__file__).parent / 'volume.js').read_bytes()

reports = []


async def app(scope, receive, send):
    if scope['type'] == 'websocket':
        await echo(scope, receive, send)
        return
    body = VOLUME if scope['path'] == '/volume' else PAGE
    if scope['path'] == '/report':
        body, more = b'', True
        while more:
            message = await receive()
            body += message.get('body', b'')
            more = message.get('more_body', False)
        reports.append(body)
    elif scope['path'] == '/reports':
        body = b'\n'.join(reports)
    await send(
        {'type': 'http.response.start', 'status': 200, 'headers': [(b'content-type', b'text/html; charset=utf-8')]}
    )
    await send({'type': 'http.response.body', 'body': body})


async def echo(scope, receive, send):
    await receive()
    await send({'type': 'websocket.accept', 'subprotocol': 'two'})
    while (message := await receive())['type'] == 'websocket.receive':
        await send({**message, 'type': 'websocket.send'})
        if message.get('text') == 'text':
            # Its length says which: 3 or 1.
            await send({'type': 'websocket.send', 'text': scope['http_version']})
