package control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import com.google.protobuf.BytesValue;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Status;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** One call of a client under way. */
final class Call extends ClientCall.Listener<BytesValue> {
  private static final ScheduledExecutorService TIMER =
      Executors.newScheduledThreadPool(
          1,
          run -> {
            Thread thread = new Thread(run, "timer");
            thread.setDaemon(true);
            return thread;
          });

  private final Client.Part part;
  private final int at;
  private final Inbox inbox = new Inbox();
  private final CountDownLatch closed = new CountDownLatch(1);
  private final List<Future<?>> aside = new ArrayList<>();
  private final JsonArray messages = new JsonArray();
  private ClientCall<BytesValue, BytesValue> call;
  private volatile Metadata initial = new Metadata();
  private volatile Metadata trailing = new Metadata();
  private volatile Status status;
  private boolean cancelled;
  private boolean isClosed;
  private boolean met;

  Call(Client.Part part, int at) {
    this.part = part;
    this.at = at;
  }

  @Override
  public void onHeaders(Metadata headers) {
    initial = headers;
  }

  @Override
  public void onMessage(BytesValue message) {
    inbox.add(message);
  }

  @Override
  public void onReady() {
    inbox.ready();
  }

  @Override
  public void onClose(Status status, Metadata trailers) {
    trailing = trailers;
    this.status = status;
    closed.countDown();
    inbox.end();
  }

  JsonObject run(ManagedChannel channel) throws Exception {
    boolean unary = part.fields.get("client").isJsonNull();
    CallOptions options = CallOptions.DEFAULT;
    if (part.number("deadline_ms") > 0) {
      options = options.withDeadlineAfter(part.number("deadline_ms"), TimeUnit.MILLISECONDS);
    }
    if (part.fields.get("wait_for_ready").getAsBoolean()) {
      options = options.withWaitForReady();
    }
    call =
        channel.newCall(
            Script.method(unary ? MethodType.UNARY : MethodType.BIDI_STREAMING), options);
    Metadata metadata = Script.metadata(part.fields.get("metadata"));
    metadata.put(Script.FIELD, part.fields.get("server").toString().getBytes(StandardCharsets.UTF_8));
    call.start(this, metadata);
    cancelLater();
    if (unary) {
      call.request(2);
      send(BytesValue.of(ByteString.copyFromUtf8("hello")));
      close();
      for (BytesValue message = inbox.next(); message != null; message = inbox.next()) {
        take(message);
      }
    } else {
      stream();
    }
    closed.await();
    meet();
    return outcome();
  }

  private void cancelLater() {
    int within = part.number("cancel_within_ms");
    if (within > 0) {
      cancelled = true;
      long span = at * 997L % (within * 1000L);
      TIMER.schedule(() -> call.cancel("as the script says", null), span, TimeUnit.MICROSECONDS);
    }
  }

  private void stream() throws Exception {
    for (JsonElement each : part.fields.getAsJsonArray("client")) {
      var step = each.getAsJsonObject().entrySet().iterator().next();
      step(step.getKey(), step.getValue());
    }
    Future<?> closing = null;
    if (aside.isEmpty()) {
      close();
    } else {
      closing = Client.THREADS.submit(this::closeAfterwards);
    }
    for (BytesValue message = next(); message != null; message = next()) {
      take(message);
    }
    if (closing != null) {
      closing.get();
    }
  }

  private Void closeAfterwards() throws Exception {
    for (Future<?> sent : aside) {
      sent.get();
    }
    close();
    return null;
  }

  private void step(String verb, JsonElement what) throws Exception {
    switch (verb) {
      case "send" -> {
        JsonObject send = what.getAsJsonObject();
        if (send.has("aside")) {
          aside.add(Client.THREADS.submit(() -> send(send)));
        } else {
          send(send);
        }
      }
      case "read" -> {
        for (int count = what.getAsInt(); count != 0; count--) {
          BytesValue message = next();
          if (message == null) {
            return;
          }
          take(message);
        }
      }
      case "sleep" -> Thread.sleep(what.getAsLong());
      case "close" -> close();
      case "cancel" -> {
        cancelled = true;
        call.cancel("as the script says", null);
      }
      case "meet" -> {
        meet();
        part.missing.await();
      }
      default -> throw new IllegalArgumentException("no client does " + verb);
    }
  }

  private Void send(JsonObject send) throws InterruptedException {
    BytesValue message = Script.message(send);
    for (int count = send.get("count").getAsInt(); count > 0 && status == null; count--) {
      inbox.untilReady(() -> status != null || call.isReady());
      send(message);
    }
    return null;
  }

  private void send(BytesValue message) {
    try {
      if (status == null) {
        call.sendMessage(message);
      }
    } catch (IllegalStateException alreadyCancelled) {
      // Its status says so.
    }
  }

  private synchronized void close() {
    if (!isClosed && status == null) {
      isClosed = true;
      try {
        call.halfClose();
      } catch (IllegalStateException alreadyCancelled) {
        // Its status says so.
      }
    }
  }

  private BytesValue next() throws InterruptedException {
    call.request(1);
    return inbox.next();
  }

  private void take(BytesValue message) {
    String text = Script.shown(message);
    JsonObject last =
        messages.isEmpty() ? null : messages.get(messages.size() - 1).getAsJsonObject();
    if (last != null && last.get("message").getAsString().equals(text)) {
      last.addProperty("count", last.get("count").getAsInt() + 1);
    } else {
      JsonObject run = new JsonObject();
      run.addProperty("count", 1);
      run.addProperty("message", text);
      messages.add(run);
    }
  }

  private void meet() {
    if (!met) {
      met = true;
      part.missing.countDown();
    }
  }

  private JsonObject outcome() {
    JsonObject outcome = new JsonObject();
    // Where the client itself cut a call is chance.
    if (cancelled && (status.isOk() || status.getCode() == Status.Code.CANCELLED)) {
      outcome.addProperty("code", "cancelled or over");
      return outcome;
    }
    JsonArray prefixes = part.fields.getAsJsonArray("fields");
    outcome.addProperty("code", status.getCode().name());
    outcome.addProperty("details", status.getDescription() == null ? "" : status.getDescription());
    outcome.add("initial", Script.told(initial, prefixes));
    outcome.add("messages", messages);
    outcome.add("trailing", Script.told(trailing, prefixes));
    return outcome;
  }
}
