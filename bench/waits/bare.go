package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"

	"github.com/awaitd/awaitd/bench/process"
	"github.com/awaitd/awaitd/internal/server"
)

// bareVariable makes this program a server that does nothing but hold callers: what net/http itself takes for each.
const bareVariable = "AWAITD_BENCH_BARE"

// serveBare holds every caller until another sets an event, counts them like awaitd, and says where it listens.
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
			switch r.URL.Path {
			case "/metrics":
				_, _ = fmt.Fprintf(w, "awaitd_waiters %d\n", held.Load())
			case "/set":
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

// measureBare parks the same callers on such a server.
func (b *bench) measureBare(p *process.Server) error {
	before, err := p.Resident()
	if err != nil {
		return err
	}
	fault := make(chan error, b.parked)
	for range b.parked {
		go func() { fault <- p.Call("GET", "/", nil, nil) }()
	}
	if err := until(p, "awaitd_waiters", b.parked); err != nil {
		return err
	}
	during, err := p.Resident()
	if err != nil {
		return err
	}
	if err := p.Call("POST", "/set", nil, nil); err != nil {
		return err
	}
	for range b.parked {
		if err := <-fault; err != nil {
			return err
		}
	}
	b.table.Add(fmt.Sprintf("%d callers on a handler that does nothing, memory each", b.parked), "KiB",
		(during-before)/1024/float64(b.parked))
	return nil
}
