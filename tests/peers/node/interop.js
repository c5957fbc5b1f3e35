// gRPC's interop cases and ours over grpc-js, client and server.
//
//     node interop.js client HOST PORT CASE...    prints `CASE pass` or `CASE fail: REASON` for each
//     node interop.js server PORT
//
// What the cases ask for is in tests/peers/README.md. Modules are found by NODE_PATH.
'use strict';

const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const file = path.join(__dirname, '..', 'proto', 'testing.proto');
const { testing } = grpc.loadPackageDefinition(loader.loadSync(file, { keepCase: true, defaults: true })).grpc;

const CASE_MS = 20_000;
const GZIP = 2;
const INITIAL = 'x-grpc-test-echo-initial';
const TRAILING = 'x-grpc-test-echo-trailing-bin';
const SPECIAL = '\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n';

const payload = (size) => ({ type: 0, body: Buffer.alloc(size) });

// The server. grpc-js compresses no answer of a server.

function echoed(call) {
  const [initial, trailing] = [new grpc.Metadata(), new grpc.Metadata()];
  call.metadata.get(INITIAL).forEach((value) => initial.add(INITIAL, value));
  call.metadata.get(TRAILING).forEach((value) => trailing.add(TRAILING, value));
  if (call.metadata.get(INITIAL).length > 0) {
    call.sendMetadata(initial);
  }
  return trailing;
}

const failure = ({ response_status: status }, metadata) =>
  status?.code ? { code: status.code, details: status.message, metadata } : null;

async function answer(call, request) {
  for (const { size, interval_us: interval } of request.response_parameters) {
    if (interval > 0) {
      await new Promise((resolve) => setTimeout(resolve, interval / 1000));
    }
    call.write({ payload: payload(size) });
  }
}

const implementation = {
  EmptyCall: (call, callback) => callback(null, {}),
  UnaryCall: (call, callback) => {
    const metadata = echoed(call);
    const answer = { payload: payload(call.request.response_size) };
    callback(failure(call.request, metadata), answer, metadata);
  },
  StreamingOutputCall: async (call) => {
    await answer(call, call.request);
    call.end();
  },
  StreamingInputCall: (call, callback) => {
    let total = 0;
    call.on('data', (request) => (total += request.payload?.body.length ?? 0));
    call.on('end', () => callback(null, { aggregated_payload_size: total }));
  },
  FullDuplexCall: (call) => {
    const metadata = echoed(call);
    let answers = Promise.resolve();
    call.on('data', (request) => {
      const failed = failure(request, metadata);
      answers = answers.then(() => (failed ? call.emit('error', failed) : answer(call, request)));
    });
    call.on('end', () => (answers = answers.then(() => call.end(metadata))));
  },
  UnimplementedCall: (call, callback) => callback({ code: grpc.status.UNIMPLEMENTED }),
};

function serve(port) {
  const server = new grpc.Server();
  server.addService(testing.TestService.service, implementation);
  server.bindAsync(`127.0.0.1:${port}`, grpc.ServerCredentials.createInsecure(), (error) => {
    if (error) throw error;
  });
}

// The client.

