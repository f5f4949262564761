package feed_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"
	"go.uber.org/goleak"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A Tuesday, 10:30 in New York.
func morning() time.Time { return time.Date(2026, time.November, 24, 15, 30, 0, 0, time.UTC) }

const (
	deadline = 10 * time.Second
	authKey1 = `{"action":"auth","key":"K1","secret":"S1"}`
	authKey2 = `{"action":"auth","key":"K2","secret":"S2"}`
)

// watchedClock counts how often it is looked at.
type watchedClock struct {
	*clock.Fake
	looks atomic.Int64
}

func (c *watchedClock) Now() time.Time {
	c.looks.Add(1)
	return c.Fake.Now()
}

// world is a hub behind a server, with a clock that the test moves. Time stands still in between.
type world struct {
	tb    testing.TB
	hub   *feed.Hub
	venue *exchange.Exchange
	plans *access.Plans
	clock *watchedClock
	url   string
}

func start(tb testing.TB, change func(*feed.Settings)) *world {
	tb.Helper()
	base := &watchedClock{Fake: clock.NewFake(morning())}
	hours, err := session.NewClock(session.Settings{}, base)
	if err != nil {
		tb.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		tb.Fatal(err)
	}
	prices := market.New(1, hours)
	venue := exchange.New(exchange.Settings{}, hours, prices, catalogue)
	for id, key := range map[string]string{"11111111-1111-4111-8111-111111111111": "1", "22222222-2222-4222-8222-222222222222": "2"} {
		if _, err := venue.Open(exchange.Opening{ID: id, KeyID: "K" + key, SecretKey: "S" + key}); err != nil {
			tb.Fatal(err)
		}
	}
	gate := &access.Gate{Accounts: venue, Tokens: access.NewTokens([]access.Token{
		{Value: "whole", KeyID: "K1", Scopes: access.AllScopes()}, {Value: "narrow", KeyID: "K1", Scopes: []string{"trading"}},
	})}
	plans := &access.Plans{}
	door := &socket.Door{Counts: &socket.Counts{}, WriteTimeout: time.Second}
	settings := feed.Settings{Interval: time.Millisecond}
	if change != nil {
		change(&settings)
	}
	hub := feed.NewHub(feed.World{
		Catalogue: catalogue, Clock: hours, Market: prices, Gate: gate, Plans: plans, Door: door, Seed: 1, Now: base.Now,
	}, settings)
	mux := http.NewServeMux()
	hub.Register(mux)
	ctx, cancel := context.WithCancel(context.Background())
	server := httptest.NewUnstartedServer(mux)
	server.Config.ConnContext = func(ctx context.Context, conn net.Conn) context.Context {
		_ = conn.(*net.TCPConn).SetWriteBuffer(64 << 10) // a slow client shall be noticed soon
		return ctx
	}
	server.Start()
	done := make(chan struct{})
	go func() {
		defer close(done)
		hub.Run(ctx)
	}()
	tb.Cleanup(func() {
		cancel()
		<-done
		hub.Disconnect("", "")
		server.CloseClientConnections()
		server.Close()
		door.Close()
	})
	return &world{tb: tb, hub: hub, venue: venue, plans: plans, clock: base, url: "ws" + strings.TrimPrefix(server.URL, "http")}
}

// peer is a client at the wire.
type peer struct {
	tb     testing.TB
	conn   *websocket.Conn
	packed bool
	queue  []json.RawMessage // messages of the last frame that were not looked at yet
}

func (w *world) dial(path string, header http.Header) *peer {
	w.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, response, err := websocket.Dial(ctx, w.url+path, &websocket.DialOptions{HTTPHeader: header})
	if err != nil {
		w.tb.Fatalf("dial %s: %v (%v)", path, err, response)
	}
	conn.SetReadLimit(1 << 24)
	p := &peer{tb: w.tb, conn: conn, packed: header.Get("Content-Type") == "application/msgpack"}
	w.tb.Cleanup(p.abort)
	return p
}

// open dials and checks the greeting.
func (w *world) open(path string, header http.Header) *peer {
	w.tb.Helper()
	p := w.dial(path, header)
	p.expect(`{"T":"success","msg":"connected"}`)
	return p
}

