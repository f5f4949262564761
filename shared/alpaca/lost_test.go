package alpaca

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// reset answers with a TCP reset, as a crashing server or a middlebox does.
func reset(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		connection, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = connection.(*net.TCPConn).SetLinger(0)
		_ = connection.Close()
	}
}

func truncated(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	_, _ = w.Write([]byte(`{"id":"61e69015-8549`))
}

// truncatedRefusal breaks the connection within the body that says why.
func truncatedRefusal(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(`{"code":40310000,"message":"insuff`))
	}
}

// silent answers only when the client has gone.
func silent(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

var writes = map[string]func(context.Context, *Client) error{
	"place": place,
	"replace": func(ctx context.Context, c *Client) error {
		_, err := c.ReplaceOrder(ctx, testCredentials, "o-1", ReplaceRequest{TimeInForce: TimeInForceGTC})
		return err
	},
	"cancel": func(ctx context.Context, c *Client) error { return c.CancelOrder(ctx, testCredentials, "o-1") },
	"cancel all": func(ctx context.Context, c *Client) error {
		_, err := c.CancelAllOrders(ctx, testCredentials)
		return err
	},
	"close": func(ctx context.Context, c *Client) error {
		_, err := c.ClosePosition(ctx, testCredentials, "AAPL", CloseQuery{})
		return err
	},
}

func account(ctx context.Context, c *Client) error {
	_, err := c.Account(ctx, testCredentials)
	return err
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		handler http.HandlerFunc
		// reads is how many times a read is sent, retry included.
		reads int64
		// cancelOK says that a cancel has no body to be broken.
		cancelOK bool
		// forbidden says that a read takes the status for the answer.
		forbidden bool
	}{
		{name: "reset", handler: reset(t), reads: 2},
		{name: "truncated body", handler: truncated, reads: 2},
		{name: "garbage", handler: answering(200, "<html>"), reads: 1, cancelOK: true},
		{name: "other JSON", handler: answering(200, `{"hello":"world"}`), reads: 1, cancelOK: true},
		{name: "null", handler: answering(200, `null`), reads: 1, cancelOK: true},
		{name: "empty", handler: answering(200, ``), reads: 1, cancelOK: true},
		{name: "500", handler: answering(500, `{"code":50010000,"message":"internal server error occurred"}`), reads: 1},
		{name: "502 HTML", handler: answering(502, "<html><h1>502 Bad Gateway</h1></html>"), reads: 2},
		{name: "503", handler: answering(503, "Service Unavailable"), reads: 2},
		{name: "504 HTML", handler: answering(504, "<html>"), reads: 2},
		{name: "408", handler: answering(408, ""), reads: 1},
		{name: "403 of no content", handler: answering(403, ""), reads: 1, forbidden: true},
		{name: "403 HTML", handler: answering(403, "<html>forbidden</html>"), reads: 1, forbidden: true},
		{name: "truncated 403", handler: truncatedRefusal(403), reads: 1, forbidden: true},
		{name: "truncated 409", handler: truncatedRefusal(409), reads: 1, forbidden: true},
		{name: "truncated 422", handler: truncatedRefusal(422), reads: 1, forbidden: true},
		{name: "redirect", handler: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, reads: 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for name, write := range writes {
				up := startUpstream(t, test.handler)
				err := write(t.Context(), up.client(t))
				if up.requests.Load() != 1 {
					t.Errorf("%s reached Alpaca %d times, want once", name, up.requests.Load())
				}
				if name == "cancel" && test.cancelOK {
					continue
				}
				if !errors.Is(err, ErrOutcomeUnknown) || errors.Is(err, ErrUnavailable) {
					t.Errorf("%s = %v, want ErrOutcomeUnknown alone", name, err)
				}
			}
			up := startUpstream(t, test.handler)
			err := account(t.Context(), up.client(t))
			if (errors.Is(err, ErrForbidden) || errors.Is(err, ErrRejected)) != test.forbidden ||
				errors.Is(err, ErrUnavailable) == test.forbidden || errors.Is(err, ErrOutcomeUnknown) {
				t.Errorf("read = %v", err)
			}
			if up.requests.Load() != test.reads {
				t.Errorf("read reached Alpaca %d times, want %d", up.requests.Load(), test.reads)
			}
		})
	}
}

func TestSlowAnswer(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, silent)
	client := up.client(t, func(cfg *Config) { cfg.Timeout = 100 * time.Millisecond })
	for name, write := range writes {
		err := write(t.Context(), client)
		if !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s = %v, want ErrOutcomeUnknown by deadline", name, err)
		}
	}
	err := account(t.Context(), client)
	if !errors.Is(err, ErrUnavailable) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("read = %v, want ErrUnavailable by deadline", err)
	}
}

func TestNeverSent(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := "http://" + listener.Addr().String()
	_ = listener.Close()
	refused := newTestClient(t, Config{TradingURL: address, DataURL: address}, Dependencies{})

	up := startUpstream(t, answering(200, `{"id":"x"}`))
	reachable := up.client(t)
	ended, cancel := context.WithCancel(t.Context())
	cancel()

	for name, write := range writes {
		err := write(t.Context(), refused)
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s to a closed port = %v, want ErrUnavailable alone", name, err)
		}
		err = write(ended, reachable)
		if !errors.Is(err, ErrUnavailable) || errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, context.Canceled) {
			t.Errorf("%s with an ended context = %v, want ErrUnavailable alone", name, err)
		}
	}
	if n := up.requests.Load(); n != 0 {
		t.Errorf("%d requests were sent with an ended context", n)
	}
}

