package replay_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/replay"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

const (
	stockTrades = `{"trades":[
		{"t":"2024-01-03T15:00:00.5Z","x":"V","p":184.1,"s":100,"c":["@"],"i":1,"z":"C"},
		{"t":"2024-01-03T15:00:20Z","x":"Q","p":184.3,"s":5,"c":["@","I"],"i":2,"z":"C"},
		{"t":"2024-01-03T15:00:30Z","x":"Q","p":184.2,"s":300,"c":["@"],"i":3,"z":"C","u":"corrected"},
		{"t":"2024-01-03T15:00:31Z","x":"Q","p":99,"s":300,"c":["@"],"i":4,"z":"C","u":"canceled"},
		{"t":"2024-01-03T15:01:10Z","x":"Q","p":184.4,"s":200,"c":["@","F"],"i":5,"z":"C"}],
		"symbol":"AAPL","next_page_token":"QUFQTA=="}`
	stockQuotes = `{"quotes":{"AAPL":[
		{"t":"2024-01-03T15:00:05Z","ax":"Q","ap":184.2,"as":2,"bx":"V","bp":184.1,"bs":3,"c":["R"],"z":"C"},
		{"t":"2024-01-03T15:00:40Z","ax":"Q","ap":184.5,"as":1,"bx":"V","bp":184.4,"bs":4,"c":["R"],"z":"C"}]},"next_page_token":null}`
	cryptoBars = `{"bars":{"BTC/USD":[
		{"t":"2024-01-03T15:00:00Z","o":42000,"h":42100.5,"l":41900,"c":42050,"v":1.5,"n":12,"vw":42010.25},
		{"t":"2024-01-03T15:01:00Z","o":42050,"h":42060,"l":42000,"c":42000,"v":0,"n":0,"vw":0}]},"next_page_token":null}`
	optionTrades = `{"trades":{"AAPL261218C00270000":[{"t":"2024-01-03T15:00:00Z","x":"C","p":3.25,"s":4,"c":"I"}]}}`
)

