// Much in one session, by the API that browsers have and Node's package ws, too: `volume(new WebSocket(…), BYTES)` promises what was seen.
'use strict';
const SIZES = [100, 1000, 16384, 70000, 1 << 20];
const IN_FLIGHT = 4;

function volume(socket, bytes) {
  let lines = '';
  for (let count = 0; lines.length < (1 << 20) + 1000; count++) lines += `{"größe": ${count * 7919}, "name": "zeile ${count}"}\n`;
  const noise = new Uint8Array((1 << 20) + 1000);
  for (let at = 0, state = 1; at < noise.length; at++) noise[at] = (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) >>> 24;
  // The message of that number: of each size text that compresses, then noise that does not.
  const message = (number) => {
    const size = SIZES[(number >> 1) % SIZES.length], from = number % 1000;
    return number % 2 ? noise.subarray(from, from + size) : lines.slice(from, from + size);
  };
  const equal = (data, wanted) => typeof wanted === 'string' ? data === wanted
    : data.byteLength === wanted.length && new Uint8Array(data).every((byte, at) => byte === wanted[at]);
  let sent = 0, on_their_way = 0, messages = 0, received = 0, wrong = 0;
  const send = () => {
    while (sent - messages < IN_FLIGHT && on_their_way < bytes) {
      const data = message(sent++);
      on_their_way += data.length;
      socket.send(data);
    }
  };
  return new Promise((resolve) => {
    socket.binaryType = 'arraybuffer';
    socket.onopen = send;
    socket.onmessage = ({ data }) => {
      if (!equal(data, message(messages++))) wrong++;
      received += typeof data === 'string' ? data.length : data.byteLength;
      if (received >= bytes) socket.close(1000);
      else send();
    };
    socket.onclose = ({ code }) => resolve({ messages, size: received, wrong, compressed: socket.extensions !== '', code });
  });
}

if (typeof module !== 'undefined') module.exports = volume;
