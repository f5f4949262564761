package feed_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

// TestAcknowledgements checks that an answer has every key of its endpoint as an array, in Alpaca's order.
func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	stocks := `{"T":"subscription","trades":["AAPL"],"quotes":[],"bars":[],"updatedBars":[],"dailyBars":[],"statuses":[],` +
		`"lulds":[],"corrections":["AAPL"],"cancelErrors":["AAPL"],"imbalances":[]}`
	crypto := `{"T":"subscription","trades":["BTC/USD"],"quotes":[],"orderbooks":[],"bars":[],"updatedBars":[],"dailyBars":[]}`
	for _, c := range []struct{ path, symbol, want string }{
		{"/v2/iex", "AAPL", stocks},
		{"/v2/sip", "AAPL", stocks},
		{"/v2/delayed_sip", "AAPL", stocks},
		{"/v1beta1/boats", "AAPL", stocks},
		{"/v1beta1/overnight", "AAPL", stocks},
		{"/v2/test", "FAKEPACA", `{"T":"subscription","trades":["FAKEPACA"],"quotes":[],"bars":[]}`},
		{"/v1beta3/crypto/us", "BTC/USD", crypto},
		{"/v1beta3/crypto/us-1", "BTC/USD", crypto},
		{"/v1beta3/crypto/us-2", "BTC/USD", crypto},
		{"/v1beta3/crypto/eu-1", "BTC/USD", crypto},
		{"/v1beta3/crypto/bs-1", "BTC/USD", crypto},
		{"/v1beta1/crypto-perps/global", "BTC-PERP", strings.NewReplacer("BTC/USD", "BTC-PERP", `[]}`, `[],"pricing":[]}`).Replace(crypto)},
		{"/v1beta1/opra", "AAPL261218C00250000", `{"T":"subscription","trades":["AAPL261218C00250000"],"quotes":[]}`},
		{"/v1beta1/indicative", "AAPL261218C00250000", `{"T":"subscription","trades":["AAPL261218C00250000"],"quotes":[]}`},
	} {
		t.Run(c.path, func(t *testing.T) {
			w := &world{tb: t, hub: w.hub, clock: w.clock, url: w.url}
			p := w.enter(c.path, packed())
			p.send(`{"action":"subscribe","trades":["` + c.symbol + `"],"news":null}`)
			p.expect(c.want)
			p.close()
			w.left()
		})
	}
	p := w.enter("/v1beta1/news", nil)
	p.send(`{"action":"subscribe","news":["*","AAPL"]}`)
	p.expect(`{"T":"subscription","news":["*","AAPL"]}`)
}

func TestSubscriptionsAddUp(t *testing.T) {
	t.Parallel()
	p := start(t, nil).enter("/v2/test", nil)
	for _, c := range []struct{ send, want string }{
		{`{"action":"subscribe"}`, `{"T":"subscription","trades":[],"quotes":[],"bars":[]}`},
		{`{"action":"subscribe","trades":["B","A"],"quotes":["*"]}`, `{"T":"subscription","trades":["A","B"],"quotes":["*"],"bars":[]}`},
		{`{"action":"subscribe","trades":["C","A"],"bars":["A"]}`, `{"T":"subscription","trades":["A","B","C"],"quotes":["*"],"bars":["A"]}`},
		{`{"action":"unsubscribe","trades":["A","Z"],"quotes":["A"]}`, `{"T":"subscription","trades":["B","C"],"quotes":["*"],"bars":["A"]}`},
		{`{"action":"subscribe","lulds":["A"]}`, refusal(410, "invalid subscribe action for this feed")},
		{`{"action":"unsubscribe","trades":["B","C"],"quotes":["*"],"bars":["A"]}`, `{"T":"subscription","trades":[],"quotes":[],"bars":[]}`},
	} {
		p.send(c.send)
		p.expect(c.want)
	}
}

// TestLongSubscription sends a message of 100 kB, far beyond what WebSocket libraries read by default.
func TestLongSubscription(t *testing.T) {
	t.Parallel()
	p := start(t, nil).enter("/v2/sip", nil)
	symbols := make([]string, 0, 17_576)
	for i := range 26 * 26 * 26 {
		symbols = append(symbols, `"`+string([]byte{'A' + byte(i/676), 'A' + byte(i/26%26), 'A' + byte(i%26)})+`"`)
	}
	p.send(`{"action":"subscribe","quotes":[` + strings.Join(symbols, ",") + `]}`)
	ack := p.skipTo("subscription")
	if got := len(ack["quotes"].([]any)); got != len(symbols) {
		t.Errorf("%d quotes, want %d", got, len(symbols))
	}
}

// TestRest checks that the market is left alone while nobody is subscribed to anything.
func TestRest(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/test", nil)
	p.subscribe(`"quotes":["FAKEPACA"]`)
	for range 3 {
		before := w.clock.looks.Load()
		eventually(t, "a look at the market", func() bool { return w.clock.looks.Load() > before+3 })
	}
	p.send(`{"action":"unsubscribe","quotes":["FAKEPACA"]}`)
	p.expect(`{"T":"subscription","trades":[],"quotes":[],"bars":[]}`)
	unmoved := 0
	last := int64(0)
	eventually(t, "fifty milliseconds, fifty ticks, without a look", func() bool {
		if looks := w.clock.looks.Load(); looks != last {
			unmoved, last = 0, looks
		}
		unmoved++
		return unmoved == 50
	})
	p.subscribe(`"quotes":["FAKEPACA"]`)
	w.clock.Advance(5 * time.Second)
	p.skipTo("q")
}

// TestBarsMayCount: whether bars count towards the free plan's thirty symbols is a setting.
func TestBarsMayCount(t *testing.T) {
	t.Parallel()
	for _, counted := range []bool{false, true} {
		w := start(t, func(s *feed.Settings) { s.CountBars = counted })
		if err := w.plans.Set("K1", access.Basic); err != nil {
			t.Fatal(err)
		}
		p := w.enter("/v2/iex", nil)
		symbols := make([]string, 31)
		for i := range symbols {
			symbols[i] = `"S` + strconv.Itoa(i) + `"`
		}
		p.send(`{"action":"subscribe","bars":[` + strings.Join(symbols, ",") + `]}`)
		if refused := decode(t, p.next())["code"] == 405.0; refused != counted {
			t.Errorf("counted %v, refused %v", counted, refused)
		}
	}
}
