package interop;

import io.grpc.ClientInterceptor;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.MetadataUtils;
import io.grpc.testing.integration.EmptyProtos.Empty;
import io.grpc.testing.integration.Messages.EchoStatus;
import io.grpc.testing.integration.Messages.Payload;
import io.grpc.testing.integration.Messages.ResponseParameters;
import io.grpc.testing.integration.Messages.SimpleRequest;
import io.grpc.testing.integration.Messages.StreamingInputCallRequest;
import io.grpc.testing.integration.Messages.StreamingInputCallResponse;
import io.grpc.testing.integration.Messages.StreamingOutputCallRequest;
import io.grpc.testing.integration.Messages.StreamingOutputCallResponse;
import io.grpc.testing.integration.TestServiceClient;
import io.grpc.testing.integration.TestServiceGrpc;
import io.grpc.testing.integration.TestServiceGrpc.TestServiceBlockingV2Stub;
import java.lang.reflect.InvocationTargetException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/**
 * Runs many cases in one JVM: gRPC's by grpc-java's own interop client, ours here.
 *
 * <p>{@code java interop.Interop client HOST PORT CASE...} prints a line for each case, {@code CASE
 * pass} or {@code CASE fail: REASON}. What ours ask for is in tests/peers/README.md.
 */
public final class Interop {
  private static final long CASE_SECONDS = 20;
  private static final Metadata.Key<String> INITIAL =
      Metadata.Key.of("x-grpc-test-echo-initial", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<byte[]> TRAILING =
      Metadata.Key.of("x-grpc-test-echo-trailing-bin", Metadata.BINARY_BYTE_MARSHALLER);

  private final String host;
  private final int port;
  private final ManagedChannel channel;

  private Interop(String host, int port) {
    this.host = host;
    this.port = port;
    channel = ManagedChannelBuilder.forAddress(host, port).usePlaintext().build();
  }

  public static void main(String[] arguments) {
    if (arguments.length < 4 || !arguments[0].equals("client")) {
      System.err.println("usage: interop.Interop client HOST PORT CASE...");
      System.exit(2);
    }
    Interop interop = new Interop(arguments[1], Integer.parseInt(arguments[2]));
    for (String name : Arrays.asList(arguments).subList(3, arguments.length)) {
      System.out.println(name + " " + interop.outcome(name));
    }
    interop.channel.shutdownNow();
    System.exit(0);
  }

  private String outcome(String name) {
    try {
      run(name);
      return "pass";
    } catch (Throwable wrong) {
      Throwable cause = wrong;
      while ((cause instanceof InvocationTargetException || cause.getClass() == RuntimeException.class)
          && cause.getCause() != null) {
        cause = cause.getCause();
      }
      return "fail: " + cause.toString().replaceAll("\\s+", " ");
    }
  }

  private void run(String name) throws Exception {
    switch (name) {
      case "every_status_code" -> everyStatusCode();
      case "metadata_in_order" -> metadataInOrder();
      case "early_status" -> earlyStatus();
      case "half_close" -> halfClose();
      case "round_trips" -> roundTrips();
      case "cancel_seen" -> cancelSeen();
      default -> official(name);
    }
  }

  /** Without the probe of the compressed cases, which needs a server that looks for the flag. */
  private void official(String name) throws Exception {
    boolean probes = name.startsWith("client_compressed");
    TestServiceClient client = new TestServiceClient();
    invoke(client, "parseArgs", (Object) new String[] {
      "--use_tls=false", "--server_host=" + host, "--server_port=" + port,
      "--test_case=" + name + (probes ? "_noprobe" : ""),
    });
    invoke(client, "setUp");
    try {
      invoke(client, "run");
    } finally {
      invoke(client, "tearDown");
    }
  }

  /** Its main() ends the process, and what main() calls is not public. */
  private static void invoke(TestServiceClient client, String method, Object... arguments)
      throws Exception {
    Class<?>[] types = Arrays.stream(arguments).map(Object::getClass).toArray(Class<?>[]::new);
    var found = TestServiceClient.class.getDeclaredMethod(method, types);
    found.setAccessible(true);
    found.invoke(client, arguments);
  }

  private TestServiceBlockingV2Stub stub() {
    return TestServiceGrpc.newBlockingV2Stub(channel)
        .withDeadlineAfter(CASE_SECONDS, TimeUnit.SECONDS);
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }

  private static EchoStatus status(Status.Code code, String message) {
    return EchoStatus.newBuilder().setCode(code.value()).setMessage(message).build();
  }

  private static void expect(StatusException error, Status.Code code, String message) {
    Status got = error.getStatus();
    check(got.getCode() == code && message.equals(got.getDescription()), got + " for " + code);
  }

  private void everyStatusCode() throws Exception {
    for (Status.Code code : Status.Code.values()) {
      if (code == Status.Code.OK) {
        continue;
      }
      String message = "status " + code.value();
      try {
        stub().unaryCall(
            SimpleRequest.newBuilder().setResponseStatus(status(code, message)).build());
        throw new AssertionError("an answer instead of " + code);
      } catch (StatusException error) {
        expect(error, code, message);
      }
      expectStatus(code, message, true);
    }
    stub().unaryCall(SimpleRequest.getDefaultInstance());
  }

  /** A stream whose only message asks for a status. */
  private void expectStatus(Status.Code code, String message, boolean closes) throws Exception {
    var call = stub().fullDuplexCall();
    try {
      call.write(
          StreamingOutputCallRequest.newBuilder().setResponseStatus(status(code, message)).build());
      if (closes) {
        call.halfClose();
      }
      call.read();
      throw new AssertionError("an answer instead of " + code);
    } catch (StatusException error) {
      expect(error, code, message);
    }
  }

  private void metadataInOrder() throws Exception {
    List<String> text = List.of("first", "second", "first", "fourth, with a comma");
    byte[][] binary = {
      {0, 1, -1}, {'a', ',', 'b'}, {(byte) 0xab, (byte) 0xab, (byte) 0xab}, {0, 1, -1}
    };
    Metadata sent = new Metadata();
    text.forEach(value -> sent.put(INITIAL, value));
    Arrays.stream(binary).forEach(value -> sent.put(TRAILING, value));
    var headers = new AtomicReference<Metadata>();
    var trailers = new AtomicReference<Metadata>();
    ClientInterceptor attach = MetadataUtils.newAttachHeadersInterceptor(sent);
    ClientInterceptor capture = MetadataUtils.newCaptureMetadataInterceptor(headers, trailers);
    stub().withInterceptors(attach, capture).unaryCall(SimpleRequest.getDefaultInstance());
    List<String> initial = all(headers.get(), INITIAL);
    // grpc-js writes a repeated key as one field with commas, which is the same to gRPC.
    check(String.join(", ", initial).equals(String.join(", ", text)), "initial metadata " + initial);
    byte[][] trailing = all(trailers.get(), TRAILING).toArray(byte[][]::new);
    check(Arrays.deepEquals(trailing, binary), "trailing " + Arrays.deepToString(trailing));
  }

  private static <T> List<T> all(Metadata metadata, Metadata.Key<T> key) {
    List<T> values = new ArrayList<>();
    Iterable<T> found = metadata == null ? null : metadata.getAll(key);
    if (found != null) {
      found.forEach(values::add);
    }
    return values;
  }

  /** Asks 300 times for a status that comes before the half close, or at its time. */
  private void earlyStatus() throws Exception {
    for (int round = 0; round < 300; round++) {
      expectStatus(Status.Code.FAILED_PRECONDITION, "early", round % 2 == 1);
    }
  }

  private static void roundTrip(
      BlockingClientCall<StreamingOutputCallRequest, StreamingOutputCallResponse> call)
      throws Exception {
    var parameters = ResponseParameters.newBuilder().setSize(8);
    call.write(StreamingOutputCallRequest.newBuilder().addResponseParameters(parameters).build());
    check(call.read() != null, "the end instead of a message");
  }

  /** Ends 100 streams that are idle; nothing but the half close can end them. */
  private void halfClose() throws Exception {
    for (int round = 0; round < 100; round++) {
      var call = stub().fullDuplexCall();
      roundTrip(call);
      call.halfClose();
      check(call.read() == null, "a message instead of the end");
    }
  }

  /** Sends each of 100 messages when the answer to the one before is there. */
  private void roundTrips() throws Exception {
    var call = stub().fullDuplexCall();
    for (int round = 0; round < 100; round++) {
      roundTrip(call);
    }
    call.halfClose();
    check(call.read() == null, "a message instead of the end");
  }

  /** Cancels 20 calls that have no answer yet; the call behind each shows that it is under way. */
  private void cancelSeen() throws Exception {
    for (int round = 0; round < 20; round++) {
      BlockingClientCall<StreamingInputCallRequest, StreamingInputCallResponse> call =
          stub().streamingInputCall();
      call.write(StreamingInputCallRequest.newBuilder().setPayload(Payload.getDefaultInstance()).build());
      stub().emptyCall(Empty.getDefaultInstance());
      call.cancel("on purpose", null);
      try {
        call.read();
        throw new AssertionError("an answer instead of CANCELLED");
      } catch (StatusException error) {
        check(error.getStatus().getCode() == Status.Code.CANCELLED, error.toString());
      }
    }
    stub().emptyCall(Empty.getDefaultInstance());
  }
}
