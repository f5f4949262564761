// Package redisprocess starts real redis-server processes for tests: single servers, and clusters with or without
// replicas. They keep nothing on disk but a cluster's own configuration, and end with the process that started them.
package redisprocess

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

const (
	patience = 20 * time.Second
	poll     = 5 * time.Millisecond
)

// ErrMissing means that there is no redis-server on the PATH.
var ErrMissing = errors.New("redis-server is not on the PATH: install it (Debian: apt-get install redis-server)")

// Server is one redis-server below a shell that ends it when its standard input closes: also when the process that
// started it is killed. For one goroutine at a time.
type Server struct {
	// Port is where it listens on 127.0.0.1, Bus the port of the cluster's own protocol, 0 for a single server.
	Port, Bus int

	directory string
	arguments []string
	command   *exec.Cmd
	input     io.Closer
	pid       int
}

// Start runs one server and returns when it answers. With clustered it is a node of a cluster yet to be made; more are
// further settings, for example "--cluster-node-timeout", "1000".
func Start(ctx context.Context, clustered bool, more ...string) (*Server, error) {
	if _, err := exec.LookPath("redis-server"); err != nil {
		return nil, ErrMissing
	}
	directory, err := os.MkdirTemp("", "redisprocess-")
	if err != nil {
		return nil, err
	}
	s := &Server{directory: directory}
	if s.Port, err = freePort(); err != nil {
		return nil, err
	}
	// What a replica copied stays in its folder otherwise, and is what it begins with after a crash.
	s.arguments = []string{
		"--port", strconv.Itoa(s.Port), "--bind", "127.0.0.1", "--dir", directory, "--save", "", "--appendonly", "no",
		"--rdb-del-sync-files", "yes",
	}
	if clustered {
		if s.Bus, err = freePort(); err != nil {
			return nil, err
		}
		s.arguments = append(s.arguments, "--cluster-enabled", "yes", "--cluster-port", strconv.Itoa(s.Bus))
	}
	s.arguments = append(s.arguments, more...)
	if err := s.Restart(ctx); err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

// Restart runs the server again, on its former port, after it ended.
func (s *Server) Restart(ctx context.Context) error {
	s.end()
	const script = `redis-server "$@" >/dev/null & server=$!; read -r _; kill -CONT "$server"; kill "$server"; wait "$server"`
	s.command = exec.Command("sh", append([]string{"-c", script, "sh"}, s.arguments...)...)
	input, err := s.command.StdinPipe()
	if err != nil {
		return err
	}
	s.input = input
	if err := s.command.Start(); err != nil {
		return err
	}
	client := s.Client()
	defer client.Close()
	var info string
	if err := await(ctx, fmt.Sprintf("redis-server on port %d answers", s.Port), func() bool {
		info, err = client.Info(ctx, "server").Result()
		return err == nil
	}); err != nil {
		return err
	}
	_, rest, _ := strings.Cut(info, "process_id:")
	number, _, _ := strings.Cut(rest, "\r\n")
	s.pid, err = strconv.Atoi(number)
	return err
}

// Signal sends a signal to the server's process: SIGKILL is a crash, SIGSTOP a pause that SIGCONT ends.
func (s *Server) Signal(signal syscall.Signal) error { return syscall.Kill(s.pid, signal) }

// Stop ends the server and removes its directory.
func (s *Server) Stop() {
	s.end()
	_ = os.RemoveAll(s.directory) // it is in the temporary folder
}

func (s *Server) end() {
	if s.command == nil || s.command.Process == nil {
		return
	}
	_ = s.input.Close()
	_ = s.command.Wait() // its status is that of a server that was told to end
	s.command = nil
}

// Client returns a client of this server alone, to be closed by the caller.
func (s *Server) Client() *redis.Client {
	return redis.NewClient(&redis.Options{
		Addr: s.Address(), MaxRetries: -1, DialerRetries: 1, DisableIdentity: true,
		DialTimeout: time.Second, ReadTimeout: time.Second, WriteTimeout: time.Second,
	})
}

// Address is host:port.
func (s *Server) Address() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.Port)) }

// await polls until condition holds, ctx ends, or patience does.
func await(ctx context.Context, what string, condition func() bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not in time: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
	return nil
}

func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, fmt.Errorf("%T is no TCP address", listener.Addr())
	}
	return address.Port, nil
}
