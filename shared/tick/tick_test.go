package tick_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

func at() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 123456789, time.UTC) }

func events() []tick.Event {
	d := decimal.MustParse
	return []tick.Event{
		{
			Topic: tick.Topic{Class: tick.Stock, Kind: tick.Quote, Symbol: "BRK.B"}, At: at(), BidPrice: d("187.1"), BidSize: d("2"),
			BidExchange: "V", AskPrice: d("187.12"), AskSize: d("3"), AskExchange: "Q",
		},
		{Topic: tick.Topic{Class: tick.Option, Kind: tick.Quote, Symbol: "AAPL250117C00150000"}, At: at(), AskPrice: d("0.05"), AskSize: d("10")},
		{
			Topic: tick.Topic{Class: tick.Stock, Kind: tick.Trade, Symbol: "AAPL"}, At: at(), Price: d("187.11"), Size: d("100"), ID: 7,
			Exchange: "V", Conditions: []string{"@", "I"},
		},
		{
			Topic: tick.Topic{Class: tick.Crypto, Kind: tick.Trade, Symbol: "BTC/USD"}, At: at(), Price: d("91234.5"),
			Size: d("0.000175822"), ID: 9, TakerSide: "sell",
		},
		{
			Topic: tick.Topic{Class: tick.Crypto, Kind: tick.Bar, Symbol: "BTC/USD"}, At: at().Truncate(time.Minute), Open: d("1"), High: d("4"),
			Low: d("0.5"), Close: d("2"), Volume: d("10.5"), VWAP: d("1.25"), TradeCount: 12,
		},
	}
}

func TestJSON(t *testing.T) {
	t.Parallel()
	want := []string{
		`{"type":"quote","asset_class":"us_equity","symbol":"BRK.B","bid_price":187.1,"bid_size":2,"bid_exchange":"V","ask_price":187.12,"ask_size":3,"ask_exchange":"Q","timestamp":"2026-11-23T14:30:00.123456789Z"}`,
		`{"type":"quote","asset_class":"us_option","symbol":"AAPL250117C00150000","bid_price":null,"bid_size":null,"ask_price":0.05,"ask_size":10,"timestamp":"2026-11-23T14:30:00.123456789Z"}`,
		`{"type":"trade","asset_class":"us_equity","symbol":"AAPL","price":187.11,"size":100,"id":7,"exchange":"V","conditions":["@","I"],"timestamp":"2026-11-23T14:30:00.123456789Z"}`,
		`{"type":"trade","asset_class":"crypto","symbol":"BTC/USD","price":91234.5,"size":0.000175822,"id":9,"taker_side":"sell","timestamp":"2026-11-23T14:30:00.123456789Z"}`,
		`{"type":"bar","asset_class":"crypto","symbol":"BTC/USD","open":1,"high":4,"low":0.5,"close":2,"volume":10.5,"vwap":1.25,"trade_count":12,"timestamp":"2026-11-23T14:30:00Z"}`,
	}
	for i, e := range events() {
		got := string(e.AppendJSON(nil))
		if got != want[i] || !json.Valid([]byte(got)) {
			t.Errorf("got\n%s, want\n%s", got, want[i])
		}
	}
}

func TestForeignTextIsEscaped(t *testing.T) {
	t.Parallel()
	e := tick.Event{Topic: tick.Topic{Kind: tick.Trade, Symbol: "AAPL"}, Exchange: "\a\"\xff", Conditions: []string{"<\\>", "é"}}
	if got := e.AppendJSON(nil); !json.Valid(got) {
		t.Fatalf("not JSON: %s", got)
	}
}

func TestTopicsAreReadBack(t *testing.T) {
	t.Parallel()
	for _, e := range events() {
		if got, err := tick.ParseTopic(e.String()); err != nil || got != e.Topic {
			t.Errorf("%s: got %v, %v", e.Topic, got, err)
		}
	}
	for _, bad := range []string{"", "us_equity/quotes/", "us_equity/news/AAPL", "bonds/quotes/AAPL", "AAPL"} {
		if got, err := tick.ParseTopic(bad); err == nil {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}

func TestBatchIsReadBack(t *testing.T) {
	t.Parallel()
	var batch tick.Batch
	var scratch []byte
	for _, e := range events() {
		scratch = batch.Add(&e, scratch)
	}
	opened, err := tick.Open(batch.AppendTo(nil, 1_764_000_000_000, 42))
	if err != nil || opened.Token != 1_764_000_000_000 || opened.Sequence != 42 || batch.Len() != len(events()) {
		t.Fatalf("%+v, %v", opened, err)
	}
	for _, e := range events() {
		topic, encoded, ok, err := opened.Next()
		if !ok || err != nil || topic != e.Topic || !bytes.Equal(encoded, e.AppendJSON(nil)) {
			t.Fatalf("%v %s %t %v", topic, encoded, ok, err)
		}
	}
	if _, _, ok, err := opened.Next(); ok || err != nil {
		t.Fatalf("at the end: %t, %v", ok, err)
	}
}

func FuzzOpen(f *testing.F) {
	var batch tick.Batch
	for _, e := range events() {
		batch.Add(&e, nil)
	}
	f.Add(batch.AppendTo(nil, 1, 1))
	f.Add([]byte{1, 0, 0, 0, 0, 200})
	f.Fuzz(func(t *testing.T, data []byte) {
		opened, err := tick.Open(data)
		if err != nil {
			return
		}
		for read := 0; ; {
			_, encoded, ok, err := opened.Next()
			if !ok || err != nil {
				return
			}
			if read += len(encoded); read > len(data) {
				t.Fatal("more came out than went in")
			}
		}
	})
}
