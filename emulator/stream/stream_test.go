package stream_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/vmihailenco/msgpack/v5"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const deadline = 10 * time.Second

func noon() time.Time { return time.Date(2026, time.November, 24, 17, 0, 0, 0, time.UTC) }

// world is an emulator whose time stands still unless the test moves it.
type world struct {
	tb     testing.TB
	alpaca *emulator.Emulator
	clock  *clock.Fake
	http   *http.Client
}

func start(tb testing.TB, change func(*emulator.Config)) *world {
	tb.Helper()
	base := clock.NewFake(noon())
	config := emulator.Config{
		Accounts: []emulator.Account{
			{KeyID: "K1", SecretKey: "S1", Token: "whole", Cash: decimal.FromInt(1_000_000_000)}, {KeyID: "K2", SecretKey: "S2"},
		},
		TradingLimit: -1, DataLimit: -1, FillLatency: -1, PartialFillProbability: -1, Clock: base,
	}
	if change != nil {
		change(&config)
	}
	alpaca, err := emulator.New(config, zap.NewNop())
	if err != nil {
		tb.Fatal(err)
	}
	if err := alpaca.Start(context.Background()); err != nil {
		tb.Fatal(err)
	}
	transport := &http.Transport{}
	tb.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := alpaca.Stop(ctx); err != nil {
			tb.Error(err)
		}
	})
	if err := alpaca.SetPrice("AAPL", decimal.FromInt(100)); err != nil {
		tb.Fatal(err)
	}
	return &world{tb: tb, alpaca: alpaca, clock: base, http: &http.Client{Transport: transport}}
}

// call sends a request of the first account and returns the answer.
func (w *world) call(method, path, body string) (int, string) {
	w.tb.Helper()
	request, err := http.NewRequest(method, w.alpaca.URL()+path, strings.NewReader(body))
	if err != nil {
		w.tb.Fatal(err)
	}
	request.Header.Set("Apca-Api-Key-Id", "K1")
	request.Header.Set("Apca-Api-Secret-Key", "S1")
	response, err := w.http.Do(request)
	if err != nil {
		w.tb.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		w.tb.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// buy places an order that fills at once.
func (w *world) buy() {
	w.tb.Helper()
	status, body := w.call(http.MethodPost, "/v2/orders", `{"symbol":"AAPL","qty":"2","side":"buy","type":"market","time_in_force":"day"}`)
	if status != http.StatusOK {
		w.tb.Fatalf("order: %d %s", status, body)
	}
}

// peer is a client of the trading WebSocket.
type peer struct {
	tb   testing.TB
	conn *websocket.Conn
	kind websocket.MessageType // of the frames that must come
	pack bool
}

func (w *world) dial(kind websocket.MessageType, header http.Header) *peer {
	w.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(w.alpaca.URL(), "http")+"/stream",
		&websocket.DialOptions{HTTPHeader: header, HTTPClient: w.http})
	if err != nil {
		w.tb.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	w.tb.Cleanup(func() { _ = conn.CloseNow() })
	return &peer{tb: w.tb, conn: conn, kind: kind, pack: header.Get("Content-Type") == "application/msgpack"}
}

func (p *peer) send(text string) {
	p.tb.Helper()
	message, kind := []byte(text), websocket.MessageText
	if p.pack {
		var value any
		if err := json.Unmarshal(message, &value); err != nil {
			p.tb.Fatal(err)
		}
		packed, err := msgpack.Marshal(value)
		if err != nil {
			p.tb.Fatal(err)
		}
		message, kind = packed, websocket.MessageBinary
	}
	if err := p.conn.Write(context.Background(), kind, message); err != nil {
		p.tb.Fatal(err)
	}
}

// next returns the next message as JSON text.
func (p *peer) next() string {
	p.tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	kind, message, err := p.conn.Read(ctx)
	if err != nil {
		p.tb.Fatal(err)
	}
	if kind != p.kind {
		p.tb.Errorf("frame of type %v, want %v: %s", kind, p.kind, message)
	}
	if !p.pack {
		return string(message)
	}
	var value any
	if err := msgpack.Unmarshal(message, &value); err != nil {
		p.tb.Fatal(err)
	}
	text, err := json.Marshal(value)
	if err != nil {
		p.tb.Fatal(err)
	}
	return string(text)
}

func (p *peer) expect(want string) {
	p.tb.Helper()
	got := p.next()
	if p.pack {
		got, want = sorted(p.tb, got), sorted(p.tb, want)
	}
	if got != want {
		p.tb.Fatalf("got  %s\nwant %s", got, want)
	}
}

func sorted(tb testing.TB, text string) string {
	tb.Helper()
	var value any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		tb.Fatal(err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		tb.Fatal(err)
	}
	return string(out)
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
