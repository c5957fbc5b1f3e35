"""A client and a server over grpcio (C-core) that do what a script says.

    control.py server PORT OPTIONS           OPTIONS: {"max_concurrent_streams": 1}
    control.py client AUTHORITY              a case a line on standard input, its outcome a line on output

The scripts are described in tests/peers/README.md, "What the control does, the mesh does".
"""

import asyncio
import json
import sys

import grpc
from google.protobuf.wrappers_pb2 import BytesValue

SCRIPT = "script-bin"
METHOD = "/control.Echo/Do"
MESSAGES = {"request_serializer": BytesValue.SerializeToString, "response_deserializer": BytesValue.FromString}
# Octets of a message that is shown by its length only.
LONG = 200


def pairs(fields):
    """Metadata of a script's; values of binary fields are in hexadecimal there."""
    return [(key, bytes.fromhex(value) if key.endswith("-bin") else value) for key, value in fields or []]


def told(metadata, prefixes):
    """The other way, of the fields with these prefixes: names sorted, values in their order."""
    fields = [(key, value) for key, value in metadata or () if key.startswith(tuple(prefixes))]
    fields.sort(key=lambda field: field[0])
    return [[key, value.hex() if key.endswith("-bin") else value] for key, value in fields]


def message_of(send):
    return BytesValue(value=bytes(send["octets"]) if send.get("octets") else send.get("text", "").encode())


def shown(message):
    if len(message.value) >= LONG or b"\0" in message.value:
        return f"{len(message.value)} octets"
    return message.value.decode()


# The server.


class Script(grpc.GenericRpcHandler):
    def service(self, details):
        return grpc.stream_stream_rpc_method_handler(
            answer, request_deserializer=BytesValue.FromString, response_serializer=BytesValue.SerializeToString
        )


async def answer(_, context):
    """Does what the call's script says."""
    metadata = context.invocation_metadata()
    trailing = ()
    steps = [value for key, value in metadata if key == SCRIPT]
    for step in json.loads(steps[0]):
        ((verb, what),) = step.items()
        if verb == "status":
            await end(context, what, trailing)
        elif verb == "trailing":
            trailing = tuple(pairs(what))
            context.set_trailing_metadata(trailing)
        else:
            await server_step(context, metadata, verb, what)


async def end(context, status, trailing):
    if status["code"] != 0:
        code = next(code for code in grpc.StatusCode if code.value[0] == status["code"])
        await context.abort(code, status["message"], trailing)


async def server_step(context, metadata, verb, what):
    if verb == "send":
        message = message_of(what)
        for _ in range(what.get("count", 1)):
            await context.write(message)
    elif verb == "read":
        await read(context, what, None)
    elif verb == "echo":
        await read(context, -1, context.write)
    elif verb == "tell":
        await context.write(BytesValue(value=json.dumps(told(metadata, what), separators=(",", ":")).encode()))
    elif verb == "initial":
        await context.send_initial_metadata(pairs(what))
    elif verb == "sleep":
        await asyncio.sleep(what / 1000)
    elif verb == "hold":
        await asyncio.Event().wait()
    else:
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no server does {verb}")


async def read(stream, count, take):
    """Reads so many messages, or all with -1; false when the other's messages are over."""
    while count != 0:
        message = await stream.read()
        if message is grpc.aio.EOF:
            return False
        if take:
            await take(message)
        count -= 1
    return True


async def serve(port, options):
    known = [(f"grpc.{name}", value) for name, value in options.items()]
    # C-core refuses calls at random from 1,000 on that no handler has taken yet: a burst from a fast
    # client would fail without sidecars too.
    pending = [(f"grpc.server.max_pending_requests{limit}", 1_000_000) for limit in ("", "_hard_limit")]
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)] + pending + known)
    server.add_generic_rpc_handlers((Script(),))
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    await server.wait_for_termination()


# The client.


class Part:
    """Calls of a case that are alike."""

    def __init__(self, fields):
        self.fields = fields
        self.missing = fields["calls"]
        self.all_met = asyncio.Event()

    async def run(self, channel):
        """Makes all calls; how many ended alike, and how."""
        counts = {}
        calls = iter(range(self.fields["calls"]))

        async def caller():
            for at in calls:
                outcome = json.dumps(await Call(self, at).run(channel), sort_keys=True)
                counts[outcome] = counts.get(outcome, 0) + 1

        await asyncio.gather(*(caller() for _ in range(self.fields["at_once"])))
        return [{"count": count, "outcome": json.loads(outcome)} for outcome, count in counts.items()]

    def one_less(self):
        """A call has come to where all calls wait for each other, or has ended."""
        self.missing -= 1
        if self.missing == 0:
            self.all_met.set()


