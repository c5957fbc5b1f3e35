package control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.ByteString;
import com.google.protobuf.BytesValue;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.ServerCall;
import io.grpc.ServerServiceDefinition;
import io.grpc.Status;
import io.grpc.netty.NettyServerBuilder;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;

/** A call of the server that does what its script says, on a thread of its own. */
final class Server extends ServerCall.Listener<BytesValue> {
  private static final ExecutorService THREADS = Script.threads();

  private final ServerCall<BytesValue, BytesValue> call;
  private final Metadata request;
  private final Inbox inbox = new Inbox();
  private Metadata trailing = new Metadata();
  private boolean headersSent;
  private Thread thread;
  private volatile boolean over;

  private Server(ServerCall<BytesValue, BytesValue> call, Metadata request) {
    this.call = call;
    this.request = request;
  }

  static void serve(int port, JsonObject options) throws Exception {
    var service =
        ServerServiceDefinition.builder(Script.SERVICE)
            .addMethod(
                Script.method(MethodType.BIDI_STREAMING),
                (call, headers) -> {
                  Server server = new Server(call, headers);
                  THREADS.execute(server::run);
                  return server;
                })
            .build();
    // What is called on the transport's threads only hands on.
    var builder =
        NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", port))
            .directExecutor()
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .addService(service);
    if (options.has("max_concurrent_streams")) {
      builder.maxConcurrentCallsPerConnection(options.get("max_concurrent_streams").getAsInt());
    }
    builder.build().start().awaitTermination();
  }

  @Override
  public void onMessage(BytesValue message) {
    inbox.add(message);
  }

  @Override
  public void onHalfClose() {
    inbox.end();
  }

  @Override
  public void onReady() {
    inbox.ready();
  }

  @Override
  public synchronized void onCancel() {
    over = true;
    inbox.ready();
    if (thread != null) {
      thread.interrupt();
    }
  }

  private void run() {
    synchronized (this) {
      thread = Thread.currentThread();
    }
    try {
      close(answer());
    } catch (InterruptedException cancelled) {
      // There is nobody to be answered.
    } catch (RuntimeException wrong) {
      close(Status.INTERNAL.withDescription(wrong.toString()));
    } finally {
      synchronized (this) {
        thread = null;
        Thread.interrupted();
      }
    }
  }

  private void close(Status status) {
    if (!over) {
      call.close(status, trailing);
    }
  }

  private Status answer() throws InterruptedException {
    String script = new String(request.get(Script.FIELD), StandardCharsets.UTF_8);
    for (JsonElement each : JsonParser.parseString(script).getAsJsonArray()) {
      var step = each.getAsJsonObject().entrySet().iterator().next();
      if (step.getKey().equals("status")) {
        JsonObject status = step.getValue().getAsJsonObject();
        return Status.fromCodeValue(status.get("code").getAsInt())
            .withDescription(status.get("message").getAsString());
      }
      step(step.getKey(), step.getValue());
    }
    return Status.OK;
  }

  private void step(String verb, JsonElement what) throws InterruptedException {
    switch (verb) {
      case "send" -> {
        JsonObject send = what.getAsJsonObject();
        BytesValue message = Script.message(send);
        for (int count = send.get("count").getAsInt(); count > 0; count--) {
          send(message);
        }
      }
      case "read" -> {
        for (int count = what.getAsInt(); count != 0 && read() != null; count--) {}
      }
      case "echo" -> {
        for (BytesValue message = read(); message != null; message = read()) {
          send(message);
        }
      }
      case "tell" -> {
        String told = Script.told(request, what.getAsJsonArray()).toString();
        send(BytesValue.of(ByteString.copyFromUtf8(told)));
      }
      case "initial" -> sendHeaders(Script.metadata(what));
      case "trailing" -> trailing = Script.metadata(what);
      case "sleep" -> Thread.sleep(what.getAsLong());
      case "hold" -> Thread.sleep(Long.MAX_VALUE);
      default -> throw new IllegalArgumentException("no server does " + verb);
    }
  }

  private BytesValue read() throws InterruptedException {
    call.request(1);
    return inbox.next();
  }

  private void send(BytesValue message) throws InterruptedException {
    sendHeaders(new Metadata());
    inbox.untilReady(() -> over || call.isReady());
    if (!over) {
      call.sendMessage(message);
    }
  }

  private void sendHeaders(Metadata metadata) {
    if (!headersSent && !over) {
      headersSent = true;
      call.sendHeaders(metadata);
    }
  }
}
