package feed_test

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

// subscribe subscribes and reads the answer.
func (p *peer) subscribe(lists string) {
	p.tb.Helper()
	p.send(`{"action":"subscribe",` + lists + `}`)
	if message := decode(p.tb, p.next()); message["T"] != "subscription" {
		p.tb.Fatalf("answer to subscribe: %v", message)
	}
}

// keepAdvancing moves the clock again and again until the test ends.
func (w *world) keepAdvancing(step time.Duration) {
	done := make(chan struct{})
	var mover sync.WaitGroup
	mover.Go(func() {
		ticker := time.NewTicker(2 * time.Millisecond)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				w.clock.Advance(step)
			}
		}
	})
	w.tb.Cleanup(func() {
		close(done)
		mover.Wait()
	})
}

func keys(message map[string]any) string {
	return strings.Join(slices.Sorted(maps.Keys(message)), " ")
}

// TestMessages checks that every type of message comes, with its fields, in both codecs.
func TestMessages(t *testing.T) {
	t.Parallel()
	const (
		bar      = "S T c h l n o t v vw"
		contract = "AAPL261218C00250000"
	)
	for _, c := range []struct {
		name, path, lists, symbol string
		advance                   time.Duration
		types                     map[string]string // keys of each
	}{
		{"stock trades and quotes", "/v2/sip", `"trades":["AAPL"],"quotes":["AAPL"]`, "AAPL", time.Second, map[string]string{
			"t": "S T c i p s t x z", "q": "S T ap as ax bp bs bx c t z",
		}},
		{"stock bars", "/v2/sip", `"bars":["AAPL"],"dailyBars":["AAPL"],"lulds":["AAPL"]`, "AAPL", time.Minute, map[string]string{
			"b": bar, "d": bar, "l": "S T d i t u z",
		}},
		{"updated stock bars", "/v2/sip", `"updatedBars":["AAPL"]`, "AAPL", 5 * time.Minute, map[string]string{"u": bar}},
		{"delayed stocks", "/v2/delayed_sip", `"quotes":["AAPL"]`, "AAPL", time.Second, map[string]string{"q": "S T ap as ax bp bs bx c t z"}},
		{"test feed", "/v2/test", `"trades":["FAKEPACA"],"quotes":["*"],"bars":["*"]`, "FAKEPACA", time.Minute, map[string]string{
			"t": "S T c i p s t x z", "q": "S T ap as ax bp bs bx c t z", "b": bar,
		}},
		{"crypto", "/v1beta3/crypto/us", `"trades":["BTC/USD"],"quotes":["BTC/USD"],"orderbooks":["BTC/USD"]`, "BTC/USD", time.Second, map[string]string{
			"t": "S T i p s t tks", "q": "S T ap as bp bs t", "o": "S T a b t",
		}},
		{"crypto bars", "/v1beta3/crypto/us", `"bars":["*"],"dailyBars":["BTC/USD"]`, "", time.Minute, map[string]string{"b": bar, "d": bar}},
		{"updated crypto bars", "/v1beta3/crypto/us", `"updatedBars":["BTC/USD"]`, "BTC/USD", 5 * time.Minute, map[string]string{"u": bar}},
		{"perpetual futures", "/v1beta1/crypto-perps/global", `"pricing":["BTC-PERP"]`, "BTC-PERP", time.Second, map[string]string{"p": "S T fr ft ip mp oi t x"}},
		{"option quotes", "/v1beta1/opra", `"quotes":["` + contract + `"]`, contract, time.Second, map[string]string{"q": "S T ap as ax bp bs bx c t"}},
		{"all option trades", "/v1beta1/indicative", `"trades":["*"]`, "", 15 * time.Minute, map[string]string{"t": "S T c p s t x"}},
		{"news", "/v1beta1/news", `"news":["*"]`, "", time.Minute, map[string]string{
			"n": "T author content created_at headline id source summary symbols updated_at url",
		}},
	} {
		for _, header := range []string{"application/json", "application/msgpack"} {
			if header == "application/json" && strings.Contains(c.name, "option") {
				continue
			}
			t.Run(c.name+" "+header, func(t *testing.T) {
				t.Parallel()
				w := start(t, nil)
				p := w.enter(c.path, map[string][]string{"Content-Type": {header}})
				p.subscribe(c.lists)
				missing := maps.Clone(c.types)
				if _, books := missing["o"]; books {
					p.skipTo("o") // the whole book comes first
				}
				w.keepAdvancing(c.advance)
				for len(missing) > 0 {
					message := decode(t, p.next())
					kind := message["T"].(string)
					if got := keys(message); got != c.types[kind] {
						t.Fatalf("message %v\nhas keys  %s\nwant keys %s", message, got, c.types[kind])
					}
					if c.symbol != "" && message["S"] != c.symbol {
						t.Fatalf("message %v is not about %s", message, c.symbol)
					}
					delete(missing, kind)
				}
			})
		}
	}
}

