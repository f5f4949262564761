package order_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// quotes stands in front of the emulator's market data and can answer for it.
type quotes struct {
	mu     sync.Mutex
	target *httputil.ReverseProxy
	body   string
	refuse int // how many of the next requests are refused, whoever asks
	asked  []string
	keys   []string
}

// say makes the next answers body; empty lets the emulator answer.
func (q *quotes) say(body string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.body, q.asked = body, nil
}

func (q *quotes) paths() []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return append([]string(nil), q.asked...)
}

// ServeHTTP answers a request for market data.
func (q *quotes) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q.mu.Lock()
	q.asked, q.keys = append(q.asked, r.URL.Path), append(q.keys, r.Header.Get("Apca-Api-Key-Id"))
	body, target, refused := q.body, q.target, q.refuse > 0
	q.refuse--
	q.mu.Unlock()
	if refused {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if body == "" {
		target.ServeHTTP(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprint(w, body)
}

func newQuoted(t *testing.T, client redis.UniversalClient, controls string) (*spread, *quotes) {
	t.Helper()
	q := &quotes{}
	server := httptest.NewServer(q)
	t.Cleanup(server.Close)
	s := newSpread(t, client, controls, func(c *orderfn.Config) { c.DataURL = server.URL })
	emulated, err := url.Parse(s.emulator.URL())
	if err != nil {
		t.Fatal(err)
	}
	q.target = httputil.NewSingleHostReverseProxy(emulated)
	return s, q
}

// collared are orders of every class with a limit price at the market and one far above it.
func (s *spread) collared() map[string]func(limit string) reply {
	return map[string]func(limit string) reply{
		"/v2/stocks/quotes/latest": func(limit string) reply {
			return s.place(`{"type":"limit","limit_price":` + limit + `}`)
		},
		"/v1beta3/crypto/us/latest/quotes": func(limit string) reply {
			qty := "10" // Alpaca takes 10 to 200,000 USD
			if len(limit) > 3 {
				qty = "0.1"
			}
			return s.post("crypto", `{"symbol":"BTC/USD","qty":"`+qty+`","side":"buy","type":"limit","limit_price":`+limit+`}`)
		},
		"/v1beta1/options/quotes/latest": func(limit string) reply {
			return s.post("options", `{"symbol":"`+s.lower+`","qty":1,"side":"buy","type":"limit","limit_price":`+limit+`}`)
		},
	}
}

// symbol is the one that the orders at a path are for.
func (s *spread) symbol(path string) string {
	switch {
	case strings.Contains(path, "stocks"):
		return "AAPL"
	case strings.Contains(path, "crypto"):
		return "BTC/USD"
	default:
		return s.lower
	}
}

// TestCollarByTheQuotesOfEveryClass: Alpaca's own latest quote of a stock, a pair or a contract, where nobody keeps a fresh one.
func TestCollarByTheQuotesOfEveryClass(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s, q := newQuoted(t, client, `{"price_collar_percent":10,"min_cash":null}`)
		for path, place := range s.collared() {
			q.say("")
			s.refused(place("900000"), "price_collar_percent")
			if asked := q.paths(); len(asked) != 1 || asked[0] != path {
				t.Errorf("%s: asked for %q", path, asked)
			}
			if got := place("1"); got.Status != http.StatusCreated { // far below: it waits, and harms nobody
				t.Errorf("%s: %s", path, got)
			}
			if asked := q.paths(); len(asked) != 1 {
				t.Errorf("%s: asked for %q, a quote of this moment was known", path, asked)
			}
		}
	})
}

