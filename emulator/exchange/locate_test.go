package exchange_test

import (
	"errors"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// lender is a floor on a morning when at least 300 shares of GME, at 20 USD, can be located.
func lender(t *testing.T) (*floor, exchange.LocateQuote) {
	t.Helper()
	f := instant(t)
	f.pinAt("GME", "20")
	for range 30 {
		quote, err := f.account.LocateQuote("GME")
		if err != nil {
			t.Fatal(err)
		}
		if day := f.clock.Now().Weekday(); quote.AvailableQty >= 300 && day >= time.Monday && day <= time.Wednesday {
			return f, quote
		}
		f.clock.Advance(24 * time.Hour)
	}
	t.Fatal("nobody lends GME for a month")
	return nil, exchange.LocateQuote{}
}

const shortGME = `{"symbol":"GME","side":"sell","qty":100,"type":"market","time_in_force":"day"}`

// TestLocatedSharesAreSoldShort: a locate makes a short sale possible, costs its fee, is used up by it, and ends in the evening.
func TestLocatedSharesAreSoldShort(t *testing.T) {
	t.Parallel()
	f, quote := lender(t)
	_, err := f.try(shortGME)
	expectFailure(t, err, 422, 42210000, `asset "GME" cannot be sold short`)
	cash := f.account.Cash()
	located, err := f.account.Locate(exchange.LocateRequest{Symbol: "GME", Qty: 200}, "")
	f.note(err)
	expect(t, "status", located.Status(f.clock.Now()), exchange.LocateActive)
	expect(t, "fee", cash.Sub(f.account.Cash()).String(), quote.Price.Mul(decimal.FromInt(200)).String())
	expect(t, "activity", f.daily()[0], "FEE GME 0 "+located.TotalFee().Neg().String())
	left, err := f.account.LocateQuote("GME")
	f.note(err)
	expect(t, "left to locate", left.AvailableQty, quote.AvailableQty-200)

	f.place(shortGME)
	before := f.saved()
	f.exchange.Reset()
	f.restore(before)
	expect(t, "restored", f.saved(), before)
	f.place(`{"symbol":"GME","side":"buy","qty":100,"type":"market","time_in_force":"day"}`)
	f.place(shortGME) // the second hundred
	f.place(`{"symbol":"GME","side":"buy","qty":100,"type":"market","time_in_force":"day"}`)
	_, err = f.try(shortGME)
	expectFailure(t, err, 422, 42210000, `asset "GME" cannot be sold short`)

	_, err = f.account.Locate(exchange.LocateRequest{Symbol: "GME", Qty: 100}, "")
	f.note(err)
	waiting := f.place(`{"symbol":"GME","side":"sell","qty":100,"type":"limit","limit_price":"30","time_in_force":"gtc"}`)
	f.clock.Advance(11 * time.Hour)
	f.pinAt("GME", "21")
	f.clock.Advance(13 * time.Hour)
	f.pinAt("GME", "31")
	expect(t, "the next day", f.get(waiting.ID).Status, exchange.StatusCanceled)
	for _, old := range f.account.Locates() {
		expect(t, "status", old.Status(f.clock.Now()), exchange.LocateExpired)
	}
}

func TestLocatesThatFail(t *testing.T) {
	t.Parallel()
	f, quote := lender(t)
	f.note(f.exchange.MakeHardToBorrow("AAPL"))
	cases := []struct {
		name    string
		request exchange.LocateRequest
		code    string // of a refusal
		reason  string // of a rejection
	}{
		{"no such symbol", exchange.LocateRequest{Symbol: "NOSUCH", Qty: 100}, "symbol_not_found", ""},
		{"easy to borrow", exchange.LocateRequest{Symbol: "MSFT", Qty: 100}, "easy_to_borrow", ""},
		{"not lent at all", exchange.LocateRequest{Symbol: "TCEHY", Qty: 100}, "threshold_security", ""},
		{"all or none", exchange.LocateRequest{Symbol: "GME", Qty: quote.AvailableQty + 100, AllOrNone: true}, "", "inventory_unavailable"},
		{"too dear", exchange.LocateRequest{Symbol: "GME", Qty: 100, LimitPrice: ptr("0.0001")}, "", "limit_price_exceeded"},
	}
	for _, c := range cases {
		located, err := f.account.Locate(c.request, "")
		var refused *exchange.LocateError
		if errors.As(err, &refused) {
			expect(t, c.name, refused.Code, c.code)
			continue
		}
		expect(t, c.name, located.Rejection, c.reason)
		expect(t, c.name, located.Status(f.clock.Now()), exchange.LocateRejected)
	}
	f.exchange.Halt("GME")
	_, err := f.account.LocateQuote("GME")
	var refused *exchange.LocateError
	if !errors.As(err, &refused) || refused.Code != "quote_unavailable" {
		t.Errorf("a halted stock: %v", err)
	}
	f.exchange.Resume("GME")
	expect(t, "cash", f.account.Cash().String(), "100000")
}

func TestLocateIdempotency(t *testing.T) {
	t.Parallel()
	f, _ := lender(t)
	first, err := f.account.Locate(exchange.LocateRequest{Symbol: "GME", Qty: 100}, "one")
	f.note(err)
	cash := f.account.Cash()
	again, err := f.account.Locate(exchange.LocateRequest{Symbol: "GME", Qty: 100}, "one")
	f.note(err)
	expect(t, "the same", again.ID, first.ID)
	expect(t, "cash", f.account.Cash().String(), cash.String())
	_, err = f.account.Locate(exchange.LocateRequest{Symbol: "GME", Qty: 200}, "one")
	var refused *exchange.LocateError
	if !errors.As(err, &refused) || refused.Code != "idempotency_key_conflict" {
		t.Errorf("another request with the key: %v", err)
	}
}
