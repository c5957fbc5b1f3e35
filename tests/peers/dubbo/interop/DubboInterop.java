package interop;

import static interop.DubboServer.payload;

import grpc.testing.TestService;
import io.grpc.testing.integration.EmptyProtos.Empty;
import io.grpc.testing.integration.Messages.EchoStatus;
import io.grpc.testing.integration.Messages.ResponseParameters;
import io.grpc.testing.integration.Messages.SimpleRequest;
import io.grpc.testing.integration.Messages.StreamingInputCallRequest;
import io.grpc.testing.integration.Messages.StreamingInputCallResponse;
import io.grpc.testing.integration.Messages.StreamingOutputCallRequest;
import io.grpc.testing.integration.Messages.StreamingOutputCallResponse;
import java.util.Arrays;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.config.ApplicationConfig;
import org.apache.dubbo.config.ProtocolConfig;
import org.apache.dubbo.config.ReferenceConfig;
import org.apache.dubbo.config.RegistryConfig;
import org.apache.dubbo.config.ServiceConfig;
import org.apache.dubbo.config.bootstrap.DubboBootstrap;
import org.apache.dubbo.rpc.RpcException;
import org.apache.dubbo.rpc.StatusRpcException;
import org.apache.dubbo.rpc.TriRpcStatus;

/**
 * gRPC's interop cases, as far as Dubbo's interface has words for them, over Triple.
 *
 * <p>{@code interop.DubboInterop client HOST PORT CASE...} prints a line for each case, {@code CASE
 * pass} or {@code CASE fail: REASON}; {@code interop.DubboInterop server PORT} serves. What the cases
 * ask for is in tests/peers/README.md.
 */
public final class DubboInterop {
  private static final int CASE_SECONDS = 20;
  private static final String SPECIAL =
      "\t\ntest with whitespace\r\nand Unicode BMP \u263a and non-BMP \ud83d\ude08\t\n";

  private final TestService service;

  private DubboInterop(TestService service) {
    this.service = service;
  }

  public static void main(String[] arguments) throws Exception {
    if (arguments.length == 2 && arguments[0].equals("server")) {
      serve(Integer.parseInt(arguments[1]));
    } else if (arguments.length > 3 && arguments[0].equals("client")) {
      DubboInterop interop = new DubboInterop(connect(arguments[1], arguments[2]));
      for (String name : Arrays.asList(arguments).subList(3, arguments.length)) {
        System.out.println(name + " " + interop.outcome(name));
      }
      Runtime.getRuntime().halt(0);
    } else {
      System.err.println("usage: interop.DubboInterop client HOST PORT CASE... | server PORT");
      System.exit(2);
    }
  }

  private static DubboBootstrap bootstrap() {
    ApplicationConfig application = new ApplicationConfig("interop");
    application.setQosEnable(false);
    return DubboBootstrap.getInstance()
        .application(application)
        .registry(new RegistryConfig(RegistryConfig.NO_AVAILABLE));
  }

  private static void serve(int port) {
    ServiceConfig<TestService> service = new ServiceConfig<>();
    service.setInterface(TestService.class);
    service.setRef(new DubboServer());
    ProtocolConfig protocol = new ProtocolConfig("tri", port);
    protocol.setHost("127.0.0.1");
    bootstrap().protocol(protocol).service(service).start().await();
  }

  private static TestService connect(String host, String port) {
    ReferenceConfig<TestService> reference = new ReferenceConfig<>();
    reference.setInterface(TestService.class);
    reference.setUrl("tri://" + host + ":" + port);
    reference.setTimeout(CASE_SECONDS * 1000);
    reference.setRetries(0);
    bootstrap().reference(reference).start();
    return reference.get();
  }

  private String outcome(String name) {
    try {
      run(name);
      return "pass";
    } catch (Throwable wrong) {
      return "fail: " + wrong.toString().replaceAll("\\s+", " ");
    }
  }

  private void run(String name) throws Exception {
    switch (name) {
      case "empty_unary" -> service.EmptyCall(Empty.getDefaultInstance());
      case "large_unary" -> largeUnary();
      case "client_streaming" -> clientStreaming();
      case "server_streaming" -> serverStreaming();
      case "ping_pong" -> pingPong();
      case "status_code_and_message" -> failsWith(2, "test status message");
      case "special_status_message" -> failsWith(2, SPECIAL);
      case "every_status_code" -> everyStatusCode();
      case "half_close" -> halfClose();
      case "round_trips" -> roundTrips();
      default -> throw new IllegalArgumentException("no such case");
    }
  }

  private static void check(boolean holds, String otherwise) {
    if (!holds) {
      throw new AssertionError(otherwise);
    }
  }

  /** Answers, taken one at a time. */
  private static final class Answers<T> implements StreamObserver<T> {
    private static final Object END = new Object();
    private final BlockingQueue<Object> told = new LinkedBlockingQueue<>();

    @Override
    public void onNext(T answer) {
      told.add(answer);
    }

