"""A chat in plain ASGI: what one page says, all of them hear."""

PAGE = b"""<!doctype html>
<title>Chat</title>
<form><input id="say" autofocus autocomplete="off"></form>
<ul id="heard"></ul>
<script>
const socket = new WebSocket(location.origin.replace('http', 'ws') + '/chat');
const note = (text) => {
  const item = document.createElement('li');
  item.textContent = text;
  document.getElementById('heard').prepend(item);
};
socket.onmessage = (event) => note(event.data);
socket.onclose = (event) => note('closed: ' + event.code + ' ' + event.reason);
document.querySelector('form').onsubmit = (event) => {
  event.preventDefault();
  const field = document.getElementById('say');
  socket.send(field.value);
  field.value = '';
};
</script>
"""

everybody = set()


async def app(scope, receive, send):
    if scope['type'] == 'http':
        await send({'type': 'http.response.start', 'status': 200, 'headers': [(b'content-type', b'text/html')]})
        await send({'type': 'http.response.body', 'body': PAGE})
    elif scope['type'] == 'websocket':
        await chat(receive, send)


async def chat(receive, send):
    await receive()
    await send({'type': 'websocket.accept'})
    everybody.add(send)
    try:
        while (message := await receive())['type'] == 'websocket.receive':
            for other in tuple(everybody):
                await tell(other, message.get('text', '(no text)'))
    finally:
        everybody.discard(send)


async def tell(send, text):
    try:
        await send({'type': 'websocket.send', 'text': text})
    except OSError:
        # That page is gone, and its own call will notice.
        everybody.discard(send)