// enter dials and authenticates.
func (w *world) enter(path string, header http.Header) *peer {
	w.tb.Helper()
	p := w.open(path, header)
	p.send(authKey1)
	p.expect(`{"T":"success","msg":"authenticated"}`)
	return p
}

func packed() http.Header { return http.Header{"Content-Type": {"application/msgpack"}} }

func (p *peer) abort() { _ = p.conn.CloseNow() }

func (p *peer) close() {
	p.tb.Helper()
	if err := p.conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		p.tb.Errorf("close: %v", err)
	}
}

// send sends JSON text in the connection's codec.
func (p *peer) send(text string) {
	p.tb.Helper()
	kind, message := websocket.MessageText, []byte(text)
	if p.packed {
		var value any
		if err := json.Unmarshal(message, &value); err != nil {
			p.tb.Fatal(err)
		}
		encoded, err := msgpack.Marshal(value)
		if err != nil {
			p.tb.Fatal(err)
		}
		kind, message = websocket.MessageBinary, encoded
	}
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	if err := p.conn.Write(ctx, kind, message); err != nil {
		p.tb.Fatalf("send %s: %v", text, err)
	}
}

// frame returns the next frame as it came.
func (p *peer) frame() (websocket.MessageType, []byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	return p.conn.Read(ctx)
}

// next returns the next message as JSON; keys of MessagePack maps come sorted.
func (p *peer) next() json.RawMessage {
	p.tb.Helper()
	for len(p.queue) == 0 {
		kind, frame, err := p.frame()
		if err != nil {
			p.tb.Fatalf("read: %v", err)
		}
		if (kind == websocket.MessageBinary) != p.packed {
			p.tb.Fatalf("frame of type %v on a connection with packed = %v", kind, p.packed)
		}
		p.queue = p.split(frame)
	}
	message := p.queue[0]
	p.queue = p.queue[1:]
	return message
}

func (p *peer) split(frame []byte) []json.RawMessage {
	p.tb.Helper()
	if p.packed {
		var messages []map[string]any
		if err := msgpack.Unmarshal(frame, &messages); err != nil {
			p.tb.Fatalf("frame %x: %v", frame, err)
		}
		text, err := json.Marshal(messages)
		if err != nil {
			p.tb.Fatal(err)
		}
		frame = text
	}
	var list []json.RawMessage
	if err := json.Unmarshal(frame, &list); err != nil {
		p.tb.Fatalf("frame %s: %v", frame, err)
	}
	return list
}

// expect reads a message and compares it; on a packed connection regardless of the order of keys.
func (p *peer) expect(want string) {
	p.tb.Helper()
	got := string(p.next())
	if p.packed {
		got, want = sorted(p.tb, got), sorted(p.tb, want)
	}
	if got != want {
		p.tb.Fatalf("got  %s\nwant %s", got, want)
	}
}

// skipTo reads until a message of the type.
func (p *peer) skipTo(kind string) map[string]any {
	p.tb.Helper()
	for {
		message := decode(p.tb, p.next())
		if message["T"] == kind {
			return message
		}
	}
}

func decode(tb testing.TB, text []byte) map[string]any {
	tb.Helper()
	message := map[string]any{}
	if err := json.Unmarshal(text, &message); err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return message
}

func sorted(tb testing.TB, text string) string {
	tb.Helper()
	out, err := json.Marshal(decode(tb, []byte(text)))
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
}

func refusal(code int, text string) string {
	out, _ := json.Marshal(text)
	return `{"T":"error","code":` + jsonInt(code) + `,"msg":` + string(out) + `}`
}

func jsonInt(n int) string {
	out, _ := json.Marshal(n)
	return string(out)
}

// expectEnd reads until the connection is over and returns the close status.
func (p *peer) expectEnd() websocket.StatusCode {
	p.tb.Helper()
	for {
		if _, _, err := p.frame(); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// eventually waits for a condition that a socket brings about.
func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if condition() {
			return
		}
	}
	tb.Fatalf("never happened: %s", what)
}