// TestCollarWithoutAUsableQuote: no order is checked by a quote that says nothing; with its trade in the cache it may be.
func TestCollarWithoutAUsableQuote(t *testing.T) {
	useless := map[string]string{
		"none":             `{"quotes":{}}`,
		"null":             `{"quotes":null}`,
		"another symbol's": `{"quotes":{"OTHER":{"bp":1,"ap":2,"t":"2026-11-23T14:30:00Z"}}}`,
		"both sides empty": `{"quotes":{"%s":{"bp":0,"ap":0,"t":"2026-11-23T14:30:00Z"}}}`,
		"negative":         `{"quotes":{"%s":{"bp":-2,"ap":-1,"t":"2026-11-23T14:30:00Z"}}}`,
		"crossed":          `{"quotes":{"%s":{"bp":3,"ap":2,"t":"2026-11-23T14:30:00Z"}}}`,
		"no numbers":       `{"quotes":{"%s":{"bp":"x","ap":[],"t":"2026-11-23T14:30:00Z"}}}`,
		"no JSON":          `<html>quotes</html>`,
	}
	client, _ := storetest.Embedded(t)
	s, q := newQuoted(t, client, `{"price_collar_percent":10,"min_cash":null}`)
	for path, place := range s.collared() {
		for name, body := range useless {
			if strings.Contains(body, "%s") {
				body = fmt.Sprintf(body, s.symbol(path))
			}
			q.say(body)
			if f := s.mustFail(place("1"), problem.Unavailable); f.Details["control"] != "price_collar_percent" {
				t.Errorf("%s, %s: %v", path, name, f)
			}
		}
		q.say(fmt.Sprintf(`{"quotes":{"%s":{"bp":0,"ap":2,"t":"2026-11-23T14:30:00Z"}}}`, s.symbol(path))) // nobody bids: the ask is what a buy meets
		s.refused(place("2.3"), "price_collar_percent")
		if got := place("2.2"); got.Status != http.StatusCreated {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// TestCollarByWhatTheFeedKeeps: a fresh part of the record of a symbol is used without asking Alpaca; an old, crossed or
// unreadable one is not.
func TestCollarByWhatTheFeedKeeps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s, q := newQuoted(t, client, `{"price_collar_percent":10,"min_cash":null}`)
		kept := func(at time.Time, quote, trade string) {
			t.Helper()
			fields := []any{}
			for name, json := range map[string]string{"quote": quote, "trade": trade} {
				if json != "" {
					fields = append(fields, name, fmt.Sprintf("%019d %013d %s", at.UnixNano(), at.UnixMilli(), json))
				}
			}
			client.Del(t.Context(), store.QuoteKey(s.lower))
			if err := client.HSet(t.Context(), store.QuoteKey(s.lower), fields...).Err(); err != nil {
				t.Fatal(err)
			}
			s.clock.Advance(31 * time.Second) // what is in memory is too old as well
			q.say("")
		}
		now := func() time.Time { return s.clock.Now().Add(31 * time.Second) }
		at := s.collared()["/v1beta1/options/quotes/latest"]
		for _, c := range []struct {
			name, quote, trade string
			age                time.Duration
			limit              string // just above the collar
			asked              int
		}{
			{"fresh", `{"bp":0.01,"ap":0.02}`, ``, 0, "0.03", 0},
			{"old", `{"bp":0.01,"ap":0.02}`, ``, 31 * time.Second, "6", 1}, // the emulator's is 5
			{"crossed", `{"bp":0.03,"ap":0.02}`, ``, 0, "6", 1},
			{"unreadable", `{"bp":`, ``, 0, "6", 1},
			{"no quote, and a trade", ``, `{"p":0.02}`, 0, "6", 1},
		} {
			kept(now().Add(-c.age), c.quote, c.trade)
			s.refused(at(c.limit), "price_collar_percent")
			if asked := q.paths(); len(asked) != c.asked {
				t.Errorf("%s: asked for %q", c.name, asked)
			}
		}
		kept(now(), ``, `{"p":0.02}`)
		q.say(`{"quotes":{}}`) // then the trade has to do
		s.refused(at("0.03"), "price_collar_percent")
	})
}

// TestCollarAsksWithTheNextKeyPair: one that Alpaca refuses does not stop the orders of every account.
func TestCollarAsksWithTheNextKeyPair(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		s, q := newQuoted(t, client, `{"price_collar_percent":10,"min_cash":null}`)
		q.mu.Lock()
		q.refuse = 1
		q.mu.Unlock()
		s.refused(s.place(`{"type":"limit","limit_price":900000}`), "price_collar_percent")
		q.mu.Lock()
		defer q.mu.Unlock()
		if len(q.keys) != 2 || q.keys[0] == q.keys[1] || q.keys[1] == "" {
			t.Errorf("asked with %q", q.keys)
		}
	})
}