func TestIEXHasOneExchange(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/iex", nil)
	p.subscribe(`"quotes":["*"],"trades":["*"]`)
	for range 20 {
		w.clock.Advance(time.Second)
		message := decode(t, p.next())
		for _, key := range []string{"x", "ax", "bx"} {
			if venue, ok := message[key]; ok && venue != "V" {
				t.Fatalf("message %v comes from another exchange", message)
			}
		}
	}
}

// TestFakepaca is golden: the test feed depends on nothing but the time.
func TestFakepaca(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/test", nil)
	p.subscribe(`"trades":["FAKEPACA"],"quotes":["FAKEPACA"]`)
	w.clock.Advance(5 * time.Second)
	p.expect(`{"T":"t","S":"FAKEPACA","i":1795534205,"x":"O","p":135.1,"s":98,"c":["@"],"t":"2026-11-24T15:30:05Z","z":"A"}`)
	p.expect(`{"T":"q","S":"FAKEPACA","bx":"O","bp":135.05,"bs":6,"ax":"R","ap":135.15,"as":3,"c":["R"],"z":"A","t":"2026-11-24T15:30:05Z"}`)
}

func TestOrderBook(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v1beta3/crypto/us", nil)
	p.subscribe(`"orderbooks":["BTC/USD"]`)
	books := map[string]map[float64]float64{"a": {}, "b": {}}
	apply := func(message map[string]any) {
		for side, levels := range books {
			for _, raw := range message[side].([]any) {
				level := raw.(map[string]any)
				if size := level["s"].(float64); size == 0 {
					delete(levels, level["p"].(float64))
				} else {
					levels[level["p"].(float64)] = size
				}
			}
		}
	}
	whole := p.skipTo("o")
	if whole["r"] != true {
		t.Fatalf("the first book is no reset: %v", whole)
	}
	apply(whole)
	depth := len(books["a"])
	for range 50 {
		w.clock.Advance(time.Second)
		update := p.skipTo("o")
		if update["r"] != nil {
			t.Fatalf("an update is a reset: %v", update)
		}
		apply(update)
		if len(books["a"]) != depth || len(books["b"]) != depth {
			t.Fatalf("%d asks and %d bids, want %d of each", len(books["a"]), len(books["b"]), depth)
		}
		bid, ask := slices.Max(slices.Collect(maps.Keys(books["b"]))), slices.Min(slices.Collect(maps.Keys(books["a"])))
		if bid >= ask {
			t.Fatalf("bid %v is not below ask %v", bid, ask)
		}
	}
	p.subscribe(`"orderbooks":["ETH/USD"]`)
	for {
		message := p.skipTo("o")
		if message["S"] == "ETH/USD" {
			if message["r"] != true {
				t.Fatalf("the first book of another pair is no reset: %v", message)
			}
			return
		}
		if message["r"] != nil {
			t.Fatalf("a book that was open begins anew: %v", message)
		}
	}
}

func TestHalt(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/sip", nil)
	p.subscribe(`"statuses":["*"],"lulds":["AAPL"],"imbalances":["AAPL"]`)
	w.venue.Halt("AAPL")
	halted := p.skipTo("s")
	if halted["sc"] != "H" || halted["rc"] != "LUDP" || halted["z"] != "C" || halted["S"] != "AAPL" {
		t.Errorf("halt: %v", halted)
	}
	band := p.skipTo("l")
	if up, down := band["u"].(float64), band["d"].(float64); up <= down {
		t.Errorf("band: %v", band)
	}
	w.clock.Advance(time.Second)
	p.skipTo("i")
	p.subscribe(`"trades":["AAPL"]`)
	w.clock.Advance(2 * time.Second)
	for range 2 { // nothing but imbalances
		if message := decode(t, p.next()); message["T"] != "i" {
			t.Errorf("while halted: %v", message)
		}
	}
	w.venue.Resume("AAPL")
	if resumed := p.skipTo("s"); resumed["sc"] != "T" {
		t.Errorf("resumption: %v", resumed)
	}
	w.clock.Advance(time.Minute)
	p.skipTo("t")
}

func TestTapesOfHalts(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/sip", nil)
	p.subscribe(`"statuses":["*"]`)
	for _, c := range []struct {
		change func(string)
		code   string
	}{{w.venue.Halt, "2"}, {w.venue.Resume, "3"}} {
		c.change("IBM")
		if message := p.skipTo("s"); message["sc"] != c.code || message["z"] != "A" {
			t.Errorf("status %v, want code %s on tape A", message, c.code)
		}
	}
}

// TestHaltRightAfterSubscribing: at a clock that stands still a halt has the time of the subscription, and is told.
func TestHaltRightAfterSubscribing(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/sip", nil)
	for range 200 {
		p.subscribe(`"statuses":["IBM"]`)
		w.venue.Halt("IBM")
		if message := p.skipTo("s"); message["sc"] != "2" {
			t.Fatalf("status %v, want a halt", message)
		}
		w.venue.Resume("IBM")
		if message := p.skipTo("s"); message["sc"] != "3" {
			t.Fatalf("status %v, want the end of the halt", message)
		}
		p.send(`{"action":"unsubscribe","statuses":["IBM"]}`)
		p.skipTo("subscription")
	}
}

