package order_test

import (
	"context"
	"errors"
	"net"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// errCut is what a cut connection to Redis looks like.
var errCut = &net.OpError{Op: "read", Err: errors.New("connection reset by the test")}

// spy counts the commands of the order path and can cut its Redis off.
type spy struct {
	mu       sync.Mutex
	commands []string
	allowed  int // commands that still go through; meaningful when cut
	isCut    bool
}

// on puts the spy in front of client.
func (s *spy) on(client store.Client) {
	client.(interface{ AddHook(redis.Hook) }).AddHook(s)
}

// cutAfter lets n more commands through: what a process that dies there leaves behind.
func (s *spy) cutAfter(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isCut, s.allowed = true, n
}

func (s *spy) heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.isCut = false
}

// reset forgets the commands so far.
func (s *spy) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.commands = nil
}

func (s *spy) seen() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.commands...)
}

func (s *spy) pass(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isCut && s.allowed == 0 {
		return errCut
	}
	if s.isCut {
		s.allowed--
	}
	s.commands = append(s.commands, name)
	return nil
}

func (s *spy) takeBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.allowed++
	s.commands = s.commands[:len(s.commands)-1]
}

// DialHook changes nothing.
func (s *spy) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook counts one command, or cuts it off.
func (s *spy) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		if command.Name() == "hello" { // a new connection
			return next(ctx, command)
		}
		if err := s.pass(command.Name()); err != nil {
			command.SetErr(err)
			return err
		}
		err := next(ctx, command)
		if redis.HasErrorPrefix(err, "NOSCRIPT") { // go-redis sends the script in full now: still one step of ours
			s.takeBack()
		}
		return err
	}
}

// ProcessPipelineHook changes nothing: the order path has no pipelines, only new connections do.
func (s *spy) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}
