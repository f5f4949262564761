package alpaca

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// TestGolden reads objects with the fields, order and JSON types of captured paper-account answers (identities are
// made up) and writes them back: nothing may be lost, reordered, or change its type on the way.
func TestGolden(t *testing.T) {
	t.Parallel()
	for file, object := range map[string]any{
		"order.json": &Order{}, "account.json": &Account{}, "position.json": &Position{}, "clock.json": &Clock{},
		"asset.json": &Asset{}, "trade_event.json": &TradeEvent{}, "snapshot.json": &Snapshot{},
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			captured, err := os.ReadFile(filepath.Join("testdata", file))
			if err != nil {
				t.Fatal(err)
			}
			if err := decode(captured, object); err != nil {
				t.Fatal(err)
			}
			written, err := json.Marshal(object)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(written, bytes.TrimSpace(captured)) {
				t.Errorf("wrote\n%s\nread\n%s", written, captured)
			}
		})
	}
}

func TestDecimalsBeyondTheLimit(t *testing.T) {
	t.Parallel()
	body := `{"symbol":"SHIB/USD","qty":"1e3","unrealized_plpc":"-0.12345678901234567895","current_price":"1.2345678901234567e-05"}`
	var position Position
	if err := decode([]byte(body), &position); err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]decimal.Decimal{
		"qty":             {position.Qty, decimal.FromInt(1000)},
		"unrealized_plpc": {*position.UnrealizedPLPC, decimal.MustParse("-0.123456789012345679")},
		"current_price":   {*position.CurrentPrice, decimal.MustParse("0.0000123456789012346")},
	} {
		if !pair[0].Equal(pair[1]) {
			t.Errorf("%s = %s, want %s", name, pair[0], pair[1])
		}
	}
	var quotes struct {
		Quotes map[string]Quote `json:"quotes"`
	}
	body = `{"quotes":{"X":{"t":"2026-07-24T14:30:00Z","ap":1.2e-05,"bp":0.00001234567890123456789,"as":1,"bs":2}}}`
	if err := decode([]byte(body), &quotes); err != nil {
		t.Fatal(err)
	}
	if got := quotes.Quotes["X"].AskPrice.String() + " " + quotes.Quotes["X"].BidPrice.String(); got != "0.000012 0.0000123456789012346" {
		t.Errorf("prices = %s", got)
	}
}

// TestClientOrderIDIsNotANumber: shortening decimals must leave the caller's own ID alone.
func TestClientOrderIDIsNotANumber(t *testing.T) {
	t.Parallel()
	const id = "0.123456789012345678901234567890"
	var order Order
	err := decode([]byte(`{"id":"o","client_order_id": "`+id+`","filled_avg_price":"`+id+`","legs":[{"client_order_id":"1e5"}]}`), &order)
	if err != nil {
		t.Fatal(err)
	}
	if order.ClientOrderID != id || order.Legs[0].ClientOrderID != "1e5" {
		t.Errorf("client order IDs = %q, %q", order.ClientOrderID, order.Legs[0].ClientOrderID)
	}
	if got := order.FilledAvgPrice.String(); got != "0.1234567890123456789" {
		t.Errorf("price = %s", got)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"id":"o","qty":"1e30","filled_qty":"-0.00000000000000000000001","legs":[{"qty":"1e99"}]}`))
	f.Add([]byte(`{"id":"o","client_order_id":"\"1e5","qty":1e-60}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var order Order
		if decode(body, &order) == nil && order.ID == "" {
			t.Error("an order without identity was accepted")
		}
		if short := shortenDecimals(body); json.Valid(body) && short != nil && !json.Valid(short) {
			t.Errorf("valid JSON became invalid: %s", short)
		}
	})
}
