// Package socket carries the emulator's WebSockets: the handshake with its budget, the codec, whole messages in both
// directions, and the two ways to end.
package socket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// MaxMessage is how long a client's message may be, in bytes; a longer one ends the connection with code 1009.
const MaxMessage = 1 << 20

// DefaultWriteTimeout is how long one message may take to leave before the client counts as gone.
const DefaultWriteTimeout = 10 * time.Second

// compressFrom is the size in bytes from which a message is compressed.
const compressFrom = 1024

// Door lets WebSocket handshakes in. It may be used concurrently.
type Door struct {
	// Upgrades counts handshakes per client address; those beyond its limit get 429.
	Upgrades *access.Limiter
	// Counts is told of every open connection.
	Counts *Counts
	// WriteTimeout is how long one message may take to leave; zero: 10 s.
	WriteTimeout time.Duration

	mu     sync.Mutex
	inside int
	closed chan struct{} // not nil once the door is closed; closed when nobody is inside
}

// Close lets nobody in any more, and returns when every connection that was let in has been left.
func (d *Door) Close() {
	d.mu.Lock()
	if d.closed == nil {
		d.closed = make(chan struct{})
		if d.inside == 0 {
			close(d.closed)
		}
	}
	empty := d.closed
	d.mu.Unlock()
	<-empty
}

func (d *Door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed != nil {
		return false
	}
	d.inside++
	return true
}

func (d *Door) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.inside--; d.inside == 0 && d.closed != nil {
		close(d.closed)
	}
}

// Open answers a handshake; false when it was refused and the answer is written. The caller calls Leave on the socket
// when it is done with it. Messages go out in text frames for JSON, unless binary is set, and in binary frames for
// MessagePack.
func (d *Door) Open(w http.ResponseWriter, r *http.Request, kind string, binary bool) (*Socket, bool) {
	if d.Upgrades != nil && !d.Upgrades.Allow(http.Header{}, clientAddress(r)) {
		wire.WriteError(w, wire.Plain(http.StatusTooManyRequests, "too many requests."))
		return nil, false
	}
	if !d.enter() {
		wire.WriteError(w, wire.Plain(http.StatusServiceUnavailable, "service unavailable."))
		return nil, false
	}
	// Compression without context takeover: with it, every connection would hold a compressor of 1.2 MB.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // there are no cookies that another origin could abuse
		CompressionMode:    websocket.CompressionNoContextTakeover, CompressionThreshold: compressFrom,
	})
	if err != nil { // Accept has answered
		d.leave()
		return nil, false
	}
	conn.SetReadLimit(MaxMessage)
	s := &Socket{Codec: CodecOf(r), conn: conn, frame: websocket.MessageText, timeout: d.WriteTimeout}
	if binary || s.Codec == MessagePack {
		s.frame = websocket.MessageBinary
	}
	if s.timeout <= 0 {
		s.timeout = DefaultWriteTimeout
	}
	uncount := d.Counts.Add(kind)
	s.leave = func() {
		_ = conn.CloseNow() // it may be closed already
		uncount()
		d.leave()
	}
	return s, true
}

func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// Socket is one open connection. One goroutine may read while another writes; Close and Abort may be called by any.
type Socket struct {
	Codec Codec

	conn    *websocket.Conn
	frame   websocket.MessageType
	timeout time.Duration
	leave   func()
}

// Read returns the next message, put together from its frames. Pings are answered while it waits. An error ends the
// connection; EndedCleanly tells how.
func (s *Socket) Read(ctx context.Context) ([]byte, error) {
	_, message, err := s.conn.Read(ctx)
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return message, nil
}

// Write sends one message. It fails, and the connection ends, when the client does not take it in time.
func (s *Socket) Write(ctx context.Context, message []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	if err := s.conn.Write(ctx, s.frame, message); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// Close says goodbye and waits at most 5 s for the client to do so, too.
func (s *Socket) Close(code websocket.StatusCode, reason string) {
	_ = s.conn.Close(code, reason) // a client that is gone needs no goodbye
}

// Abort breaks the connection without a goodbye.
func (s *Socket) Abort() { _ = s.conn.CloseNow() }

// Leave ends the connection, if it is still open, and gives back what the door holds for it.
func (s *Socket) Leave() { s.leave() }

// EndedCleanly reports whether a Read failed because the client said goodbye.
func EndedCleanly(err error) bool {
	var goodbye websocket.CloseError
	return errors.As(err, &goodbye)
}
