package interop;

import com.google.protobuf.ByteString;
import grpc.testing.TestService;
import io.grpc.testing.integration.EmptyProtos.Empty;
import io.grpc.testing.integration.Messages.EchoStatus;
import io.grpc.testing.integration.Messages.Payload;
import io.grpc.testing.integration.Messages.SimpleRequest;
import io.grpc.testing.integration.Messages.SimpleResponse;
import io.grpc.testing.integration.Messages.StreamingInputCallRequest;
import io.grpc.testing.integration.Messages.StreamingInputCallResponse;
import io.grpc.testing.integration.Messages.StreamingOutputCallRequest;
import io.grpc.testing.integration.Messages.StreamingOutputCallResponse;
import org.apache.dubbo.common.stream.StreamObserver;
import org.apache.dubbo.rpc.TriRpcStatus;

/** The interop server over Dubbo. */
final class DubboServer implements TestService {
  static Payload payload(int size) {
    return Payload.newBuilder().setBody(ByteString.copyFrom(new byte[size])).build();
  }

  @Override
  public Empty EmptyCall(Empty request) {
    return Empty.getDefaultInstance();
  }

  @Override
  public SimpleResponse UnaryCall(SimpleRequest request) {
    if (request.getResponseStatus().getCode() != 0) {
      throw failure(request.getResponseStatus());
    }
    return SimpleResponse.newBuilder().setPayload(payload(request.getResponseSize())).build();
  }

  @Override
  public void StreamingOutputCall(
      StreamingOutputCallRequest request, StreamObserver<StreamingOutputCallResponse> answers) {
    answer(request, answers);
    answers.onCompleted();
  }

  @Override
  public StreamObserver<StreamingInputCallRequest> StreamingInputCall(
      StreamObserver<StreamingInputCallResponse> answer) {
    return new StreamObserver<>() {
      private int total;

      @Override
      public void onNext(StreamingInputCallRequest request) {
        total += request.getPayload().getBody().size();
      }

      @Override
      public void onError(Throwable error) {}

      @Override
      public void onCompleted() {
        answer.onNext(
            StreamingInputCallResponse.newBuilder().setAggregatedPayloadSize(total).build());
        answer.onCompleted();
      }
    };
  }

  @Override
  public StreamObserver<StreamingOutputCallRequest> FullDuplexCall(
      StreamObserver<StreamingOutputCallResponse> answers) {
    return new StreamObserver<>() {
      @Override
      public void onNext(StreamingOutputCallRequest request) {
        if (request.getResponseStatus().getCode() != 0) {
          answers.onError(failure(request.getResponseStatus()));
        } else {
          answer(request, answers);
        }
      }

      @Override
      public void onError(Throwable error) {}

      @Override
      public void onCompleted() {
        answers.onCompleted();
      }
    };
  }

  private static RuntimeException failure(EchoStatus status) {
    return TriRpcStatus.fromCode(status.getCode()).withDescription(status.getMessage()).asException();
  }

  private static void answer(
      StreamingOutputCallRequest request, StreamObserver<StreamingOutputCallResponse> answers) {
    for (var parameters : request.getResponseParametersList()) {
      answers.onNext(
          StreamingOutputCallResponse.newBuilder().setPayload(payload(parameters.getSize())).build());
    }
  }
}