// TestStaleConnection: the server dies after it has read a request on a connection that was used before. That is
// where net/http repeats requests by itself.
func TestStaleConnection(t *testing.T) {
	t.Parallel()
	for name, write := range writes {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() })
		var received atomic.Int64
		go serveOnceThenDie(listener, &received)
		address := "http://" + listener.Addr().String()
		client := newTestClient(t, Config{TradingURL: address, DataURL: address}, Dependencies{})
		if err := account(t.Context(), client); err != nil {
			t.Fatal(err)
		}
		err = write(t.Context(), client)
		if !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s = %v, want ErrOutcomeUnknown", name, err)
		}
		if received.Load() != 2 {
			t.Errorf("%s: server received %d requests, want 2", name, received.Load())
		}
	}
}

// serveOnceThenDie answers the first request of each connection and closes it after the second.
func serveOnceThenDie(listener net.Listener, received *atomic.Int64) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		reader := bufio.NewReader(connection)
		for i := range 2 {
			request, err := http.ReadRequest(reader)
			if err != nil {
				break
			}
			_, _ = io.Copy(io.Discard, request.Body)
			received.Add(1)
			if i == 0 {
				_, _ = io.WriteString(connection, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{\"id\":\"x\"}")
			}
		}
		_ = connection.Close()
	}
}

// TestProtocolError: net/http repeats an HTTP/2 request after RST_STREAM(PROTOCOL_ERROR); a write must not be.
func TestProtocolError(t *testing.T) {
	t.Parallel()
	for name, write := range writes {
		secure := startResettingHTTP2(t)
		client := newTestClient(t, Config{TradingURL: secure.url, DataURL: secure.url, TLS: secure.clientTLS}, Dependencies{})
		err := write(t.Context(), client)
		if !errors.Is(err, ErrOutcomeUnknown) {
			t.Errorf("%s = %v, want ErrOutcomeUnknown", name, err)
		}
		if n := secure.streams.Load(); n != 1 {
			t.Errorf("%s: server saw %d streams, want 1", name, n)
		}
	}
}

type resettingHTTP2 struct {
	url       string
	clientTLS *tls.Config
	streams   atomic.Int64
}

func startResettingHTTP2(t *testing.T) *resettingHTTP2 {
	t.Helper()
	certificate, clientTLS := selfSigned(t)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"h2"}, MinVersion: tls.VersionTLS12,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := &resettingHTTP2{url: "https://" + listener.Addr().String(), clientTLS: clientTLS}
	stopped := make(chan struct{})
	t.Cleanup(func() { close(stopped); _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { <-stopped; _ = connection.Close() }()
			go server.serve(connection)
		}
	}()
	return server
}

// serve speaks just enough HTTP/2 (RFC 9113, 4.1) to reset each stream when its request is complete.
func (s *resettingHTTP2) serve(connection net.Conn) {
	defer func() { _ = connection.Close() }()
	const headers, data, rstStream, settings, endStream, protocolError = 1, 0, 3, 4, 1, 1
	preface := make([]byte, len("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"))
	if _, err := io.ReadFull(connection, preface); err != nil {
		return
	}
	_, _ = connection.Write([]byte{0, 0, 0, settings, 0, 0, 0, 0, 0})
	head := make([]byte, 9)
	for {
		if _, err := io.ReadFull(connection, head); err != nil {
			return
		}
		length := int64(head[0])<<16 | int64(head[1])<<8 | int64(head[2])
		if _, err := io.CopyN(io.Discard, connection, length); err != nil {
			return
		}
		if head[3] == headers {
			s.streams.Add(1)
		}
		if (head[3] != headers && head[3] != data) || head[4]&endStream == 0 {
			continue
		}
		answer := append([]byte{0, 0, 4, rstStream, 0}, head[5:9]...)
		_, _ = connection.Write(binary.BigEndian.AppendUint32(answer, protocolError))
	}
}

func TestWithdrawnBody(t *testing.T) {
	t.Parallel()
	body := newOnceBody([]byte("order"))
	if !body.withdraw() {
		t.Fatal("an unread body can't be withdrawn")
	}
	if _, err := io.ReadAll(body); !errors.Is(err, errWithdrawn) {
		t.Fatalf("reading a withdrawn body = %v", err)
	}
	body = newOnceBody([]byte("order"))
	if text, err := io.ReadAll(body); err != nil || string(text) != "order" {
		t.Fatalf("body = %q, %v", text, err)
	}
	if body.withdraw() {
		t.Fatal("a body that was read was withdrawn")
	}
}

func TestTooLargeAnswer(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, answering(200, `{"id":"`+strings.Repeat("x", 2000)+`"}`))
	client := up.client(t, func(cfg *Config) { cfg.MaxResponseBytes = 1000 })
	if err := place(t.Context(), client); !errors.Is(err, ErrOutcomeUnknown) || !errors.Is(err, errTooLarge) {
		t.Errorf("write = %v, want ErrOutcomeUnknown for its size", err)
	}
	if err := account(t.Context(), client); !errors.Is(err, ErrUnavailable) || !errors.Is(err, errTooLarge) {
		t.Errorf("read = %v, want ErrUnavailable for its size", err)
	}
}
