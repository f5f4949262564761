package marketfeed_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/stream"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/marketfeed"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that crosses a socket.
const patience = 15 * time.Second

func credentials(key string) alpaca.Credentials {
	return alpaca.Credentials{KeyID: key, SecretKey: "secret"}
}

// startEmulator has accounts with each plan: PLUS and MORE have all, FREE has the free one.
func startEmulator(t *testing.T) *emulator.Emulator {
	t.Helper()
	e, err := emulator.New(emulator.Config{
		Accounts: []emulator.Account{
			{KeyID: "PLUS", SecretKey: "secret"}, {KeyID: "MORE", SecretKey: "secret"}, {KeyID: "FREE", SecretKey: "secret", DataPlan: access.Basic},
		},
		Streams: stream.Settings{Data: feed.Settings{Interval: 5 * time.Millisecond}},
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return e
}

func dialer(t *testing.T, cfg marketfeed.Config) *marketfeed.Dialer {
	t.Helper()
	d, err := marketfeed.NewDialer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func source(t *testing.T, class tick.Class, name string) marketfeed.Source {
	t.Helper()
	chosen, err := marketfeed.ParseSources(class, []string{name})
	if err != nil {
		t.Fatal(err)
	}
	return chosen[0]
}

// running is a socket that is being read.
type running struct {
	*marketfeed.Socket
	events chan tick.Event
	ended  chan error
}

func run(t *testing.T, s *marketfeed.Socket) *running {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{Socket: s, events: make(chan tick.Event, 1024), ended: make(chan error, 1)}
	var reading sync.WaitGroup
	reading.Go(func() {
		r.ended <- s.Run(ctx, func(e *tick.Event) {
			select {
			case r.events <- *e:
			default:
			}
		})
	})
	t.Cleanup(func() {
		cancel()
		reading.Wait()
		s.Close()
	})
	return r
}

func open(t *testing.T, d *marketfeed.Dialer, from marketfeed.Source, key string) *running {
	t.Helper()
	s, err := d.Dial(t.Context(), from, credentials(key), func() {})
	if err != nil {
		t.Fatal(err)
	}
	return run(t, s)
}

func topics(class tick.Class, kind tick.Kind, symbols ...string) []tick.Topic {
	all := make([]tick.Topic, len(symbols))
	for i, symbol := range symbols {
		all[i] = tick.Topic{Class: class, Kind: kind, Symbol: symbol}
	}
	return all
}

func TestEverySourceAndCodecDelivers(t *testing.T) {
	t.Parallel()
	e := startEmulator(t)
	tests := []struct {
		name, codec, key string
		class            tick.Class
		source           string
		kind             tick.Kind
		symbol           string
	}{
		{"stock quotes in MessagePack", marketfeed.MessagePack, "PLUS", tick.Stock, "sip", tick.Quote, "AAPL"},
		{"stock trades in JSON", marketfeed.JSON, "MORE", tick.Stock, "sip", tick.Trade, "SPY"},
		{"crypto quotes in JSON", marketfeed.JSON, "PLUS", tick.Crypto, "us", tick.Quote, "BTC/USD"},
		{"crypto quotes in MessagePack", marketfeed.MessagePack, "FREE", tick.Crypto, "us", tick.Quote, "BTC/USD"},
		{"the test source", marketfeed.MessagePack, "PLUS", tick.Stock, "test", tick.Quote, marketfeed.TestSymbol},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := open(t, dialer(t, marketfeed.Config{DataURL: e.URL(), Codec: test.codec}), source(t, test.class, test.source), test.key)
			if taken, err := s.Subscribe(t.Context(), topics(test.class, test.kind, test.symbol)); err != nil || len(taken) != 1 {
				t.Fatalf("%v, %v", taken, err)
			}
			select {
			case got := <-s.events:
				want := tick.Topic{Class: test.class, Kind: test.kind, Symbol: test.symbol}
				if got.Topic != want || time.Since(got.At).Abs() > time.Hour || (test.kind == tick.Quote) != got.BidPrice.IsPos() ||
					(test.kind == tick.Trade) != got.Price.IsPos() {
					t.Fatalf("got %s", got.AppendJSON(nil))
				}
			case err := <-s.ended:
				t.Fatal(err)
			case <-time.After(patience):
				t.Fatal("no event")
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	e := startEmulator(t)
	d := dialer(t, marketfeed.Config{DataURL: e.URL()})
	for name, test := range map[string]struct {
		key, source string
		want        error
	}{
		"unknown key":            {"NOBODY", "iex", marketfeed.ErrAuthFailed},
		"source not in the plan": {"FREE", "sip", marketfeed.ErrNotInPlan},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, err := d.Dial(t.Context(), source(t, tick.Stock, test.source), credentials(test.key), func() {})
			if !errors.Is(err, test.want) {
				t.Fatalf("got %v, %v", s, err)
			}
		})
	}
	// No such path: whoever runs the address does not have the source.
	nowhere := httptest.NewServer(http.NotFoundHandler())
	defer nowhere.Close()
	if _, err := dialer(t, marketfeed.Config{DataURL: nowhere.URL}).Dial(t.Context(), source(t, tick.Stock, "sip"), credentials("PLUS"), func() {}); !errors.Is(err, marketfeed.ErrNotInPlan) {
		t.Fatalf("got %v", err)
	}
}

func TestSymbolLimitKeepsWhatThereWas(t *testing.T) {
	t.Parallel()
	e := startEmulator(t)
	s := open(t, dialer(t, marketfeed.Config{DataURL: e.URL()}), source(t, tick.Stock, "iex"), "FREE")
	if _, err := s.Subscribe(t.Context(), topics(tick.Stock, tick.Quote, "AAPL", "MSFT")); err != nil {
		t.Fatal(err)
	}
	many := make([]string, 30)
	for i := range many {
		many[i] = "Z" + string(rune('A'+i/26)) + string(rune('A'+i%26))
	}
	if taken, err := s.Subscribe(t.Context(), topics(tick.Stock, tick.Quote, many...)); !errors.Is(err, marketfeed.ErrSymbolLimit) || len(taken) != 0 {
		t.Fatalf("got %v, %v", taken, err)
	}
	if err := s.Unsubscribe(t.Context(), topics(tick.Stock, tick.Quote, "AAPL", "MSFT")); err != nil {
		t.Fatal(err)
	}
	if taken, err := s.Subscribe(t.Context(), topics(tick.Stock, tick.Quote, many...)); err != nil || len(taken) != 30 {
		t.Fatalf("got %v, %v", taken, err)
	}
}

func TestWaitsForATakenPlaceOnTheSameSocket(t *testing.T) {
	t.Parallel()
	e := startEmulator(t)
	d, iex := dialer(t, marketfeed.Config{DataURL: e.URL()}), source(t, tick.Stock, "iex")
	first := open(t, d, iex, "PLUS")
	refused := make(chan struct{}, 16)
	type dialed struct {
		s   *marketfeed.Socket
		err error
	}
	second := make(chan dialed, 1)
	go func() {
		s, err := d.Dial(t.Context(), iex, credentials("PLUS"), func() { refused <- struct{}{} })
		second <- dialed{s, err}
	}()
	<-refused
	first.Close()
	got := <-second
	if got.err != nil {
		t.Fatal(got.err)
	}
	got.s.Close()
	if err := <-first.ended; err == nil {
		t.Error("the first socket did not end")
	}
}

func TestCutConnectionEndsRun(t *testing.T) {
	t.Parallel()
	e := startEmulator(t)
	s := open(t, dialer(t, marketfeed.Config{DataURL: e.URL()}), source(t, tick.Stock, "iex"), "PLUS")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.AdminURL()+"/emulator/streams/disconnect",
		strings.NewReader(`{"kind":"stocks"}`))
	if err != nil {
		t.Fatal(err)
	}
	done, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = done.Body.Close()
	select {
	case err := <-s.ended:
		if err == nil {
			t.Fatal("it ended without a reason")
		}
	case <-time.After(patience):
		t.Fatal("it did not end")
	}
}

// TestSilentConnectionEnds: a peer that is there but answers no ping.
func TestSilentConnectionEnds(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	deaf := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer func() { _ = c.CloseNow() }()
		_ = c.Write(r.Context(), websocket.MessageText, []byte(`[{"T":"success","msg":"connected"}]`))
		_, _, _ = c.Read(r.Context())
		_ = c.Write(r.Context(), websocket.MessageText, []byte(`[{"T":"success","msg":"authenticated"}]`))
		<-release
	}))
	defer deaf.Close()
	defer close(release)
	d := dialer(t, marketfeed.Config{DataURL: deaf.URL, Codec: marketfeed.JSON, PingEvery: 20 * time.Millisecond})
	s := open(t, d, source(t, tick.Stock, "iex"), "PLUS")
	if err := <-s.ended; !errors.Is(err, marketfeed.ErrSilent) {
		t.Fatalf("got %v", err)
	}
}

func TestConfigurationIsChecked(t *testing.T) {
	t.Parallel()
	for _, cfg := range []marketfeed.Config{{DataURL: "data.alpaca.markets"}, {DataURL: "https://x", Codec: "xml"}, {}} {
		if _, err := marketfeed.NewDialer(cfg); err == nil {
			t.Errorf("%+v was accepted", cfg)
		}
	}
	if _, err := marketfeed.ParseSources(tick.Crypto, []string{"sip"}); err == nil {
		t.Error("sip is no source of crypto")
	}
	got, err := marketfeed.ParseSources(tick.Stock, []string{"sip", "iex", "test"})
	if err != nil || !slices.EqualFunc(got, []string{"sip", "iex", "test"}, func(s marketfeed.Source, name string) bool { return s.Name == name }) {
		t.Errorf("%v, %v", got, err)
	}
}
