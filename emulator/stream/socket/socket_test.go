package socket_test

import (
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestCodecOf(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]socket.Codec{
		"":                                 socket.JSON,
		"application/json":                 socket.JSON,
		"application/msgpack":              socket.MessagePack,
		"Application/MsgPack; charset=utf": socket.MessagePack,
		"text/plain":                       socket.JSON,
		";;":                               socket.JSON,
	} {
		if got := socket.CodecOf(&http.Request{Header: http.Header{"Content-Type": {header}}}); got != want {
			t.Errorf("%q: codec %d, want %d", header, got, want)
		}
	}
}

func TestCounts(t *testing.T) {
	t.Parallel()
	var counts socket.Counts
	if len(counts.Open()) != 0 {
		t.Error("something is open")
	}
	first, second, other := counts.Add("a"), counts.Add("a"), counts.Add("b")
	if got := counts.Open(); !maps.Equal(got, map[string]int{"a": 2, "b": 1}) {
		t.Errorf("open: %v", got)
	}
	first()
	other()
	if got := counts.Open(); !maps.Equal(got, map[string]int{"a": 1}) {
		t.Errorf("open: %v", got)
	}
	second()
	if len(counts.Open()) != 0 {
		t.Error("something is still open")
	}
}

// TestDoor opens a socket that echoes, closes the door behind it, and checks that it waits.
func TestDoor(t *testing.T) {
	t.Parallel()
	door := &socket.Door{Counts: &socket.Counts{}, WriteTimeout: time.Second}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		opened, ok := door.Open(w, r, "echo", true)
		if !ok {
			return
		}
		defer opened.Leave()
		for {
			message, err := opened.Read(r.Context())
			if err != nil {
				if !socket.EndedCleanly(err) {
					t.Errorf("the client said goodbye, but: %v", err)
				}
				return
			}
			if opened.Write(r.Context(), message) != nil {
				return
			}
		}
	}))
	defer server.Close()
	url := "ws" + strings.TrimPrefix(server.URL, "http")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	if kind, message, err := conn.Read(ctx); err != nil || string(message) != "hello" || kind != websocket.MessageBinary {
		t.Errorf("echo: %v %s, %v", kind, message, err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		door.Close()
	}()
	for { // until the door is closed
		late, response, err := websocket.Dial(ctx, url, nil)
		if err != nil {
			if response == nil || response.StatusCode != http.StatusServiceUnavailable {
				t.Fatalf("a handshake at a closed door: %v, %v", response, err)
			}
			break
		}
		_ = late.Close(websocket.StatusNormalClosure, "")
	}
	select {
	case <-closed:
		t.Error("the door did not wait")
	default:
	}
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	<-closed
	door.Close() // again changes nothing
	http.DefaultClient.CloseIdleConnections()
}
