package grpc.testing;

import io.grpc.testing.integration.EmptyProtos.Empty;
import io.grpc.testing.integration.Messages.SimpleRequest;
import io.grpc.testing.integration.Messages.SimpleResponse;
import io.grpc.testing.integration.Messages.StreamingInputCallRequest;
import io.grpc.testing.integration.Messages.StreamingInputCallResponse;
import io.grpc.testing.integration.Messages.StreamingOutputCallRequest;
import io.grpc.testing.integration.Messages.StreamingOutputCallResponse;
import org.apache.dubbo.common.stream.StreamObserver;

/**
 * The interop protocol as Dubbo takes it: the path of a call is the interface's and the method's
 * name, and a message of protobuf travels as it is.
 */
public interface TestService {
  Empty EmptyCall(Empty request);

  SimpleResponse UnaryCall(SimpleRequest request);

  void StreamingOutputCall(
      StreamingOutputCallRequest request, StreamObserver<StreamingOutputCallResponse> answers);

  StreamObserver<StreamingInputCallRequest> StreamingInputCall(
      StreamObserver<StreamingInputCallResponse> answer);

  StreamObserver<StreamingOutputCallRequest> FullDuplexCall(
      StreamObserver<StreamingOutputCallResponse> answers);
}
