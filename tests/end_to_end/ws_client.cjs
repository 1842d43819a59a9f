// Sessions of the npm package ws: `node ws_client.cjs FOLDER SCENARIO URL`, FOLDER having the package. Prints what it saw as JSON.
'use strict';
const [folder, scenario, url, ...more] = process.argv.slice(2);
const WebSocket = require(require('path').join(folder, 'ws'));
const report = (what) => { console.log(JSON.stringify(what)); };
const open = (path, options = {}, protocols = []) => new WebSocket(url + path, protocols, { perMessageDeflate: false, ...options });
const once = (socket, event) => new Promise((resolve) => { socket.once(event, (...seen) => resolve(seen)); });
const text = async (socket) => String((await once(socket, 'message'))[0]);
const end = async (socket) => { const [code, reason] = await once(socket, 'close'); return [code, String(reason)]; };

const scenarios = {
  // Three in a room: what one says all hear.
  async chat() {
    const peers = ['ann', 'bob', 'eve'].map((name) => open(`/chat?name=${name}`, {}, ['chat']));
    await Promise.all(peers.map((peer) => once(peer, 'open')));
    const heard = [];
    for (const peer of peers) {
      const all = Promise.all(peers.map(text));
      peer.send('größer');
      heard.push(await all);
    }
    const ends = Promise.all(peers.map(end));
    peers.forEach((peer) => peer.close(4001, 'bye'));
    report({ protocols: peers.map((peer) => peer.protocol), heard, ends: await ends });
  },

  // Of each size and kind, whole and in pieces, a few on their way at once.
  async echo(perMessageDeflate, rounds) {
    const peer = open('/echo', { perMessageDeflate, maxPayload: 0 });
    await once(peer, 'open');
    const sent = ['', 'größer ✓', 'x'.repeat(125), 'x'.repeat(126), 'y'.repeat(65535), 'z'.repeat(65536), Buffer.alloc(0), Buffer.alloc(70000, 7)];
    const random = require('crypto').randomBytes(1 << 20);
    for (let count = 0; count < rounds; count++) sent.push(random.subarray(count), random.toString('base64'));
    let equal = 0, bytes = 0;
    const done = new Promise((resolve) => {
      peer.on('message', (data, isBinary) => {
        const wanted = sent[equal];
        if ((typeof wanted === 'string') === isBinary || !Buffer.from(wanted).equals(data)) { report({ differs: equal }); process.exit(1); }
        bytes += data.length;
        if (++equal === sent.length) resolve();
      });
    });
    sent.forEach((data) => peer.send(data));
    await done;
    peer.removeAllListeners('message');
    peer.send('one ', { fin: false });
    peer.send('and two', { fin: true });
    const pieces = await text(peer);
    const ended = end(peer);
    peer.close(1000);
    report({ extensions: peer.extensions, equal, bytes, pieces, end: await ended });
  },
  plain() { return scenarios.echo(false, 44); },
  compressed() { return scenarios.echo({ threshold: 0 }, 6); },

  // Gone without a close frame, in the middle of a message.
  async lost() {
    const peer = open('/echo');
    await once(peer, 'open');
    peer.send('half', { fin: false }, () => peer.terminate());
    report({ end: await end(peer) });
  },

  // It answers no ping: the server is to find out and cut; one that answers goes on.
  async half_open() {
    const [dead, alive] = [open('/echo', { autoPong: false }), open('/echo')];
    await Promise.all([once(dead, 'open'), once(alive, 'open')]);
    const [ended] = await Promise.all([end(dead), once(alive, 'ping')]);
    alive.send('still here');
    const said = await text(alive);
    alive.close(1000);
    report({ dead: ended, alive: said });
  },

  // Its own sign of life is answered.
  async ping() {
    const peer = open('/echo');
    await once(peer, 'open');
    peer.ping('are you there');
    const [data] = await once(peer, 'pong');
    const ended = end(peer);
    peer.close();
    report({ pong: String(data), end: await ended });
  },

  // As many bytes as are wanted, compressed where the server does.
  async volume(bytes = Number(more[0])) {
    const volume = require(require('path').join(__dirname, 'apps', 'volume.js'));
    report(await volume(open('/echo', { perMessageDeflate: { threshold: 0 }, maxPayload: 0 }, ['two']), bytes));
  },

  async denied() {
    const peer = open('/denied');
    const [, response] = await once(peer, 'unexpected-response');
    response.setEncoding('utf8');
    let body = '';
    for await (const piece of response) body += piece;
    peer.once('error', () => {});
    peer.terminate();
    report({ status: response.statusCode, body });
  },
};

scenarios[scenario]();
