package control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import io.grpc.ManagedChannel;
import io.grpc.netty.NettyChannelBuilder;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/** A case: all its parts at once, over a channel of its own. */
final class Client {
  static final ExecutorService THREADS = Script.threads();

  private final JsonObject one;

  Client(JsonObject one) {
    this.one = one;
  }

  String run(String authority) throws Exception {
    String[] address = one.get("address").getAsString().split(":");
    ManagedChannel channel =
        NettyChannelBuilder.forAddress(
                new InetSocketAddress(address[0], Integer.parseInt(address[1])))
            .usePlaintext()
            .overrideAuthority(authority)
            .directExecutor()
            .maxInboundMessageSize(Integer.MAX_VALUE)
            .build();
    List<Future<JsonArray>> ended = new ArrayList<>();
    for (JsonElement fields : one.getAsJsonArray("parts")) {
      Part part = new Part(fields.getAsJsonObject());
      ended.add(THREADS.submit(() -> part.run(channel)));
    }
    JsonArray parts = new JsonArray();
    for (Future<JsonArray> part : ended) {
      parts.add(part.get());
    }
    channel.shutdownNow();
    JsonObject said = new JsonObject();
    said.add("name", one.get("name"));
    said.add("parts", parts);
    return said.toString();
  }

  /** Calls of a case that are alike. */
  static final class Part {
    final JsonObject fields;
    /** Calls that have come to where all wait for each other, or have ended. */
    final CountDownLatch missing;

    Part(JsonObject fields) {
      this.fields = fields;
      missing = new CountDownLatch(number("calls"));
    }

    int number(String name) {
      return fields.get(name).getAsInt();
    }

    /** Makes all calls; how many ended alike, and how. */
    JsonArray run(ManagedChannel channel) throws Exception {
      TreeMap<String, Integer> counts = new TreeMap<>();
      AtomicInteger next = new AtomicInteger();
      List<Future<?>> callers = new ArrayList<>();
      for (int caller = number("at_once"); caller > 0; caller--) {
        callers.add(
            THREADS.submit(
                () -> {
                  for (int at = next.getAndIncrement(); at < number("calls"); at = next.getAndIncrement()) {
                    String outcome = new Call(this, at).run(channel).toString();
                    synchronized (counts) {
                      counts.merge(outcome, 1, Integer::sum);
                    }
                  }
                  return null;
                }));
      }
      for (Future<?> caller : callers) {
        caller.get();
      }
      JsonArray ended = new JsonArray();
      counts.forEach(
          (outcome, count) -> {
            JsonObject alike = new JsonObject();
            alike.addProperty("count", count);
            alike.add("outcome", JsonParser.parseString(outcome));
            ended.add(alike);
          });
      return ended;
    }
  }
}
