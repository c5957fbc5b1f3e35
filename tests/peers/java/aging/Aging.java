package aging;

import io.grpc.netty.NettyServerBuilder;
import io.grpc.testing.integration.TestServiceImpl;
import java.net.InetSocketAddress;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;

/**
 * Serves grpc.testing.TestService over grpc-java and ends each connection when it is about a second old,
 * as servers with a maximum connection age do.
 *
 * <pre>Aging PORT</pre>
 */
public final class Aging {
  private Aging() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length != 1) {
      System.err.println("usage: Aging PORT");
      System.exit(2);
    }
    var address = new InetSocketAddress("127.0.0.1", Integer.parseInt(arguments[0]));
    var timer = Executors.newSingleThreadScheduledExecutor();
    // Calls that run are left to finish: there is no grace to end.
    NettyServerBuilder.forAddress(address)
        .maxConnectionAge(1, TimeUnit.SECONDS)
        .addService(new TestServiceImpl(timer))
        .build()
        .start()
        .awaitTermination();
  }
}
