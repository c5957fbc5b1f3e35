package control;

import com.google.protobuf.BytesValue;
import java.util.Optional;
import java.util.concurrent.LinkedBlockingQueue;

/** What came of the other end and was not read yet, and whether more may be sent to it. */
final class Inbox {
  private final LinkedBlockingQueue<Optional<BytesValue>> messages = new LinkedBlockingQueue<>();
  private boolean over;

  void add(BytesValue message) {
    messages.add(Optional.of(message));
  }

  /** Nothing more will come; who waits to send need not wait any more. */
  void end() {
    messages.add(Optional.empty());
    ready();
  }

  synchronized void ready() {
    notifyAll();
  }

  /** The next message, or null at the end. */
  BytesValue next() throws InterruptedException {
    if (over) {
      return null;
    }
    BytesValue message = messages.take().orElse(null);
    over = message == null;
    return message;
  }

  /** Returns when the transport takes more, or when it never will. */
  synchronized void untilReady(java.util.function.BooleanSupplier ready) throws InterruptedException {
    while (!ready.getAsBoolean()) {
      wait();
    }
  }
}
