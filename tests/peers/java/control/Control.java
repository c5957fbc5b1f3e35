package control;

import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;

/**
 * A client and a server over grpc-java that do what a script says: see tests/peers/README.md, "What
 * the control does, the mesh does".
 *
 * <p>{@code java control.Control server PORT OPTIONS} and {@code java control.Control client
 * AUTHORITY}, which reads a case a line and says its outcome.
 */
public final class Control {
  private Control() {}

  public static void main(String[] arguments) throws Exception {
    if (arguments.length == 3 && arguments[0].equals("server")) {
      var options = JsonParser.parseString(arguments[2]).getAsJsonObject();
      Server.serve(Integer.parseInt(arguments[1]), options);
    } else if (arguments.length == 2 && arguments[0].equals("client")) {
      var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        var one = JsonParser.parseString(line).getAsJsonObject();
        System.out.println(new Client(one).run(arguments[1]));
      }
      System.exit(0);
    } else {
      System.err.println("usage: Control server PORT OPTIONS | Control client AUTHORITY");
      System.exit(2);
    }
  }
}
