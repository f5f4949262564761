package stream

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

const (
	// maxRequest bounds a client's message: 10,000 symbols fit, so that they get an answer that names the limit.
	maxRequest = 256 << 10
	// authTimeout is how long a client may take to say who it is.
	authTimeout = 10 * time.Second
	// readBuffer and controlBuffer are in bytes. The library writes nothing but control frames, of 127 bytes at most.
	readBuffer    = 512
	controlBuffer = 160
	// sendBuffer bounds what the kernel holds for a client. With its default of megabytes a slow client would read
	// minutes of old prices before it got to the newest.
	sendBuffer = 64 << 10
)

// socket is the WebSocket transport: a frame is a JSON array of messages. Its frames go to the connection in one write
// each, from a buffer that all clients share; the library would keep one of 4 KiB for every client.
type socket struct {
	conn    *websocket.Conn
	raw     net.Conn
	timeout time.Duration
	aborted atomic.Bool
}

func (s *socket) encode(frame []byte, bodies []letter) []byte {
	size := len(bodies) + 1 // brackets and commas
	for _, b := range bodies {
		size += len(b.body)
	}
	frame = append(appendHeader(frame, size), '[')
	for i, b := range bodies {
		if i > 0 {
			frame = append(frame, ',')
		}
		frame = append(frame, b.body...)
	}
	return append(frame, ']')
}

// appendHeader appends the header of a whole text frame, which a server sends without a mask (RFC 6455, section 5.2).
func appendHeader(frame []byte, size int) []byte {
	const finText = 0x81
	switch {
	case size < 126:
		return append(frame, finText, byte(size))
	case size <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(frame, finText, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(frame, finText, 127), uint64(size))
	}
}

// send writes a whole frame at once. Writes of a net.Conn exclude each other, and the library's frames are one write each
// too, so that the two never mix.
func (s *socket) send(frame []byte) error {
	if err := s.raw.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if _, err := s.raw.Write(frame); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

func (s *socket) finish(code int, reason string) {
	_ = s.raw.SetWriteDeadline(time.Now().Add(time.Second)) // the close below fails if this does
	_ = s.raw.SetReadDeadline(time.Now().Add(time.Second))
	_ = s.conn.Close(websocket.StatusCode(code), reason) // a client that is gone needs no goodbye
}

func (s *socket) ping(ctx context.Context) error { return s.conn.Ping(ctx) }

func (s *socket) abort() {
	if s.aborted.CompareAndSwap(false, true) {
		_ = s.conn.CloseNow() // nothing is left to be done about an error
	}
}

// ServeWebSocket upgrades the request. The token comes in the Authorization header, as ?ticket=, or in the first
// message.
func (s *Service) ServeWebSocket(w http.ResponseWriter, r *serve.Request[serve.None]) error {
	claims, err := s.claimsOf(r.Request)
	if err != nil {
		return err
	}
	const name = "websocket"
	if err := s.begin(name); err != nil {
		return err
	}
	taken := &hijacked{ResponseWriter: w}
	// Origins are not checked: a browser sends no credentials by itself here, the page must have the token.
	conn, err := websocket.Accept(taken, r.Request, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		s.leave(name)
		return problem.InvalidRequest.New("the request is not the handshake of a WebSocket").Because(err)
	}
	conn.SetReadLimit(maxRequest)
	if tcp, ok := taken.conn.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(sendBuffer) // the system's default works too, only with older prices for slow clients
	}
	s.metrics.http.ConnectionOpened()
	c := s.newClient(newConnectionID(), &socket{conn: conn, raw: taken.conn, timeout: s.config.WriteTimeout})
	// The handler returns and with it goes what net/http holds of the request; the stream lives on.
	go func() {
		defer s.leave(name)
		defer s.metrics.http.ConnectionClosed()
		c.serveSocket(conn, taken.conn, claims)
	}()
	return nil
}

// claimsOf returns the claims of the header's token or the query's ticket; nil when there is neither.
func (s *Service) claimsOf(r *http.Request) (*auth.Claims, error) {
	if ticket := r.URL.Query().Get("ticket"); ticket != "" {
		return s.tickets.Redeem(r.Context(), ticket)
	}
	if r.Header.Get("Authorization") == "" {
		return nil, nil
	}
	token, err := auth.Bearer(r)
	if err != nil {
		return nil, err
	}
	return s.verifier.Verify(r.Context(), token)
}

// serveSocket reads requests until the connection ends.
func (c *client) serveSocket(conn *websocket.Conn, raw net.Conn, claims *auth.Claims) {
	ctx := c.service.life
	c.service.hub.join(c)
	written := make(chan struct{})
	go func() {
		defer close(written)
		c.write()
	}()
	c.notice(Message{Type: "connected", ConnectionID: c.id}.encode())
	if claims != nil {
		if err := c.authenticate(ctx, claims); err != nil {
			c.endIfRefused(err)
		}
	}
	if c.claims.Load() == nil {
		_ = raw.SetReadDeadline(time.Now().Add(authTimeout)) // a connection that takes no deadline fails the read
	}
	for waiting := c.claims.Load() == nil; ; {
		_, message, err := conn.Read(context.Background())
		if err != nil {
			if isTimeout(err) {
				c.end(codeAuthTimeout, "authenticate within 10 seconds")
				c.linger(written)
			}
			break
		}
		c.handle(ctx, message)
		if waiting && c.claims.Load() != nil {
			waiting = false
			_ = raw.SetReadDeadline(time.Time{})
		}
	}
	close(c.done)
	<-written
	c.transport.abort()
	c.depart(ctx)
}

// linger waits until the last word is written.
func (c *client) linger(written <-chan struct{}) {
	select {
	case <-written:
	case <-time.After(time.Second):
	}
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// hijacked notes the connection that a handler takes over.
type hijacked struct {
	http.ResponseWriter
	conn net.Conn
}

// Hijack takes the connection over.
func (h *hijacked) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.conn = conn
	if buffered.Reader.Buffered() == 0 { // clients say little: a small buffer will do for thousands of them
		buffered.Reader = bufio.NewReaderSize(conn, readBuffer)
	}
	buffered.Writer = bufio.NewWriterSize(conn, controlBuffer)
	return conn, buffered, nil
}