func TestRevisionsOfNothing(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	for _, symbol := range []string{"NOSUCH", "BTC/USD", ""} {
		if err := w.hub.CancelTrade(symbol); !errors.Is(err, feed.ErrUnknownSymbol) {
			t.Errorf("cancel a trade of %q: %v", symbol, err)
		}
	}
}

func TestRevisedTrades(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/sip", nil)
	p.subscribe(`"trades":["AAPL"]`)
	w.clock.Advance(time.Minute)
	trade := p.skipTo("t")
	if err := w.hub.CorrectTrade("AAPL"); err != nil {
		t.Fatal(err)
	}
	var corrected map[string]any
	for corrected == nil {
		if message := decode(t, p.next()); message["T"] == "t" {
			trade = message
		} else {
			corrected = message
		}
	}
	if corrected["oi"] != trade["i"] || corrected["op"] != trade["p"] || corrected["cs"] == trade["s"] {
		t.Errorf("correction %v of %v", corrected, trade)
	}
	if got, want := keys(corrected), "S T cc ci cp cs oc oi op os t x z"; got != want {
		t.Errorf("keys of a correction: %s, want %s", got, want)
	}
	if err := w.hub.CancelTrade("AAPL"); err != nil {
		t.Fatal(err)
	}
	canceled := p.skipTo("x")
	if canceled["i"] != trade["i"] || canceled["a"] != "C" {
		t.Errorf("cancel %v of %v", canceled, trade)
	}
	if got, want := keys(canceled), "S T a i p s t x z"; got != want {
		t.Errorf("keys of a cancel: %s, want %s", got, want)
	}
}

// TestNewsComesOnce checks that an article about two stocks comes once to who wants both.
func TestNewsComesOnce(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	all := w.enter("/v1beta1/news", nil)
	all.subscribe(`"news":["*"]`)
	seen := map[float64]bool{}
	for range 100 {
		w.clock.Advance(15 * time.Second)
		article := all.skipTo("n")
		if id := article["id"].(float64); seen[id] {
			t.Fatalf("article %v came twice", id)
		} else {
			seen[id] = true
		}
		if len(article["symbols"].([]any)) == 2 {
			break
		}
	}
}

func TestComplain(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/iex", nil)
	if sent := w.hub.Complain(feed.Stocks, "K1", 500); sent != 1 {
		t.Errorf("%d clients were told", sent)
	}
	p.expect(refusal(500, "internal error"))
	if w.hub.Complain(feed.Stocks, "K1", 408) != 1 || w.hub.Complain(feed.Crypto, "", 500) != 0 || w.hub.Complain("", "", 999) != 0 {
		t.Error("the wrong clients were told")
	}
	p.expect(refusal(408, "v2 not enabled"))
	w.hub.Complain("", "", 407)
	p.expect(refusal(407, "slow client"))
	p.expectEnd()
}

func TestDisconnect(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	p := w.enter("/v2/iex", nil)
	if w.hub.Disconnect(feed.Stocks, "K2") != 0 || w.hub.Disconnect(feed.Stocks, "K1") != 1 {
		t.Error("the wrong connections were broken")
	}
	if status := p.expectEnd(); status != -1 {
		t.Errorf("close status %v, want none", status)
	}
}

// TestSilence: a silent client keeps its connection, and control messages, but gets no data; nobody else notices.
func TestSilence(t *testing.T) {
	t.Parallel()
	w := start(t, func(s *feed.Settings) { s.Connections = 2 })
	silent, other := w.enter("/v2/sip", nil), w.enter("/v2/sip", nil)
	other.subscribe(`"quotes":["AAPL"]`)
	if w.hub.Silence(feed.Stocks, "K1", true) != 2 || w.hub.Silence(feed.Stocks, "K2", true) != 0 {
		t.Fatal("the wrong clients were silenced")
	}
	silent.subscribe(`"quotes":["AAPL"]`)
	w.clock.Advance(time.Second)
	silent.subscribe(`"trades":["MSFT"]`) // the acknowledgment comes, and nothing before it
	w.hub.Silence("", "", false)
	w.clock.Advance(time.Second)
	silent.skipTo("q")
	other.skipTo("q")
}

func TestRoundLots(t *testing.T) {
	t.Parallel()
	for _, lots := range []bool{false, true} {
		w := start(t, func(s *feed.Settings) { s.RoundLots = lots })
		p := w.enter("/v2/sip", nil)
		p.subscribe(`"quotes":["AAPL"]`)
		w.clock.Advance(time.Second)
		size := p.skipTo("q")["bs"].(float64)
		if inLots := size < 100; inLots != lots {
			t.Errorf("a size of %v, round lots %v", size, lots)
		}
	}
}
