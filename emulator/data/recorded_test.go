package data_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/replay"
)

// TestRecordedObjects: what Alpaca answered once (the crypto trade was captured in July 2024) and was loaded as a recording
// comes out of the REST API as it went in: every field, every digit, every type.
func TestRecordedObjects(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	files := []string{"testdata/recorded-crypto-trades.json", "testdata/recorded-stock.json"}
	library, err := replay.Load(files)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	if err := library.Install(w.market, catalogue, w.clock.Location(), 0); err != nil {
		t.Fatal(err)
	}
	requests := []string{
		"/v1beta3/crypto/us/trades?symbols=BTC/USD&start=2024-07-18&end=2024-07-19",
		"/v2/stocks/AAPL/quotes?start=2026-11-20&end=2026-11-21",
		"/v2/stocks/AAPL/trades?start=2026-11-20&end=2026-11-21",
		"/v2/stocks/AAPL/bars?timeframe=1Min&start=2026-11-20&end=2026-11-21",
	}
	var recorded []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		recorded = append(recorded, strings.Split(strings.TrimSpace(string(content)), "\n")...)
	}
	for i, request := range requests {
		answer := w.get(t.Context(), "PLUS", request)
		if got, want := exact(t, answer.Body.String()), exact(t, recorded[i]); !reflect.DeepEqual(got, want) {
			t.Errorf("%s\ngot  %v\nwant %v", request, got, want)
		}
	}
}

// exact decodes JSON without losing a digit.
func exact(t *testing.T, text string) any {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return value
}
