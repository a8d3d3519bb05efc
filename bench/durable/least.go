package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
)

// leastVariable makes this program a server that does the least that is durable: one append and one fdatasync before
// each answer, to a file in the folder that the variable names. What it takes longer than a bare fdatasync is HTTP
// between two processes.
const leastVariable = "AWAITD_BENCH_LEAST"

func serveLeast(dir string) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, "least")
	if err != nil {
		return err
	}
	if err := os.Remove(file.Name()); err != nil {
		return err
	}
	var one sync.Mutex
	fmt.Fprintf(os.Stderr, `{"url":"http://%s"}`+"\n", listener.Addr())
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		one.Lock()
		defer one.Unlock()
		_, err := file.Write(make([]byte, appended))
		if err == nil {
			err = syscall.Fdatasync(int(file.Fd()))
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = w.Write([]byte("{}"))
	}))
}