func write(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func packed(t testing.TB, content string) string {
	t.Helper()
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write([]byte(content)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return buffer.String()
}

// installed is a market with all of the recordings above, moved in time.
func installed(t testing.TB, shift time.Duration) (*market.Market, *asset.Catalogue) {
	t.Helper()
	library, err := replay.Load([]string{
		write(t, "trades.json", stockTrades+"\n"+optionTrades), write(t, "quotes.json.gz", packed(t, stockQuotes)),
		write(t, "bars.json", cryptoBars),
	})
	if err != nil {
		t.Fatal(err)
	}
	hours, err := session.NewClock(session.Settings{}, clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	prices := market.New(1, hours)
	if err := library.Install(prices, catalogue, hours.Location(), shift); err != nil {
		t.Fatal(err)
	}
	return prices, catalogue
}

func find(t testing.TB, catalogue *asset.Catalogue, symbol string) *asset.Asset {
	t.Helper()
	found, ok := catalogue.Find(symbol)
	if !ok {
		t.Fatalf("no %s", symbol)
	}
	return found
}

var three = time.Date(2024, time.January, 3, 15, 0, 0, 0, time.UTC)

func TestRecordedMarket(t *testing.T) {
	t.Parallel()
	prices, catalogue := installed(t, 0)
	aapl := find(t, catalogue, "AAPL")
	cases := []struct {
		at               time.Duration
		price, bid, last string
	}{
		{-time.Hour, "184.1", "184.1", "184.1"}, // before it begins: the first
		{25 * time.Second, "184.3", "184.1", "184.3"},
		{45 * time.Second, "184.2", "184.4", "184.2"},
		{time.Hour, "184.4", "184.4", "184.4"},
	}
	for _, c := range cases {
		at := three.Add(c.at)
		quote, trade := prices.Quote(aapl, at), prices.Trade(aapl, at)
		if prices.Price(aapl, at).String() != c.price || quote.BidPrice.String() != c.bid || trade.Price.String() != c.last {
			t.Errorf("%s: price %s, bid %s, trade %s; want %v", c.at, prices.Price(aapl, at), quote.BidPrice, trade.Price, c)
		}
	}
	trades := slices.Collect(prices.Trades(aapl, market.Span{From: three, To: three.Add(time.Hour), Venue: "V"}))
	if len(trades) != 1 || trades[0].Exchange != "V" {
		t.Errorf("on IEX: %v", trades)
	}
	bar := prices.Bar(aapl, three, three.Add(time.Minute))
	if bar.Open.String() != "184.1" || bar.High.String() != "184.2" || bar.Close.String() != "184.2" || bar.Volume.String() != "405" || bar.Trades != 3 {
		t.Errorf("bar = %+v", bar)
	}
}

func TestRecordedBars(t *testing.T) {
	t.Parallel()
	prices, catalogue := installed(t, 0)
	bitcoin := find(t, catalogue, "BTC/USD")
	span := market.Span{From: three.AddDate(-1, 0, 0), To: three.AddDate(1, 0, 0)}
	minute := slices.Collect(prices.Bars(bitcoin, market.Timeframe{Count: 1, Unit: market.Minute}, span, span.To))
	if len(minute) != 2 || minute[0].VWAP.String() != "42010.25" || minute[1].Trades != 0 {
		t.Errorf("as recorded: %v", minute)
	}
	hour := slices.Collect(prices.Bars(bitcoin, market.Timeframe{Count: 1, Unit: market.Hour}, span, span.To))
	if len(hour) != 1 || hour[0].High.String() != "42100.5" || hour[0].Close.String() != "42000" || hour[0].Volume.String() != "1.5" {
		t.Errorf("an hour of minutes: %v", hour)
	}
	day := slices.Collect(prices.Bars(bitcoin, market.Timeframe{Count: 1, Unit: market.Day}, span, span.To))
	if len(day) != 1 || !day[0].Start.Equal(three.Truncate(24*time.Hour)) {
		t.Errorf("a day of minutes: %v", day)
	}
	if quote := prices.Quote(bitcoin, three); !quote.BidPrice.LessThan(quote.AskPrice) {
		t.Errorf("quote made of trades: %v", quote)
	}
}

// TestOptionsFollowTheRecording: contracts that were not recorded are priced from the recorded underlying.
func TestOptionsFollowTheRecording(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, time.November, 23, 15, 0, 0, 0, time.UTC)
	prices, catalogue := installed(t, now.Sub(three))
	if got := prices.Price(find(t, catalogue, "AAPL261218C00270000"), now).String(); got != "3.25" {
		t.Errorf("recorded contract at %s", got)
	}
	put := prices.Price(find(t, catalogue, "AAPL261218P00270000"), now).InexactFloat64()
	if put < 85 || put > 87 { // 270 less 184.1
		t.Errorf("put at %f", put)
	}
}

func TestShift(t *testing.T) {
	t.Parallel()
	library, err := replay.Load([]string{write(t, "trades.json", stockTrades)})
	if err != nil {
		t.Fatal(err)
	}
	if want := three.Add(500 * time.Millisecond); !library.Begin().Equal(want) {
		t.Errorf("begins at %s", library.Begin())
	}
	start := time.Date(2026, time.November, 23, 18, 30, 12, 0, time.UTC)
	prices, catalogue := installed(t, library.ShiftTo(start))
	trade := prices.Trade(find(t, catalogue, "AAPL"), start.Add(time.Second))
	if want := start.Truncate(time.Minute).Add(500 * time.Millisecond); !trade.Time.Equal(want) {
		t.Errorf("first trade at %s, want %s", trade.Time, want)
	}
	empty, err := replay.Load(nil)
	if err != nil || empty.ShiftTo(start) != 0 || len(empty.Symbols()) != 0 {
		t.Errorf("no recording: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, content, want string }{
		{"empty", "", "the file is empty"},
		{"no JSON", "hello", "document 1"},
		{"cut off", stockTrades[:len(stockTrades)-40], "document 1"},
		{"second document", stockTrades + `{"bars":3}`, "document 2: bars"},
		{"nothing in it", `{"symbol":"AAPL"}`, "none of trades, quotes and bars"},
		{"unknown member", `{"trades":[],"symbol":"AAPL","extra":1}`, "extra"},
		{"list without a symbol", `{"trades":[]}`, "a list needs a symbol"},
		{"unknown field", `{"trades":{"AAPL":[{"t":"2024-01-03T15:00:00Z","p":1,"s":1,"q":1}]}}`, "trades of AAPL, record 1"},
		{"no time", `{"trades":{"AAPL":[{"p":1,"s":1}]}}`, "trades of AAPL, record 1: t:"},
		{"price", `{"trades":{"AAPL":[{"t":"2024-01-03T15:00:00Z","p":0,"s":1}]}}`, "record 1: p:"},
		{"size", `{"trades":{"AAPL":[{"t":"2024-01-03T15:00:00Z","p":1,"s":-1}]}}`, "record 1: s:"},
		{"huge price", `{"trades":{"AAPL":[{"t":"2024-01-03T15:00:00Z","p":1e20,"s":1}]}}`, "record 1"},
		{"taker", `{"trades":{"BTC/USD":[{"t":"2024-01-03T15:00:00Z","p":1,"s":1,"tks":"X"}]}}`, "tks"},
		{"condition", `{"trades":{"AAPL":[{"t":"2024-01-03T15:00:00Z","p":1,"s":1,"c":["ABC"]}]}}`, "longer than one character"},
		{"second quote", `{"quotes":{"AAPL":[{"t":"2024-01-03T15:00:00Z"},{"t":"2024-01-03T15:00:00Z","bp":-1}]}}`, "quotes of AAPL, record 2: bp"},
		{"bar upside down", `{"bars":{"AAPL":[{"t":"2024-01-03T15:00:00Z","o":1,"h":1,"l":2,"c":1}]}}`, "bars of AAPL, record 1"},
		{"bar volume", `{"bars":{"AAPL":[{"t":"2024-01-03T15:00:00Z","o":1,"h":1,"l":1,"c":1,"v":-2}]}}`, "v, n, vw"},
		{"bad gzip", "\x1f\x8bxx", "gzip"},
		{"wrong types", `{"bars":{"AAPL":{"t":"2024-01-03T15:00:00Z"}}}`, "want lists by symbol"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			path := write(t, "recording.json", c.content)
			_, err := replay.Load([]string{path})
			if !errors.Is(err, replay.ErrRecording) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want %q and the file", err, c.want)
			}
		})
	}
	if _, err := replay.Load([]string{"no such file"}); !errors.Is(err, replay.ErrRecording) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such file: %v", err)
	}
}

