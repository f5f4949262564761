package alpaca

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
)

var (
	errWithdrawn = errors.New("alpaca: request withdrawn before it was sent")
	errRepeated  = errors.New("alpaca: the transport tried to repeat a request that may have been executed")
	errTooLarge  = errors.New("alpaca: answer is larger than the limit")
)

// onceBody is the body of a request that may change something. It can be read once, and withdrawn as long as the
// transport has not begun to read it. Without GetBody the transport has nothing to replay it from.
type onceBody struct {
	mu        sync.Mutex
	reader    *bytes.Reader
	begun     bool
	withdrawn bool
}

func newOnceBody(payload []byte) *onceBody {
	return &onceBody{reader: bytes.NewReader(payload)}
}

// Read hands the body to the transport.
func (b *onceBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.withdrawn {
		return 0, errWithdrawn
	}
	b.begun = true
	return b.reader.Read(p)
}

// Close does nothing; the body holds no resource.
func (b *onceBody) Close() error { return nil }

// withdraw makes sure that the body is not sent any more and reports whether that was in time.
func (b *onceBody) withdraw() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.withdrawn = true
	return !b.begun
}

// sending follows one request through the transport, to be able to say whether Alpaca can have executed it.
type sending struct {
	body         *onceBody // nil when the request has none
	connected    atomic.Bool
	wroteHeaders atomic.Bool
}

// follow returns a context that reports to s. A transport may repeat a request without a body by itself (net/http
// does after an HTTP/2 PROTOCOL_ERROR); cancel stops it before the second copy is written.
func (s *sending) follow(ctx context.Context, cancel context.CancelCauseFunc) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) {
			if s.wroteHeaders.Load() {
				cancel(errRepeated)
			}
			s.connected.Store(true)
		},
		WroteHeaders: func() { s.wroteHeaders.Store(true) },
	})
}

// impossible reports that Alpaca can't have executed the request: there never was a connection to send it on, or
// its body never left. After this call it never will.
func (s *sending) impossible() bool {
	if s.body != nil && s.body.withdraw() {
		return true
	}
	return !s.connected.Load()
}

// readBounded reads all of r, at most limit bytes.
func readBounded(r io.Reader, limit int64, expected int64) ([]byte, error) {
	var buffer bytes.Buffer
	if expected > 0 && expected <= limit {
		buffer.Grow(int(expected) + bytes.MinRead)
	}
	n, err := buffer.ReadFrom(io.LimitReader(r, limit+1))
	if err != nil {
		return buffer.Bytes(), err
	}
	if n > limit {
		return nil, errTooLarge
	}
	return buffer.Bytes(), nil
}