class Call:
    """One call under way."""

    def __init__(self, part, at):
        self.part, self.fields, self.at = part, part.fields, at
        self.met = self.over = self.cancelled = False
        self.messages = []
        self.aside = []

    async def run(self, channel):
        options = {
            "metadata": pairs(self.fields["metadata"]) + [(SCRIPT, json.dumps(self.fields["server"]).encode())],
            "timeout": self.fields["deadline_ms"] / 1000 if self.fields["deadline_ms"] else None,
            "wait_for_ready": self.fields["wait_for_ready"] or None,
        }
        unary = self.fields["client"] is None
        if unary:
            call = channel.unary_unary(METHOD, **MESSAGES)(BytesValue(value=b"hello"), **options)
        else:
            call = channel.stream_stream(METHOD, **MESSAGES)(**options)
        cut = self.cancel_later(call)
        try:
            if unary:
                await self.take(await call)
            else:
                await self.stream(call)
        except (grpc.RpcError, asyncio.CancelledError, asyncio.InvalidStateError):
            pass  # Said by the status.
        if cut:
            cut.cancel()
        self.meet()
        return await self.outcome(call)

    def cancel_later(self, call):
        if not self.fields["cancel_within_ms"]:
            return None
        self.cancelled = True
        span = self.at * 997 % (self.fields["cancel_within_ms"] * 1000)
        return asyncio.get_running_loop().call_later(span / 1e6, call.cancel)

    async def stream(self, call):
        try:
            for step in self.fields["client"]:
                ((verb, what),) = step.items()
                await self.step(call, verb, what)
        except (grpc.RpcError, asyncio.InvalidStateError):
            pass  # What follows still reads to the end.
        closing = asyncio.ensure_future(self.close(call))
        try:
            await self.read(call, -1)
        finally:
            closing.cancel()

    async def step(self, call, verb, what):
        if verb == "send" and what.get("aside"):
            self.aside.append(asyncio.ensure_future(self.send(call, what)))
        elif verb == "send":
            await self.send(call, what)
        elif verb == "read":
            await self.read(call, what)
        elif verb == "sleep":
            await asyncio.sleep(what / 1000)
        elif verb == "close":
            await call.done_writing()
        elif verb == "cancel":
            self.cancelled = True
            call.cancel()
        elif verb == "meet":
            self.meet()
            await self.part.all_met.wait()
        else:
            sys.exit(f"no client does {verb}")

    async def send(self, call, what):
        message = message_of(what)
        for _ in range(what.get("count", 1)):
            await call.write(message)

    async def close(self, call):
        await asyncio.gather(*self.aside, return_exceptions=True)
        await call.done_writing()

    async def read(self, call, count):
        if not self.over:
            self.over = not await read(call, count, self.take)

    async def take(self, message):
        text = shown(message)
        if self.messages and self.messages[-1]["message"] == text:
            self.messages[-1]["count"] += 1
        else:
            self.messages.append({"count": 1, "message": text})

    def meet(self):
        if not self.met:
            self.met = True
            self.part.one_less()

    async def outcome(self, call):
        code = await call.code()
        # Where the client itself cut a call is chance.
        if self.cancelled and code in (grpc.StatusCode.OK, grpc.StatusCode.CANCELLED):
            return {"code": "cancelled or over"}
        fields = self.fields["fields"]
        return {
            "code": code.name,
            "details": await call.details() or "",
            "initial": told(await call.initial_metadata(), fields),
            "messages": self.messages,
            "trailing": told(await call.trailing_metadata(), fields),
        }


async def run_cases(authority):
    options = [
        ("grpc.default_authority", authority),
        # Channels of one process share their connections otherwise.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.max_receive_message_length", -1),
    ]
    for line in sys.stdin:
        case = json.loads(line)
        async with grpc.aio.insecure_channel(case["address"], options=options) as channel:
            parts = await asyncio.gather(*(Part(fields).run(channel) for fields in case["parts"]))
        print(json.dumps({"name": case["name"], "parts": parts}), flush=True)


if sys.argv[1:2] == ["server"]:
    asyncio.run(serve(sys.argv[2], json.loads(sys.argv[3])))
elif sys.argv[1:2] == ["client"]:
    asyncio.run(run_cases(sys.argv[2]))
else:
    sys.exit(__doc__)
