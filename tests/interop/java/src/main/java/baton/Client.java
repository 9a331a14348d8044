package baton;

import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** The interop client in Java; see ../README.md for what every client does. */
public final class Client {
  /** Messages are bytes here: the schema is not what this test is about. */
  private static final MethodDescriptor.Marshaller<byte[]> RAW =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] value) {
          return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        }
      };

  private static final MethodDescriptor<byte[], byte[]> PREDICT =
      MethodDescriptor.newBuilder(RAW, RAW)
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("tensorflow.serving.PredictionService/Predict")
          .build();

  private record Answer(Status status, byte[] bytes) {
    String code() {
      return Integer.toString(status.getCode().value());
    }

    String hex() {
      return HexFormat.of().formatHex(bytes);
    }
  }

  private static Answer call(ManagedChannel channel, byte[] request, long millis) {
    try {
      CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(millis, TimeUnit.MILLISECONDS);
      return new Answer(Status.OK, ClientCalls.blockingUnaryCall(channel, PREDICT, options, request));
    } catch (StatusRuntimeException e) {
      return new Answer(e.getStatus(), new byte[0]);
    }
  }

  public static void main(String[] arguments) throws Exception {
    Path folder = Path.of(arguments[1]);
    byte[] predict = Files.readAllBytes(folder.resolve("predict.bin"));
    byte[] missing = Files.readAllBytes(folder.resolve("missing.bin"));
    byte[] slow = Files.readAllBytes(folder.resolve("slow.bin"));
    ManagedChannel channel = ManagedChannelBuilder.forTarget(arguments[0]).usePlaintext().build();

    Answer answer = call(channel, predict, 10000);
    System.out.println("unary " + answer.code() + " " + answer.hex());
    answer = call(channel, missing, 10000);
    System.out.println("error " + answer.code() + " " + answer.status().getDescription());
    long started = System.nanoTime();
    answer = call(channel, slow, 200);
    System.out.println("deadline " + answer.code() + " " + (System.nanoTime() - started) / 1000000);

    CompletableFuture<Answer> pending = CompletableFuture.supplyAsync(() -> call(channel, slow, 10000));
    Thread.sleep(50); // lets the other thread's call go first; the next one then follows it on the wire
    call(channel, predict, 10000);
    System.out.println("inflight");
    answer = pending.get();
    System.out.println("slow " + answer.code() + " " + answer.hex());
    do {
      answer = call(channel, predict, 10000);
      if (answer.status().getCode() == Status.Code.UNAVAILABLE) {
        Thread.sleep(50);
      }
    } while (answer.status().getCode() == Status.Code.UNAVAILABLE);
    System.out.println("again " + answer.code() + " " + answer.hex());
    channel.shutdownNow().awaitTermination(5, TimeUnit.SECONDS);
  }
}
