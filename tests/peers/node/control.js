// A client and a server over grpc-js that do what a script says.
//
//     node control.js server PORT OPTIONS      OPTIONS: {"max_concurrent_streams": 1}
//     node control.js client AUTHORITY         a case a line on standard input, its outcome a line on output
//
// The scripts are described in tests/peers/README.md, "What the control does, the mesh does". Modules
// are found by NODE_PATH.
'use strict';

const readline = require('readline');
const grpc = require('@grpc/grpc-js');

const SCRIPT = 'script-bin';
const METHOD = '/control.Echo/Do';
// Octets of a message that is shown by its length only.
const LONG = 200;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// google.protobuf.BytesValue: one field, of octets.

function serialize(octets) {
  if (octets.length === 0) return Buffer.alloc(0);
  const head = [0x0a];
  let length = octets.length;
  for (; length > 127; length = Math.floor(length / 128)) head.push((length % 128) | 128);
  return Buffer.concat([Buffer.from([...head, length]), octets]);
}

function deserialize(message) {
  let at = 1;
  while (at < message.length && message[at] > 127) at += 1;
  return message.subarray(at + 1);
}

const definition = (isStream) => ({
  path: METHOD,
  requestStream: isStream,
  responseStream: isStream,
  requestSerialize: serialize,
  requestDeserialize: deserialize,
  responseSerialize: serialize,
  responseDeserialize: deserialize,
});

// Metadata of a script's; values of binary fields are in hexadecimal there.
function metadataOf(fields) {
  const metadata = new grpc.Metadata();
  for (const [name, value] of fields) {
    metadata.add(name, name.endsWith('-bin') ? Buffer.from(value, 'hex') : value);
  }
  return metadata;
}

// The other way, of the fields with these prefixes: names sorted, values in their order.
function told(metadata, prefixes) {
  const names = Object.keys(metadata?.getMap() ?? {}).filter((name) => prefixes.some((prefix) => name.startsWith(prefix)));
  const shownValue = (name, value) => [name, name.endsWith('-bin') ? value.toString('hex') : value];
  return names.sort().flatMap((name) => metadata.get(name).map((value) => shownValue(name, value)));
}

const messageOf = (send) => (send.octets ? Buffer.alloc(send.octets) : Buffer.from(send.text ?? ''));

const shown = (octets) =>
  octets.length >= LONG || octets.includes(0) ? `${octets.length} octets` : octets.toString();

// A stream whose messages are read when they are asked for, and whose writes wait for their turn.
class Messages {
  constructor(stream) {
    this.stream = stream;
    this.over = new Promise((resolve) => {
      for (const event of ['end', 'close', 'error', 'cancelled']) stream.on(event, resolve);
    });
    this.over.then(() => (this.isOver = true));
  }

  // The next message, or null at the end.
  async read() {
    for (;;) {
      const message = this.stream.read();
      if (message !== null) return message;
      if (this.isOver || this.stream.readableEnded) return null;
      await Promise.race([this.over, new Promise((resolve) => this.stream.once('readable', resolve))]);
    }
  }

  async write(message) {
    if (!this.stream.write(message)) {
      await Promise.race([this.gone, new Promise((resolve) => this.stream.once('drain', resolve))]);
    }
  }
}

// The server.

async function answer(call) {
  const messages = new Messages(call);
  messages.gone = new Promise((resolve) => call.on('cancelled', resolve));
  let trailing = new grpc.Metadata();
  for (const step of JSON.parse(call.metadata.get(SCRIPT)[0].toString())) {
    const [[verb, what]] = Object.entries(step);
    if (verb === 'trailing') {
      trailing = metadataOf(what);
    } else if (verb === 'status') {
      call.emit('error', { code: what.code, details: what.message, metadata: trailing });
      return;
    } else {
      await serverStep(call, messages, verb, what);
    }
    if (call.cancelled) return;
  }
  call.end(trailing);
}

async function serverStep(call, messages, verb, what) {
  switch (verb) {
    case 'send':
      for (let count = what.count; count > 0 && !call.cancelled; count -= 1) await messages.write(messageOf(what));
      break;
    case 'read':
      for (let count = what; count !== 0 && (await messages.read()) !== null; count -= 1);
      break;
    case 'echo':
      for (let message = await messages.read(); message !== null; message = await messages.read()) {
        await messages.write(message);
      }
      break;
    case 'tell':
      await messages.write(Buffer.from(JSON.stringify(told(call.metadata, what))));
      break;
    case 'initial':
      call.sendMetadata(metadataOf(what));
      break;
    case 'sleep':
      await Promise.race([messages.gone, sleep(what)]);
      break;
    case 'hold':
      await messages.gone;
      break;
    default:
      throw new Error(`no server does ${verb}`);
  }
}

