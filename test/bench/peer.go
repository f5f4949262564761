package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// peerVariable makes this program the peer of a measurement instead of the benchmark: a bare net/http handler that reads
// the request and writes so many bytes of JSON.
const peerVariable = "BENCH_PEER"

// servePeer answers every request with the same bytes until the process is ended.
func servePeer(ctx context.Context, setting string) error {
	address, size, _ := strings.Cut(setting, "/")
	length, err := strconv.Atoi(size)
	if err != nil {
		return err
	}
	body := []byte(`{"text":"` + strings.Repeat("x", max(0, length-11)) + `"}`)
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	server := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Type"] = []string{"application/json"}
		_, _ = w.Write(body)
	})}
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// startPeer starts the peer in a process of its own.
func startPeer(ctx context.Context, size int) (address string, stop func(), err error) {
	port, err := freePort(ctx)
	if err != nil {
		return "", nil, err
	}
	address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	stop, err = startSelf(ctx, address, peerVariable+"="+address+"/"+strconv.Itoa(size))
	return address, stop, err
}

// startSelf starts this program again with more environment, as which it is something else, and waits until it listens
// at address.
func startSelf(ctx context.Context, address string, environ ...string) (stop func(), err error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	command := exec.CommandContext(ctx, program)
	command.Env = append(os.Environ(), environ...)
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = command.Process.Kill()
		_ = command.Wait() // killed on purpose
	}
	if _, err := dialWhenListening(ctx, address); err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}
