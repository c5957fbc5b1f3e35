"""gRPC's interop cases and ours over grpcio (C-core), client and server.

    interop.py client HOST PORT CASE...    prints `CASE pass` or `CASE fail: REASON` for each
    interop.py server PORT

What the cases ask for is in tests/peers/README.md.
"""

import os
import queue
import sys
import time
from concurrent import futures

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "proto"))

import grpc  # noqa: E402

pb, services = grpc.protos_and_services("testing.proto")

CASE_SECONDS = 20
INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"
SPECIAL = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"


def payload(size):
    return pb.Payload(body=bytes(size))


# The server.


class TestService(services.TestServiceServicer):
    def EmptyCall(self, request, context):
        return pb.Empty()

    def UnaryCall(self, request, context):
        echo_metadata(context)
        if request.response_compressed.value:
            context.set_compression(grpc.Compression.Gzip)
        abort_if_asked(request, context)
        return pb.SimpleResponse(payload=payload(request.response_size))

    def StreamingOutputCall(self, request, context):
        yield from answers(request, context)

    def StreamingInputCall(self, requests, context):
        total = sum(len(request.payload.body) for request in requests)
        return pb.StreamingInputCallResponse(aggregated_payload_size=total)

    def FullDuplexCall(self, requests, context):
        echo_metadata(context)
        for request in requests:
            abort_if_asked(request, context)
            yield from answers(request, context)

    def UnimplementedCall(self, request, context):
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "as the protocol asks")


def answers(request, context):
    if any(parameters.compressed.value for parameters in request.response_parameters):
        context.set_compression(grpc.Compression.Gzip)
    for parameters in request.response_parameters:
        if parameters.HasField("compressed") and not parameters.compressed.value:
            context.disable_next_message_compression()
        if parameters.interval_us:
            time.sleep(parameters.interval_us / 1e6)
        yield pb.StreamingOutputCallResponse(payload=payload(parameters.size))


def echo_metadata(context):
    metadata = context.invocation_metadata()
    initial = [(key, value) for key, value in metadata if key == INITIAL]
    if initial:
        context.send_initial_metadata(initial)
    context.set_trailing_metadata([(key, value) for key, value in metadata if key == TRAILING])


def abort_if_asked(request, context):
    if request.response_status.code:
        context.abort(code_of(request.response_status.code), request.response_status.message)


def code_of(number):
    return next(code for code in grpc.StatusCode if code.value[0] == number)


