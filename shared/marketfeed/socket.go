package marketfeed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Socket is one authenticated connection. Run reads it; Subscribe and Unsubscribe may be called while Run runs, from
// any goroutine.
type Socket struct {
	config Config
	source Source
	conn   *websocket.Conn
	packed bool
	reader *packedReader

	requests sync.Mutex // one request at a time: answers have no names
	// waiter is where the request under way waits for its answer; nil without one.
	waiter atomic.Pointer[chan error]
}

// Dial connects and authenticates. While another connection holds the place of the user, it waits on the same socket,
// as Alpaca's own SDK does, and calls waiting each time that it was refused.
func (d *Dialer) Dial(ctx context.Context, source Source, credentials alpaca.Credentials, waiting func()) (*Socket, error) {
	s := &Socket{
		config: d.config, source: source, packed: source.packed || d.config.Codec == MessagePack,
		reader: newPackedReader(),
	}
	contentType := "application/json"
	if s.packed {
		contentType = "application/msgpack"
	}
	opening, cancel := context.WithTimeout(ctx, d.config.Timeout)
	defer cancel()
	//nolint:bodyclose // the library closes it
	conn, response, err := websocket.Dial(opening, d.base.JoinPath(source.path).String(), &websocket.DialOptions{
		HTTPClient: d.client, HTTPHeader: http.Header{"Content-Type": {contentType}}, CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, handshakeError(response, err)
	}
	conn.SetReadLimit(maxFrame)
	s.conn = conn
	if err := s.authenticate(ctx, credentials, waiting); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// Close says goodbye, so that the place is free at once and not only after 90 s.
func (s *Socket) Close() { _ = s.conn.Close(websocket.StatusNormalClosure, "") } // what else could be done

func (s *Socket) authenticate(ctx context.Context, credentials alpaca.Credentials, waiting func()) error {
	if err := s.expect(ctx, textConnected); err != nil {
		return err
	}
	giveUp := time.Now().Add(s.config.AuthWait)
	for pause := authPause; ; pause = min(2*pause, maxAuthPause) {
		if err := s.send(ctx, map[string]any{"action": "auth", "key": credentials.KeyID, "secret": credentials.SecretKey}); err != nil {
			return err
		}
		err := s.expect(ctx, textAuthenticated)
		if !errors.Is(err, ErrConnectionLimit) || time.Now().Add(pause).After(giveUp) {
			return err
		}
		waiting()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}

// expect reads frames until one says text, or is an error.
func (s *Socket) expect(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	for found := false; !found; {
		_, frame, err := s.conn.Read(ctx)
		if err != nil {
			return fmt.Errorf("wait for %q: %w", text, err)
		}
		err = s.decode(frame, func(m *message) error {
			found = found || m.kind == typeSuccess && m.text == text
			if m.kind == typeError {
				return &RefusedError{Code: m.code, Text: m.text}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Socket) decode(frame []byte, handle func(*message) error) error {
	if s.packed {
		return s.reader.read(frame, handle)
	}
	return readText(frame, handle)
}

func (s *Socket) send(ctx context.Context, request map[string]any) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.Timeout)
	defer cancel()
	kind, encode := websocket.MessageText, json.Marshal
	if s.packed {
		kind, encode = websocket.MessageBinary, msgpack.Marshal
	}
	frame, err := encode(request)
	if err != nil {
		return fmt.Errorf("encode a request: %w", err)
	}
	if err := s.conn.Write(ctx, kind, frame); err != nil {
		return fmt.Errorf("send a request: %w", err)
	}
	return nil
}

// Run reads until the connection or ctx ends, and returns why. handle gets every event and must not keep it.
func (s *Socket) Run(ctx context.Context, handle func(*tick.Event)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var pings sync.WaitGroup
	pings.Go(func() { s.ping(ctx, cancel) })
	defer pings.Wait()
	defer cancel(nil)
	for {
		_, frame, err := s.conn.Read(ctx)
		if err != nil {
			if cause := context.Cause(ctx); cause != nil {
				return cause
			}
			return fmt.Errorf("read: %w", err)
		}
		if err := s.decode(frame, func(m *message) error { return s.take(m, handle) }); err != nil {
			return err
		}
	}
}

func (s *Socket) take(m *message, handle func(*tick.Event)) error {
	if m.control() {
		return s.control(m)
	}
	if e, ok := m.event(s.source.Class); ok {
		handle(&e)
	}
	return nil
}

// control hands an answer to whoever waits. An error that nobody waits for ends the connection: 407 and 500 are such.
func (s *Socket) control(m *message) error {
	var refused error
	if m.kind == typeError {
		refused = &RefusedError{Code: m.code, Text: m.text}
	}
	if waiter := s.waiter.Swap(nil); waiter != nil {
		*waiter <- refused // it has room for one
		return nil
	}
	return refused
}

// ping ends the connection when no pong comes.
func (s *Socket) ping(ctx context.Context, end context.CancelCauseFunc) {
	ticker := time.NewTicker(s.config.PingEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		wait, cancel := context.WithTimeout(ctx, s.config.PingEvery/2)
		err := s.conn.Ping(wait)
		cancel()
		if err != nil && ctx.Err() == nil {
			end(ErrSilent)
			return
		}
	}
}
