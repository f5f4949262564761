// Command image runs a program, ko, with a base image that it serves itself: image -- ko build ...
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"time"

	"knative.dev/pkg/signals"

	"github.com/opitios-ai/alpaca-knative/knative/image"
)

func main() {
	err := run(signals.NewContext(), os.Args[1:])
	var ended *exec.ExitError
	switch {
	case errors.As(err, &ended):
		os.Exit(ended.ExitCode())
	case err != nil:
		_, _ = fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("want a program and its arguments")

func run(ctx context.Context, arguments []string) error {
	if len(arguments) > 0 && arguments[0] == "--" {
		arguments = arguments[1:]
	}
	if len(arguments) == 0 {
		return errUsage
	}
	base, err := image.New(runtime.GOARCH)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: base, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(listener) }() // it ends with the process
	defer func() { _ = server.Close() }()
	program := exec.CommandContext(ctx, arguments[0], arguments[1:]...) //nolint:gosec // running it is the purpose
	program.Stdin, program.Stdout, program.Stderr = os.Stdin, os.Stdout, os.Stderr
	program.Env = append(os.Environ(), "KO_DEFAULTBASEIMAGE="+listener.Addr().String()+"/base:1")
	return program.Run()
}
