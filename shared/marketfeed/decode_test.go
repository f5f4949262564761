package marketfeed

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// frames are messages with Alpaca's keys; what is written of each is what clients must get of it.
func frames() []struct {
	class tick.Class
	frame []map[string]any
	want  []string
} {
	at := time.Date(2026, 11, 23, 14, 30, 0, 500, time.UTC)
	return []struct {
		class tick.Class
		frame []map[string]any
		want  []string
	}{
		{tick.Stock, []map[string]any{
			{"T": "q", "S": "AAPL", "bx": "V", "bp": 187.1, "bs": 2, "ax": "Q", "ap": 187.12, "as": 3, "c": []string{"R"}, "z": "C", "t": at},
			{"T": "t", "S": "AAPL", "i": 52983525029461, "x": "V", "p": 187.11, "s": 100, "c": []string{"@", "I"}, "z": "C", "t": at},
			{"T": "b", "S": "AAPL", "o": 1.5, "h": 2, "l": 1, "c": 1.75, "v": 1000, "n": 12, "vw": 1.6, "t": at},
			{"T": "x", "S": "AAPL", "i": 1, "x": "V", "p": 1.0, "s": 1, "a": "C", "t": at, "z": "C"}, // a cancel: nobody subscribes
		}, []string{
			`{"type":"quote","asset_class":"us_equity","symbol":"AAPL","bid_price":187.1,"bid_size":2,"bid_exchange":"V","ask_price":187.12,"ask_size":3,"ask_exchange":"Q","timestamp":"2026-11-23T14:30:00.0000005Z"}`,
			`{"type":"trade","asset_class":"us_equity","symbol":"AAPL","price":187.11,"size":100,"id":52983525029461,"exchange":"V","conditions":["@","I"],"timestamp":"2026-11-23T14:30:00.0000005Z"}`,
			`{"type":"bar","asset_class":"us_equity","symbol":"AAPL","open":1.5,"high":2,"low":1,"close":1.75,"volume":1000,"vwap":1.6,"trade_count":12,"timestamp":"2026-11-23T14:30:00.0000005Z"}`,
		}},
		{tick.Option, []map[string]any{
			{"T": "t", "S": "AAPL250117C00150000", "t": at, "p": 0.05, "s": 3, "x": "N", "c": "a"},
		}, []string{
			`{"type":"trade","asset_class":"us_option","symbol":"AAPL250117C00150000","price":0.05,"size":3,"exchange":"N","conditions":["a"],"timestamp":"2026-11-23T14:30:00.0000005Z"}`,
		}},
		{tick.Crypto, []map[string]any{
			{"T": "t", "S": "BTC/USD", "p": 91234.5, "s": 0.000175822, "t": at, "i": 9, "tks": "B"},
		}, []string{
			`{"type":"trade","asset_class":"crypto","symbol":"BTC/USD","price":91234.5,"size":0.000175822,"id":9,"taker_side":"buy","timestamp":"2026-11-23T14:30:00.0000005Z"}`,
		}},
	}
}

func TestBothCodecsSayTheSame(t *testing.T) {
	t.Parallel()
	for _, c := range frames() {
		packed, err := msgpack.Marshal(c.frame)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(c.frame)
		if err != nil {
			t.Fatal(err)
		}
		for codec, read := range map[string]func(func(*message) error) error{
			"msgpack": func(handle func(*message) error) error { return newPackedReader().read(packed, handle) },
			"json":    func(handle func(*message) error) error { return readText(text, handle) },
		} {
			var got []string
			err := read(func(m *message) error {
				if e, ok := m.event(c.class); ok {
					got = append(got, string(e.AppendJSON(nil)))
				}
				return nil
			})
			if err != nil || len(got) != len(c.want) {
				t.Fatalf("%s: %v, %v", codec, got, err)
			}
			for i := range got {
				if got[i] != c.want[i] {
					t.Errorf("%s: got\n%s, want\n%s", codec, got[i], c.want[i])
				}
			}
		}
	}
}

func TestGarbageIsRefused(t *testing.T) {
	t.Parallel()
	ignore := func(*message) error { return nil }
	for _, frame := range []string{"", "{}", "nonsense", "[1]", "\x93\x01", "\xdd\xff\xff\xff\xff", "\x91\x81\xa1t\xa1x"} {
		if err := newPackedReader().read([]byte(frame), ignore); !errors.Is(err, ErrProtocol) {
			t.Errorf("msgpack %q: %v", frame, err)
		}
	}
	for _, frame := range []string{"", "{}", "nonsense", "[1]", `[{"T":"q","bp":"x"}]`, `[{"T":"t","t":"yesterday"}]`, `[{"T":"b","c":{}}]`} {
		if err := readText([]byte(frame), ignore); !errors.Is(err, ErrProtocol) {
			t.Errorf("json %q: %v", frame, err)
		}
	}
}

func TestPricesThatCannotBeAreNoEvents(t *testing.T) {
	t.Parallel()
	err := readText([]byte(`[{"T":"t","S":"A","p":0},{"T":"t","S":"A","p":-1},{"T":"q","S":"A","bp":-1},{"T":"b","S":"A","c":0}]`), func(m *message) error {
		if e, ok := m.event(tick.Stock); ok {
			t.Errorf("%s", e.AppendJSON(nil))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func FuzzPacked(f *testing.F) {
	for _, c := range frames() {
		packed, err := msgpack.Marshal(c.frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, frame []byte) { fuzzed(t, newPackedReader().read(frame, valid(t))) })
}

func FuzzText(f *testing.F) {
	for _, c := range frames() {
		text, err := json.Marshal(c.frame)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, frame []byte) { fuzzed(t, readText(frame, valid(t))) })
}

// valid checks that whatever comes becomes valid JSON; symbols are checked by who subscribed to them.
func valid(t *testing.T) func(*message) error {
	return func(m *message) error {
		m.symbol = "X"
		if e, ok := m.event(tick.Stock); ok && e.At.Year() > 0 && e.At.Year() < 9999 {
			if encoded := e.AppendJSON(nil); !json.Valid(encoded) {
				t.Fatalf("not JSON: %s", encoded)
			}
		}
		return nil
	}
}

func fuzzed(t *testing.T, err error) {
	if err != nil && !errors.Is(err, ErrProtocol) {
		t.Fatal(err)
	}
}
