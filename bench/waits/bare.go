package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync/atomic"

	"github.com/awaitd/awaitd/internal/server"
)

// bareVariable makes this program a server that does nothing but hold callers: what net/http itself takes for each.
const bareVariable = "AWAITD_BENCH_BARE"

// serveBare holds every caller until another posts something, counts them like awaitd, and says where it listens.
func serveBare() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var held atomic.Int64
	release := make(chan struct{})
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	bare := &http.Server{
		Protocols: &protocols, HTTP2: &http.HTTP2Config{MaxConcurrentStreams: server.StreamsMax},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch {
			case r.URL.Path == "/metrics":
				_, _ = fmt.Fprintf(w, "awaitd_waiters %d\n%s", held.Load(), memory())
			case r.URL.Path == "/wait":
				_, _ = io.ReadAll(r.Body) // which leaves it behind
			case r.Method == http.MethodPost:
				close(release)
				_, _ = w.Write([]byte("{}"))
			default:
				held.Add(1)
				<-release
				_, _ = w.Write([]byte("{}"))
			}
		}),
	}
	fmt.Fprintf(os.Stderr, `{"url":"http://%s"}`+"\n", listener.Addr())
	return bare.Serve(listener)
}

// memory is what the process says of its memory.
func memory() string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return fmt.Sprintf("%s %d\n%s %d\n%s %d\n%s %d\n",
		collections, m.NumGC, goal, m.NextGC, heap, m.HeapAlloc, stack, m.StackInuse)
}