func TestUnknownSymbol(t *testing.T) {
	t.Parallel()
	library, err := replay.Load([]string{write(t, "a.json", `{"bars":{"NOSUCH":[{"t":"2024-01-03T15:00:00Z","o":1,"h":1,"l":1,"c":1}]}}`)})
	if err != nil {
		t.Fatal(err)
	}
	prices, catalogue := installed(t, 0)
	if err := library.Install(prices, catalogue, time.UTC, 0); !errors.Is(err, replay.ErrRecording) || !strings.Contains(err.Error(), "NOSUCH") {
		t.Errorf("error %v", err)
	}
}

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{stockTrades, stockQuotes, cryptoBars, optionTrades, `{"bars":{}}`, "\x1f\x8b"} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "recording.json")
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		f.Fatal(err)
	}
	hours, err := session.NewClock(session.Settings{}, clock.System{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		library, err := replay.Load([]string{path})
		if err != nil {
			if !errors.Is(err, replay.ErrRecording) {
				t.Fatal(err)
			}
			return
		}
		prices := market.New(1, hours)
		if err := library.Install(prices, catalogue, hours.Location(), 0); err != nil {
			return
		}
		for _, symbol := range library.Symbols() {
			recorded, _ := catalogue.Find(symbol)
			prices.Quote(recorded, three)
			prices.Trade(recorded, three)
			prices.Bar(recorded, three, three.Add(time.Minute))
		}
	})
}