def serve(port):
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=32))
    services.add_TestServiceServicer_to_server(TestService(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    server.wait_for_termination()


# The client.


def check(holds, otherwise):
    if not holds:
        raise AssertionError(otherwise)


def expect(code, message, call):
    """`call` fails with `code`, and with `message` unless it is None."""
    try:
        call()
    except grpc.RpcError as error:
        good = error.code() == code and message in (None, error.details())
        check(good, f"{error.code()} {error.details()!r} instead of {code}")
    else:
        raise AssertionError(f"an answer instead of {code}")


class Duplex:
    """A FullDuplexCall driven a message at a time."""

    def __init__(self, stub, **options):
        self.requests = queue.SimpleQueue()
        requests = iter(self.requests.get, None)
        self.call = stub.FullDuplexCall(requests, timeout=CASE_SECONDS, **options)

    def send(self, size, ask=8, **fields):
        parameters = [pb.ResponseParameters(size=ask, **fields)]
        self.requests.put(
            pb.StreamingOutputCallRequest(payload=payload(size), response_parameters=parameters)
        )

    def ask_for_status(self, code, message):
        status = pb.EchoStatus(code=code, message=message)
        self.requests.put(pb.StreamingOutputCallRequest(response_status=status))

    def close(self):
        self.requests.put(None)

    def expect_answer(self, size=8):
        got = len(next(self.call).payload.body)
        check(got == size, f"{got} octets instead of {size}")

    def expect_end(self):
        check(next(self.call, None) is None, "a message instead of the end")


def unary(stub, ask=314159, size=271828, compression=None, with_call=False, **fields):
    request = pb.SimpleRequest(payload=payload(size), response_size=ask, **fields)
    response, call = stub.UnaryCall.with_call(
        request, timeout=CASE_SECONDS, compression=compression
    )
    check(len(response.payload.body) == ask, f"{len(response.payload.body)} octets")


def empty_unary(stub):
    stub.EmptyCall(pb.Empty(), timeout=CASE_SECONDS)


def large_unary(stub):
    unary(stub)


def client_streaming(stub, compression=None):
    requests = (
        pb.StreamingInputCallRequest(payload=payload(size)) for size in (27182, 8, 1828, 45904)
    )
    total = stub.StreamingInputCall(requests, timeout=CASE_SECONDS, compression=compression)
    check(total.aggregated_payload_size == 74922, f"{total.aggregated_payload_size} octets")


def server_streaming(stub, **fields):
    sizes = [31415, 9, 2653, 58979]
    parameters = [pb.ResponseParameters(size=size, **fields) for size in sizes]
    request = pb.StreamingOutputCallRequest(response_parameters=parameters)
    responses = stub.StreamingOutputCall(request, timeout=CASE_SECONDS)
    got = [len(response.payload.body) for response in responses]
    check(got == sizes, f"{got}")


def ping_pong(stub):
    stream = Duplex(stub)
    for size, ask in ((27182, 31415), (8, 9), (1828, 2653), (45904, 58979)):
        stream.send(size, ask)
        stream.expect_answer(ask)
    stream.close()
    stream.expect_end()


def empty_stream(stub):
    stream = Duplex(stub)
    stream.close()
    stream.expect_end()


def client_compressed_unary(stub):
    for compression in (grpc.Compression.Gzip, grpc.Compression.NoCompression):
        unary(stub, compression=compression)


def server_compressed_unary(stub):
    for compressed in (True, False):
        unary(stub, response_compressed=pb.BoolValue(value=compressed))


def client_compressed_streaming(stub):
    client_streaming(stub, grpc.Compression.Gzip)


def server_compressed_streaming(stub):
    server_streaming(stub, compressed=pb.BoolValue(value=True))


def custom_metadata(stub):
    check_metadata(stub, ["test_initial_metadata_value"], [b"\xab\xab\xab"])


def metadata_in_order(stub):
    binary = [b"\x00\x01\xff", b"a,b", b"\xab\xab\xab", b"\x00\x01\xff"]
    check_metadata(stub, ["first", "second", "first", "fourth, with a comma"], binary)


def check_metadata(stub, text, binary):
    sent = [(INITIAL, value) for value in text] + [(TRAILING, value) for value in binary]
    _, call = stub.UnaryCall.with_call(
        pb.SimpleRequest(), timeout=CASE_SECONDS, metadata=sent
    )
    stream = Duplex(stub, metadata=sent)
    stream.send(1)
    stream.expect_answer()
    stream.close()
    stream.expect_end()
    for call in (call, stream.call):
        initial = [value for key, value in call.initial_metadata() if key == INITIAL]
        trailing = [value for key, value in call.trailing_metadata() if key == TRAILING]
        # grpc-js writes a repeated key as one field with commas, which is the same to gRPC.
        check(", ".join(initial) == ", ".join(text), f"initial {initial}")
        check(trailing == binary, f"trailing {trailing}")


def expect_status(stub, code, message):
    status = pb.EchoStatus(code=code.value[0], message=message)
    request = pb.SimpleRequest(response_status=status)
    expect(code, message, lambda: stub.UnaryCall(request, timeout=CASE_SECONDS))
    stream = Duplex(stub)
    stream.ask_for_status(code.value[0], message)
    stream.close()
    expect(code, message, lambda: next(stream.call))


def status_code_and_message(stub):
    expect_status(stub, grpc.StatusCode.UNKNOWN, "test status message")


def special_status_message(stub):
    expect_status(stub, grpc.StatusCode.UNKNOWN, SPECIAL)


def every_status_code(stub):
    for code in grpc.StatusCode:
        if code != grpc.StatusCode.OK:
            expect_status(stub, code, f"status {code.value[0]}")
    stub.UnaryCall(pb.SimpleRequest(), timeout=CASE_SECONDS)


def unimplemented_method(stub):
    call = lambda: stub.UnimplementedCall(pb.Empty(), timeout=CASE_SECONDS)  # noqa: E731
    expect(grpc.StatusCode.UNIMPLEMENTED, None, call)


def unimplemented_service(stub):
    other = services.UnimplementedServiceStub(stub.channel)
    call = lambda: other.UnimplementedCall(pb.Empty(), timeout=CASE_SECONDS)  # noqa: E731
    expect(grpc.StatusCode.UNIMPLEMENTED, None, call)


def cancel_after_begin(stub):
    requests = queue.SimpleQueue()
    call = stub.StreamingInputCall.future(iter(requests.get, None), timeout=CASE_SECONDS)
    call.cancel()
    check(call.code() == grpc.StatusCode.CANCELLED, f"{call.code()}")
    requests.put(None)


def cancel_after_first_response(stub):
    stream = Duplex(stub)
    stream.send(27182, 31415)
    stream.expect_answer(31415)
    stream.call.cancel()
    expect(grpc.StatusCode.CANCELLED, None, lambda: next(stream.call))
    stream.close()


def timeout_on_sleeping_server(stub):
    # Nobody answers a stream without messages before the deadline.
    requests = queue.SimpleQueue()
    requests.put(pb.StreamingOutputCallRequest(payload=payload(27182)))
    call = stub.FullDuplexCall(iter(requests.get, None), timeout=0.05)
    expect(grpc.StatusCode.DEADLINE_EXCEEDED, None, lambda: next(call))
    requests.put(None)


def early_status(stub):
    """300 times a status that comes before the half close, or at its time."""
    code = grpc.StatusCode.FAILED_PRECONDITION
    for round in range(300):
        stream = Duplex(stub)
        stream.ask_for_status(code.value[0], "early")
        if round % 2:
            stream.close()
        expect(code, "early", lambda: next(stream.call))
        stream.close()


def half_close(stub):
    """Ends 100 streams that are idle; nothing but the half close can end them."""
    for _ in range(100):
        stream = Duplex(stub)
        stream.send(1)
        stream.expect_answer()
        stream.close()
        stream.expect_end()


def round_trips(stub):
    """Each of 100 messages is sent when the answer to the one before is there."""
    stream = Duplex(stub)
    for _ in range(100):
        stream.send(1)
        stream.expect_answer()
    stream.close()
    stream.expect_end()


def cancel_seen(stub):
    """Cancels 20 calls that have no answer yet; the call behind each shows that it is under way."""
    for _ in range(20):
        requests = queue.SimpleQueue()
        requests.put(pb.StreamingInputCallRequest(payload=payload(8)))
        call = stub.StreamingInputCall.future(iter(requests.get, None), timeout=CASE_SECONDS)
        # The message goes out on a thread of its own.
        while not requests.empty():
            time.sleep(0.001)
        empty_unary(stub)
        call.cancel()
        check(call.code() == grpc.StatusCode.CANCELLED, f"{call.code()}")
        requests.put(None)
    empty_unary(stub)


def main():
    if len(sys.argv) >= 3 and sys.argv[1] == "server":
        serve(int(sys.argv[2]))
    elif len(sys.argv) < 5 or sys.argv[1] != "client":
        sys.exit(__doc__)
    with grpc.insecure_channel(f"{sys.argv[2]}:{sys.argv[3]}") as channel:
        stub = services.TestServiceStub(channel)
        stub.channel = channel
        for name in sys.argv[4:]:
            try:
                globals()[name](stub)
                print(name, "pass", flush=True)
            except Exception as error:  # pylint: disable=broad-except
                print(name, "fail:", " ".join(f"{type(error).__name__} {error}".split()), flush=True)


main()
