package stream_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/stream"
)

const (
	oldForm      = `{"action":"authenticate","data":{"key_id":"K1","secret_key":"S1"}}`
	newForm      = `{"action":"auth","key":"K1","secret":"S1"}`
	authorized   = `{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}`
	unauthorized = `{"stream":"authorization","data":{"status":"unauthorized","action":"authenticate"}}`
	listen       = `{"action":"listen","data":{"streams":["trade_updates"]}}`
	listening    = `{"stream":"listening","data":{"streams":["trade_updates"]}}`
)

func TestTradingHandshake(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, c := range []struct {
		name     string
		messages []string // sent and awaited in turn
	}{
		{"old form", []string{oldForm, authorized, listen, listening}},
		{"new form", []string{newForm, authorized, listen, listening}},
		{"OAuth token", []string{`{"action":"authenticate","data":{"oauth_token":"whole"}}`, authorized}},
		{"OAuth token, new form", []string{`{"action":"auth","key":"oauth","secret":"whole"}`, authorized}},
		{"wrong secret, then the right one", []string{
			`{"action":"auth","key":"K1","secret":"no"}`, unauthorized, oldForm, authorized, oldForm, authorized,
		}},
		{"no credentials", []string{`{"action":"authenticate","data":{}}`, unauthorized}},
		{"wrong token", []string{`{"action":"authenticate","data":{"oauth_token":"no"}}`, unauthorized}},
		{"listen first", []string{
			listen, `{"stream":"authorization","data":{"status":"unauthorized","action":"listen"}}`, oldForm, authorized,
		}},
		{"unknown streams are dropped", []string{
			oldForm, authorized, `{"action":"listen","data":{"streams":["account_updates","trade_updates","trade_updates"]}}`, listening,
			`{"action":"listen","data":{"streams":["account_updates"]}}`, `{"stream":"listening","data":{"streams":[]}}`,
			`{"action":"listen","data":{}}`, `{"stream":"listening","data":{"streams":[]}}`,
		}},
		{"nonsense", []string{
			`{"action":"dance"}`, `{"stream":"listening","data":{"error":"unknown action"}}`,
			`{"action":7}`, `{"stream":"listening","data":{"error":"invalid syntax"}}`,
			oldForm, authorized,
		}},
	} {
		for name, header := range map[string]http.Header{"JSON": nil, "MessagePack": {"Content-Type": {"application/msgpack"}}} {
			t.Run(c.name+" "+name, func(t *testing.T) {
				t.Parallel()
				w := &world{tb: t, alpaca: w.alpaca, clock: w.clock, http: w.http}
				p := w.dial(websocket.MessageBinary, header)
				for i, message := range c.messages {
					if i%2 == 0 {
						p.send(message)
					} else {
						p.expect(message)
					}
				}
			})
		}
	}
}

func (p *peer) listen() {
	p.tb.Helper()
	p.send(oldForm)
	p.expect(authorized)
	p.send(listen)
	p.expect(listening)
}

type update struct {
	Stream string         `json:"stream"`
	Data   map[string]any `json:"data"`
}

func (p *peer) update() update {
	p.tb.Helper()
	var found update
	if err := json.Unmarshal([]byte(p.next()), &found); err != nil {
		p.tb.Fatal(err)
	}
	return found
}

func TestTradeUpdates(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]http.Header{"JSON": nil, "MessagePack": {"Content-Type": {"application/msgpack"}}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, nil)
			w.buy() // before the client listens: there is no replay
			p := w.dial(websocket.MessageBinary, header)
			p.listen()
			w.buy()
			for _, want := range []struct{ event, keys string }{
				{"pending_new", "at event event_id order timestamp"},
				{"new", "at event event_id execution_id order timestamp"},
				{"fill", "at event event_id execution_id order position_qty price qty settle_date timestamp"},
			} {
				found := p.update()
				keys := strings.Join(slices.Sorted(maps.Keys(found.Data)), " ")
				if found.Stream != "trade_updates" || found.Data["event"] != want.event || keys != want.keys {
					t.Errorf("event %v with keys %s, want %s with %s", found.Data["event"], keys, want.event, want.keys)
				}
				order := found.Data["order"].(map[string]any)
				for _, absent := range []string{"subtag", "source"} {
					if _, there := order[absent]; there {
						t.Errorf("the order of a trade update has %s", absent)
					}
				}
				if _, there := order["cancel_requested_at"]; !there {
					t.Error("the order of a trade update lacks cancel_requested_at")
				}
				if want.event == "fill" && (found.Data["qty"] != "2" || found.Data["position_qty"] != "4") {
					t.Errorf("fill %v", found.Data)
				}
			}
			p.send(`{"action":"listen","data":{"streams":[]}}`)
			p.expect(`{"stream":"listening","data":{"streams":[]}}`)
			w.buy()
			p.send(listen)
			p.expect(listening) // and nothing before it
		})
	}
}

func TestTextFrames(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *emulator.Config) { c.Streams.TextFrames = true })
	w.dial(websocket.MessageText, nil).listen()
}

// TestAccountsApart checks that a client hears nothing of other accounts, and that a heartbeat changes nothing.
func TestAccountsApart(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.dial(websocket.MessageBinary, nil)
	p.send("\x01")
	p.send(`{"action":"auth","key":"K2","secret":"S2"}`)
	p.expect(authorized)
	p.send(listen)
	p.expect(listening)
	w.buy()
	p.send(listen)
	p.expect(listening)
}

// TestManyUpdates checks that a client that reads late gets everything in order.
func TestManyUpdates(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.dial(websocket.MessageBinary, nil)
	p.listen()
	const orders = 200
	for range orders {
		w.buy()
	}
	last := ""
	for range 3 * orders {
		id := p.update().Data["event_id"].(string)
		if id <= last {
			t.Fatalf("event %s came after %s", id, last)
		}
		last = id
	}
}

func TestCountsAndDisconnect(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.dial(websocket.MessageBinary, nil)
	p.listen()
	if open := w.alpaca.Streams().Open(); open[stream.KindTradeUpdates] != 1 {
		t.Errorf("open: %v", open)
	}
	if w.alpaca.Streams().Disconnect("K2") != 0 || w.alpaca.Streams().Disconnect("K1") != 1 {
		t.Error("the wrong clients were disconnected")
	}
	if _, _, err := p.conn.Read(t.Context()); err == nil || websocket.CloseStatus(err) != -1 {
		t.Errorf("read after the cut: %v", err)
	}
	eventually(t, "the stream is gone", func() bool { return len(w.alpaca.Streams().Open()) == 0 })
}

func TestUpgradeBudget(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *emulator.Config) { c.Streams.UpgradesPerMinute = 2 })
	url := "ws" + strings.TrimPrefix(w.alpaca.URL(), "http")
	dial := func(path string) int {
		conn, response, err := websocket.Dial(t.Context(), url+path, &websocket.DialOptions{HTTPClient: w.http})
		if err == nil {
			_ = conn.CloseNow()
		}
		return response.StatusCode
	}
	for _, c := range []struct {
		path string
		want int
	}{{"/stream", 101}, {"/v2/iex", 101}, {"/v2/iex", 429}, {"/stream", 429}} {
		if got := dial(c.path); got != c.want {
			t.Errorf("%s: status %d, want %d", c.path, got, c.want)
		}
	}
	if refused := w.alpaca.Streams().RefusedUpgrades(); refused["127.0.0.1"] != 2 {
		t.Errorf("refused: %v", refused)
	}
	w.clock.Advance(60_000_000_000)
	if got := dial("/stream"); got != 101 {
		t.Errorf("a minute later: status %d", got)
	}
}