function serve(port, options) {
  const known = Object.entries(options).map(([name, value]) => [`grpc.${name}`, value]);
  const server = new grpc.Server({ 'grpc.max_receive_message_length': -1, ...Object.fromEntries(known) });
  const wrong = (call) => (error) => call.emit('error', { code: grpc.status.INTERNAL, details: String(error) });
  server.addService({ Do: definition(true) }, { Do: (call) => answer(call).catch(wrong(call)) });
  server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

// The client.

async function runPart(client, part) {
  const counts = new Map();
  let next = 0;
  const meeting = { missing: part.calls };
  meeting.all = new Promise((resolve) => (meeting.open = resolve));
  const caller = async () => {
    while (next < part.calls) {
      next += 1;
      const outcome = JSON.stringify(await runCall(client, part, next - 1, meeting));
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
    }
  };
  await Promise.all(Array.from({ length: part.at_once }, caller));
  return [...counts].map(([outcome, count]) => ({ count, outcome: JSON.parse(outcome) }));
}

async function runCall(client, part, at, meeting) {
  const metadata = metadataOf(part.metadata);
  metadata.add(SCRIPT, Buffer.from(JSON.stringify(part.server)));
  metadata.setOptions({ waitForReady: part.wait_for_ready });
  const options = part.deadline_ms > 0 ? { deadline: Date.now() + part.deadline_ms } : {};
  const one = { messages: [], met: false, cancelled: part.cancel_within_ms > 0, meeting };
  const isUnary = part.client === null;
  const call = isUnary
    ? client.makeUnaryRequest(METHOD, serialize, deserialize, Buffer.from('hello'), metadata, options, (error, reply) => {
        if (!error) take(one, reply);
      })
    : client.makeBidiStreamRequest(METHOD, serialize, deserialize, metadata, options);
  const ended = new Promise((resolve) => call.on('status', resolve));
  call.on('metadata', (initial) => (one.initial = initial));
  if (part.cancel_within_ms > 0) {
    setTimeout(() => call.cancel(), (at * 997) % (part.cancel_within_ms * 1000) / 1000).unref();
  }
  if (!isUnary) {
    call.on('error', () => {});
    await runStream(call, part, one, ended);
  }
  const status = await ended;
  meet(one);
  // The reply of a unary call is told after its status.
  await new Promise(setImmediate);
  return outcome(one, part, status);
}

async function runStream(call, part, one, ended) {
  const messages = new Messages(call);
  messages.gone = ended;
  const aside = [];
  const send = async (what) => {
    for (let count = what.count; count > 0 && !messages.isOver; count -= 1) await messages.write(messageOf(what));
  };
  for (const step of part.client) {
    const [[verb, what]] = Object.entries(step);
    if (verb === 'send' && what.aside) aside.push(send(what));
    else if (verb === 'send') await send(what);
    else if (verb === 'read') await readSome(messages, what, one);
    else if (verb === 'sleep') await sleep(what);
    else if (verb === 'close') call.end();
    else if (verb === 'cancel') {
      one.cancelled = true;
      call.cancel();
    } else if (verb === 'meet') {
      meet(one);
      await one.meeting.all;
    } else throw new Error(`no client does ${verb}`);
  }
  Promise.all(aside).then(() => call.end());
  await readSome(messages, -1, one);
}

async function readSome(messages, count, one) {
  for (; count !== 0; count -= 1) {
    const message = await messages.read();
    if (message === null) return;
    take(one, message);
  }
}

function take(one, octets) {
  const message = shown(octets);
  const last = one.messages.at(-1);
  if (last?.message === message) last.count += 1;
  else one.messages.push({ count: 1, message });
}

function meet(one) {
  if (one.met) return;
  one.met = true;
  one.meeting.missing -= 1;
  if (one.meeting.missing === 0) one.meeting.open();
}

function outcome(one, part, status) {
  // Where the client itself cut a call is chance.
  if (one.cancelled && (status.code === grpc.status.OK || status.code === grpc.status.CANCELLED)) {
    return { code: 'cancelled or over' };
  }
  return {
    code: grpc.status[status.code],
    details: status.details,
    initial: told(one.initial, part.fields),
    messages: one.messages,
    trailing: told(status.metadata, part.fields),
  };
}

async function runCases(authority) {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { name, address, parts } = JSON.parse(line);
    const client = new grpc.Client(address, grpc.credentials.createInsecure(), {
      'grpc.default_authority': authority,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
    });
    const ended = await Promise.all(parts.map((part) => runPart(client, part)));
    client.close();
    console.log(JSON.stringify({ name, parts: ended }));
  }
}

const [mode, first, options] = process.argv.slice(2);
if (mode === 'server') serve(first, JSON.parse(options));
else if (mode === 'client') runCases(first);
else throw new Error('usage: control.js server PORT OPTIONS | control.js client AUTHORITY');