function check(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

const deadline = () => ({ deadline: Date.now() + CASE_MS });

/** One answer of a unary or client-streaming method, with its metadata. */
function one(start) {
  return new Promise((resolve, reject) => {
    const ended = {};
    const call = start((error, response) => (error ? reject(error) : (ended.response = response)));
    call.on('metadata', (metadata) => (ended.initial = metadata));
    call.on('status', (status) => {
      ended.trailing = status.metadata;
      if (status.code === 0) setImmediate(() => resolve(ended));
    });
  });
}

const empty = (client) => one((done) => client.EmptyCall({}, deadline(), done));

const simple = (client, request, metadata = new grpc.Metadata()) =>
  one((done) => client.UnaryCall(request, metadata, deadline(), done));

/** A stream of answers, taken one at a time; its error is the status it ended with. */
class Stream {
  constructor(call) {
    this.call = call;
    this.initial = null;
    call.on('metadata', (metadata) => (this.initial = metadata));
    // Messages before the status: next() takes the one after the other.
    this.messages = [];
    this.waiting = null;
    call.on('data', (message) => this.#put({ message }));
    call.on('status', (status) => this.#put({ status }));
    call.on('error', () => {});
  }

  #put(item) {
    this.messages.push(item);
    this.waiting?.();
  }

  async next() {
    while (this.messages.length === 0) {
      await new Promise((resolve) => (this.waiting = resolve));
    }
    const item = this.messages[0];
    if (item.message) this.messages.shift();
    return item;
  }

  ask(size, answer = 8) {
    this.call.write({ payload: payload(size), response_parameters: [{ size: answer }] });
  }

  async expectAnswer(size = 8) {
    const { message, status } = await this.next();
    check(message, `status ${status?.code} ${status?.details} instead of a message`);
    check(message.payload.body.length === size, `${message.payload.body.length} octets`);
  }

  async expectStatus(code, details) {
    const { status } = await this.next();
    check(status, 'a message instead of the end');
    const good = status.code === code && (details === undefined || status.details === details);
    check(good, `${status.code} ${JSON.stringify(status.details)} instead of ${code}`);
    return status;
  }
}

const duplex = (client, metadata = new grpc.Metadata(), options = deadline()) =>
  new Stream(client.FullDuplexCall(metadata, options));

async function expectFailure(call, code, details) {
  try {
    await call;
  } catch (error) {
    const good = error.code === code && (details === undefined || error.details === details);
    return check(good, `${error.message} instead of ${code}`);
  }
  throw new Error(`an answer instead of ${code}`);
}

async function large(client, fields = {}) {
  const { response } = await simple(client, { payload: payload(271828), response_size: 314159, ...fields });
  check(response.payload.body.length === 314159, `${response.payload.body.length} octets`);
}

async function sendAll(client, sizes) {
  const { response } = await one((done) => {
    const call = client.StreamingInputCall(deadline(), done);
    sizes.forEach((size) => call.write({ payload: payload(size) }));
    call.end();
    return call;
  });
  const total = sizes.reduce((sum, size) => sum + size);
  check(response.aggregated_payload_size === total, `${response.aggregated_payload_size} octets`);
}

async function receiveAll(client, fields) {
  const sizes = [31415, 9, 2653, 58979];
  const parameters = sizes.map((size) => ({ size, ...fields }));
  const stream = new Stream(client.StreamingOutputCall({ response_parameters: parameters }, deadline()));
  for (const size of sizes) await stream.expectAnswer(size);
  await stream.expectStatus(0);
}

async function compressed(client, run) {
  const target = client.getChannel().getTarget();
  const credentials = grpc.credentials.createInsecure();
  const other = new testing.TestService(target, credentials, { 'grpc.default_compression_algorithm': GZIP });
  await run(other);
  other.close();
}

async function echoes(client, text, binary) {
  const sent = new grpc.Metadata();
  text.forEach((value) => sent.add(INITIAL, value));
  binary.forEach((value) => sent.add(TRAILING, value));
  const unary = await simple(client, {}, sent);
  const stream = duplex(client, sent);
  stream.ask(1);
  await stream.expectAnswer();
  stream.call.end();
  const status = await stream.expectStatus(0);
  for (const { initial, trailing } of [unary, { initial: stream.initial, trailing: status.metadata }]) {
    // grpc-js writes a repeated key as one field with commas, which is the same to gRPC.
    const joined = initial.get(INITIAL).join(', ');
    check(joined === text.join(', '), `initial metadata ${joined}`);
    const octets = trailing.get(TRAILING).map((value) => value.toString('hex'));
    check(octets.join() === binary.map((value) => value.toString('hex')).join(), `trailing ${octets}`);
  }
}

async function failsWith(client, code, message) {
  const request = { response_status: { code, message } };
  await expectFailure(simple(client, request), code, message);
  const stream = duplex(client);
  stream.call.write(request);
  stream.call.end();
  await stream.expectStatus(code, message);
}

const cases = {
  empty_unary: empty,
  large_unary: large,
  client_streaming: (client) => sendAll(client, [27182, 8, 1828, 45904]),
  server_streaming: receiveAll,
  ping_pong: async (client) => {
    const stream = duplex(client);
    for (const [size, answer] of [[27182, 31415], [8, 9], [1828, 2653], [45904, 58979]]) {
      stream.ask(size, answer);
      await stream.expectAnswer(answer);
    }
    stream.call.end();
    await stream.expectStatus(0);
  },
  empty_stream: async (client) => {
    const stream = duplex(client);
    stream.call.end();
    await stream.expectStatus(0);
  },
  client_compressed_unary: (client) => compressed(client, large),
  server_compressed_unary: (client) => large(client, { response_compressed: { value: true } }),
  client_compressed_streaming: (client) => compressed(client, (other) => sendAll(other, [27182, 45904])),
  server_compressed_streaming: (client) => receiveAll(client, { compressed: { value: true } }),
  custom_metadata: (client) => echoes(client, ['test_initial_metadata_value'], [Buffer.from('ababab', 'hex')]),
  status_code_and_message: (client) => failsWith(client, grpc.status.UNKNOWN, 'test status message'),
  special_status_message: (client) => failsWith(client, grpc.status.UNKNOWN, SPECIAL),
  unimplemented_method: (client) =>
    expectFailure(one((done) => client.UnimplementedCall({}, deadline(), done)), grpc.status.UNIMPLEMENTED),
  unimplemented_service: async (client) => {
    const target = client.getChannel().getTarget();
    const other = new testing.UnimplementedService(target, grpc.credentials.createInsecure());
    const call = one((done) => other.UnimplementedCall({}, deadline(), done));
    await expectFailure(call, grpc.status.UNIMPLEMENTED);
    other.close();
  },
  cancel_after_begin: async (client) => {
    const call = one((done) => {
      const started = client.StreamingInputCall(deadline(), done);
      started.cancel();
      return started;
    });
    await expectFailure(call, grpc.status.CANCELLED);
  },
  cancel_after_first_response: async (client) => {
    const stream = duplex(client);
    stream.ask(27182, 31415);
    await stream.expectAnswer(31415);
    stream.call.cancel();
    await stream.expectStatus(grpc.status.CANCELLED);
  },
  timeout_on_sleeping_server: async (client) => {
    const stream = duplex(client, new grpc.Metadata(), { deadline: Date.now() + 50 });
    stream.call.write({ payload: payload(27182) });
    await stream.expectStatus(grpc.status.DEADLINE_EXCEEDED);
  },
  every_status_code: async (client) => {
    for (let code = 1; code <= 16; code++) await failsWith(client, code, `status ${code}`);
    await simple(client, {});
  },
  metadata_in_order: (client) => {
    const binary = ['0001ff', '612c62', 'ababab', '0001ff'].map((hex) => Buffer.from(hex, 'hex'));
    return echoes(client, ['first', 'second', 'first', 'fourth, with a comma'], binary);
  },
  // 300 times a status that comes before the half close, or at its time.
  early_status: async (client) => {
    const status = { code: grpc.status.FAILED_PRECONDITION, message: 'early' };
    for (let round = 0; round < 300; round++) {
      const stream = duplex(client);
      stream.call.write({ response_status: status });
      if (round % 2 === 1) stream.call.end();
      await stream.expectStatus(status.code, status.message);
    }
  },
  // Ends 100 streams that are idle; nothing but the half close can end them.
  half_close: async (client) => {
    for (let round = 0; round < 100; round++) {
      const stream = duplex(client);
      stream.ask(1);
      await stream.expectAnswer();
      stream.call.end();
      await stream.expectStatus(0);
    }
  },
  // Each of 100 messages is sent when the answer to the one before is there.
  round_trips: async (client) => {
    const stream = duplex(client);
    for (let round = 0; round < 100; round++) {
      stream.ask(1);
      await stream.expectAnswer();
    }
    stream.call.end();
    await stream.expectStatus(0);
  },
  // Cancels 20 calls that have no answer yet; the call behind each shows that it is under way.
  cancel_seen: async (client) => {
    for (let round = 0; round < 20; round++) {
      let call;
      const ended = one((done) => (call = client.StreamingInputCall(deadline(), done)));
      const refused = expectFailure(ended, grpc.status.CANCELLED);
      call.write({ payload: payload(8) });
      await empty(client);
      call.cancel();
      await refused;
    }
    await empty(client);
  },
};

async function run(host, port, names) {
  const client = new testing.TestService(`${host}:${port}`, grpc.credentials.createInsecure());
  for (const name of names) {
    try {
      check(cases[name], 'no such case');
      await cases[name](client);
      console.log(`${name} pass`);
    } catch (error) {
      console.log(`${name} fail: ${String(error.message).replace(/\s+/g, ' ')}`);
    }
  }
  // Timers of deadlines would keep the process for as long as they run.
  process.exit(0);
}

const [role, ...rest] = process.argv.slice(2);
if (role === 'server') {
  serve(rest[0]);
} else if (role === 'client') {
  run(rest[0], rest[1], rest.slice(2));
} else {
  console.error('usage: interop.js client HOST PORT CASE... | server PORT');
  process.exit(2);
}
