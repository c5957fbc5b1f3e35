package control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.protobuf.ByteString;
import com.google.protobuf.BytesValue;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.protobuf.ProtoUtils;
import java.util.HexFormat;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/** The words of a script, as gRPC has them. */
final class Script {
  static final String SERVICE = "control.Echo";
  static final Metadata.Key<byte[]> FIELD =
      Metadata.Key.of("script-bin", Metadata.BINARY_BYTE_MARSHALLER);
  /** Octets of a message that is shown by its length only. */
  private static final int LONG = 200;
  /** Octets of the stack of a thread that runs a call: there may be thousands. */
  private static final long STACK = 256 << 10;

  private Script() {}

  static MethodDescriptor<BytesValue, BytesValue> method(MethodType type) {
    var messages = ProtoUtils.marshaller(BytesValue.getDefaultInstance());
    return MethodDescriptor.newBuilder(messages, messages)
        .setType(type)
        .setFullMethodName(SERVICE + "/Do")
        .build();
  }

  /** A thread for each call. */
  static ExecutorService threads() {
    return Executors.newCachedThreadPool(
        run -> {
          Thread thread = new Thread(null, run, "call", STACK);
          thread.setDaemon(true);
          return thread;
        });
  }

  /** Metadata of a script's; values of binary fields are in hexadecimal there. */
  static Metadata metadata(JsonElement fields) {
    Metadata metadata = new Metadata();
    for (JsonElement field : fields.getAsJsonArray()) {
      String name = field.getAsJsonArray().get(0).getAsString();
      String value = field.getAsJsonArray().get(1).getAsString();
      if (name.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
        metadata.put(binary(name), HexFormat.of().parseHex(value));
      } else {
        metadata.put(text(name), value);
      }
    }
    return metadata;
  }

  /** The other way, of the fields with these prefixes: names sorted, values in their order. */
  static JsonArray told(Metadata metadata, JsonArray prefixes) {
    JsonArray fields = new JsonArray();
    for (String name : new TreeSet<>(metadata.keys())) {
      boolean wanted = false;
      for (JsonElement prefix : prefixes) {
        wanted |= name.startsWith(prefix.getAsString());
      }
      if (wanted && name.endsWith(Metadata.BINARY_HEADER_SUFFIX)) {
        metadata.getAll(binary(name)).forEach(value -> add(fields, name, HexFormat.of().formatHex(value)));
      } else if (wanted) {
        metadata.getAll(text(name)).forEach(value -> add(fields, name, value));
      }
    }
    return fields;
  }

  private static void add(JsonArray fields, String name, String value) {
    JsonArray field = new JsonArray();
    field.add(name);
    field.add(value);
    fields.add(field);
  }

  private static Metadata.Key<byte[]> binary(String name) {
    return Metadata.Key.of(name, Metadata.BINARY_BYTE_MARSHALLER);
  }

  private static Metadata.Key<String> text(String name) {
    return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
  }

  static BytesValue message(JsonObject send) {
    ByteString octets =
        send.has("octets")
            ? ByteString.copyFrom(new byte[send.get("octets").getAsInt()])
            : ByteString.copyFromUtf8(send.get("text").getAsString());
    return BytesValue.of(octets);
  }

  static String shown(BytesValue message) {
    ByteString octets = message.getValue();
    if (octets.size() >= LONG || octets.toStringUtf8().indexOf('\0') >= 0) {
      return octets.size() + " octets";
    }
    return octets.toStringUtf8();
  }
}
