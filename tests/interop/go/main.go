// The interop client in Go; see ../README.md for what every client does.
package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

const method = "/tensorflow.serving.PredictionService/Predict"

// Messages are bytes here: the schema is not what this test is about.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error)      { return *v.(*[]byte), nil }
func (rawCodec) Unmarshal(data []byte, v any) error { *v.(*[]byte) = append([]byte(nil), data...); return nil }
func (rawCodec) Name() string                       { return "proto" }

func call(conn *grpc.ClientConn, request []byte, timeout time.Duration) ([]byte, *status.Status) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	var response []byte
	err := conn.Invoke(ctx, method, &request, &response, grpc.ForceCodec(rawCodec{}))
	return response, status.Convert(err)
}

func main() {
	request := map[string][]byte{}
	for _, name := range []string{"predict", "missing", "slow"} {
		data, err := os.ReadFile(os.Args[2] + "/" + name + ".bin")
		if err != nil {
			panic(err)
		}
		request[name] = data
	}
	conn, err := grpc.Dial(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		panic(err)
	}
	defer conn.Close()

	response, st := call(conn, request["predict"], 10*time.Second)
	fmt.Printf("unary %d %s\n", st.Code(), hex.EncodeToString(response))
	_, st = call(conn, request["missing"], 10*time.Second)
	fmt.Printf("error %d %s\n", st.Code(), st.Message())
	started := time.Now()
	_, st = call(conn, request["slow"], 200*time.Millisecond)
	fmt.Printf("deadline %d %d\n", st.Code(), time.Since(started).Milliseconds())

	slow := make(chan string)
	go func() {
		response, st := call(conn, request["slow"], 10*time.Second)
		slow <- fmt.Sprintf("slow %d %s", st.Code(), hex.EncodeToString(response))
	}()
	time.Sleep(50 * time.Millisecond) // lets the goroutine's call go first; the next one then follows it on the wire
	call(conn, request["predict"], 10*time.Second)
	fmt.Println("inflight")
	fmt.Println(<-slow)
	for {
		response, st = call(conn, request["predict"], 10*time.Second)
		if st.Code() != codes.Unavailable {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	fmt.Printf("again %d %s\n", st.Code(), hex.EncodeToString(response))
}