    @Override
    public void onError(Throwable error) {
      told.add(error);
    }

    @Override
    public void onCompleted() {
      told.add(END);
    }

    Object next() throws InterruptedException {
      Object answer = told.poll(CASE_SECONDS, TimeUnit.SECONDS);
      check(answer != null, "nothing comes");
      return answer;
    }

    void expectSize(int size) throws InterruptedException {
      Object answer = next();
      check(
          answer instanceof StreamingOutputCallResponse response
              && response.getPayload().getBody().size() == size,
          "not an answer of " + size + " octets");
    }

    void expectEnd() throws InterruptedException {
      Object answer = next();
      check(answer == END, "not the end: " + answer);
    }
  }

  /** A FullDuplexCall driven a message at a time. */
  private static final class Stream {
    private final Answers<StreamingOutputCallResponse> answers = new Answers<>();
    private final StreamObserver<StreamingOutputCallRequest> requests;

    Stream(TestService service) {
      requests = service.FullDuplexCall(answers);
    }

    void roundTrip(int size, int answer) throws InterruptedException {
      requests.onNext(
          StreamingOutputCallRequest.newBuilder()
              .setPayload(payload(size))
              .addResponseParameters(ResponseParameters.newBuilder().setSize(answer))
              .build());
      answers.expectSize(answer);
    }

    void close() throws InterruptedException {
      requests.onCompleted();
      answers.expectEnd();
    }
  }

  private void largeUnary() {
    var request =
        SimpleRequest.newBuilder().setPayload(payload(271828)).setResponseSize(314159).build();
    int size = service.UnaryCall(request).getPayload().getBody().size();
    check(size == 314159, size + " octets");
  }

  private void clientStreaming() throws Exception {
    Answers<StreamingInputCallResponse> answers = new Answers<>();
    var requests = service.StreamingInputCall(answers);
    for (int size : new int[] {27182, 8, 1828, 45904}) {
      requests.onNext(StreamingInputCallRequest.newBuilder().setPayload(payload(size)).build());
    }
    requests.onCompleted();
    Object total = answers.next();
    check(
        total instanceof StreamingInputCallResponse response
            && response.getAggregatedPayloadSize() == 74922,
        "not 74922: " + total);
    answers.expectEnd();
  }

  private void serverStreaming() throws Exception {
    int[] sizes = {31415, 9, 2653, 58979};
    var request = StreamingOutputCallRequest.newBuilder();
    for (int size : sizes) {
      request.addResponseParameters(ResponseParameters.newBuilder().setSize(size));
    }
    Answers<StreamingOutputCallResponse> answers = new Answers<>();
    service.StreamingOutputCall(request.build(), answers);
    for (int size : sizes) {
      answers.expectSize(size);
    }
    answers.expectEnd();
  }

  private void pingPong() throws Exception {
    Stream stream = new Stream(service);
    for (int[] sizes : new int[][] {{27182, 31415}, {8, 9}, {1828, 2653}, {45904, 58979}}) {
      stream.roundTrip(sizes[0], sizes[1]);
    }
    stream.close();
  }

  private void failsWith(int code, String message) throws Exception {
    var status = EchoStatus.newBuilder().setCode(code).setMessage(message);
    try {
      service.UnaryCall(SimpleRequest.newBuilder().setResponseStatus(status).build());
      throw new AssertionError("an answer instead of " + code);
    } catch (RpcException error) {
      // What the server said is under what Dubbo makes of it.
      Throwable cause = error;
      while (!(cause instanceof StatusRpcException) && cause.getCause() != null) {
        cause = cause.getCause();
      }
      expect(code, message, cause);
    }
    Stream stream = new Stream(service);
    stream.requests.onNext(StreamingOutputCallRequest.newBuilder().setResponseStatus(status).build());
    stream.requests.onCompleted();
    Object answer = stream.answers.next();
    check(answer instanceof Throwable, "an answer instead of " + code);
    expect(code, message, (Throwable) answer);
  }

  private static void expect(int code, String message, Throwable error) {
    TriRpcStatus status = TriRpcStatus.getStatus(error);
    check(
        status.code.code == code && message.equals(status.description),
        status + " instead of " + code);
  }

  private void everyStatusCode() throws Exception {
    for (int code = 1; code <= 16; code++) {
      failsWith(code, "status " + code);
    }
    service.UnaryCall(SimpleRequest.getDefaultInstance());
  }

  /** Ends 100 streams that are idle; nothing but the half close can end them. */
  private void halfClose() throws Exception {
    for (int round = 0; round < 100; round++) {
      Stream stream = new Stream(service);
      stream.roundTrip(1, 8);
      stream.close();
    }
  }

  /** Sends each of 100 messages when the answer to the one before is there. */
  private void roundTrips() throws Exception {
    Stream stream = new Stream(service);
    for (int round = 0; round < 100; round++) {
      stream.roundTrip(1, 8);
    }
    stream.close();
  }
}
