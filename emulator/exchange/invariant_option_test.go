package exchange //nolint:testpackage // see invariant_test.go

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// contracts are some option contracts on one underlying that are listed now: of each root two expirations, calls and puts, three
// strikes.
func (r *randomLedger) contracts(t *rapid.T) []string {
	catalogue := r.account.exchange.catalogue
	stock, _ := catalogue.Find(rapid.SampledFrom(r.underlyings).Draw(t, "underlying"))
	expirations := catalogue.Expirations(r.clock.Now())[:2]
	perKind := map[string]int{}
	var symbols []string
	for listed := range catalogue.ChainOf(stock, expirations) {
		c := listed.Contract
		kind := c.Root + c.Date() + string(c.Type)
		if c.Strike.GreaterThanOrEqual(decimal.FromInt(12)) && perKind[kind] < 3 {
			perKind[kind]++
			symbols = append(symbols, listed.Symbol)
		}
	}
	return symbols
}

func (r *randomLedger) try(t *rapid.T, body string) {
	request, err := DecodeOrder([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.account.Submit(request) // a refusal is as good as an order here
}

// premium is a price of an option, or of a combination when it may be negative.
func premium(t *rapid.T, low int) string {
	cents := rapid.IntRange(low, 900).Draw(t, "premium")
	price, err := decimal.FromInt(int64(cents)).Div64(100)
	if err != nil {
		t.Fatal(err)
	}
	return price.String()
}

func (r *randomLedger) option(t *rapid.T) {
	symbol := rapid.SampledFrom(r.contracts(t)).Draw(t, "contract")
	body := fmt.Sprintf(`{"symbol":%q,"side":%q,"qty":%d,"time_in_force":"day"`, symbol,
		rapid.SampledFrom([]Side{Buy, Sell}).Draw(t, "side"), rapid.IntRange(1, 20).Draw(t, "qty"))
	switch kind := rapid.SampledFrom([]Type{Market, Limit, Stop}).Draw(t, "type"); kind {
	case Limit:
		body += `,"type":"limit","limit_price":"` + premium(t, 1) + `"`
	case Stop:
		body += `,"type":"stop","stop_price":"` + premium(t, 1) + `"`
	default:
		body += `,"type":"market"`
	}
	r.try(t, body+`}`)
}

// combo sends a multi-leg order, often one that closes what is there.
func (r *randomLedger) combo(t *rapid.T) {
	symbols := rapid.SliceOfNDistinct(rapid.SampledFrom(r.contracts(t)), 2, 4, func(s string) string { return s }).Draw(t, "contracts")
	legs := make([]string, 0, len(symbols))
	for _, symbol := range symbols {
		side := rapid.SampledFrom([]Side{Buy, Sell}).Draw(t, "side")
		legs = append(legs, fmt.Sprintf(`{"symbol":%q,"ratio_qty":%d,"side":%q,"position_intent":%q}`, symbol,
			rapid.IntRange(1, 2).Draw(t, "ratio"), side, r.account.intentOf(side, symbol)))
	}
	kind := `"type":"market"`
	if rapid.Bool().Draw(t, "limit") {
		kind = `"type":"limit","limit_price":"` + premium(t, -900) + `"`
	}
	r.try(t, fmt.Sprintf(`{"order_class":"mleg","qty":%d,"time_in_force":"day",%s,"legs":[%s]}`,
		rapid.IntRange(1, 5).Draw(t, "units"), kind, strings.Join(legs, ",")))
}

func (r *randomLedger) coin(t *rapid.T) {
	r.try(t, fmt.Sprintf(`{"symbol":"BTC/USD","side":%q,"type":"market","time_in_force":"gtc","qty":"0.%04d"}`,
		rapid.SampledFrom([]Side{Buy, Sell}).Draw(t, "side"), rapid.IntRange(1, 9999).Draw(t, "coins")))
}

// exercise instructs about an option that is held, and sometimes lets the day end that settles it.
func (r *randomLedger) exercise(t *rapid.T) {
	var held []string
	for symbol, h := range r.account.holdings {
		if h.asset.Class == asset.Option {
			held = append(held, symbol)
		}
	}
	if len(held) == 0 {
		t.Skip("no options")
	}
	slices.Sort(held)
	symbol := rapid.SampledFrom(held).Draw(t, "held")
	switch rapid.IntRange(0, 2).Draw(t, "instruction") {
	case 0:
		_ = r.account.Exercise(symbol, ExerciseRequest{})
	case 1:
		_ = r.account.DoNotExercise(symbol, ExerciseRequest{})
	default:
		r.settle()
		expiration := r.account.holdings[symbol]
		if expiration == nil {
			return
		}
		ends := expiration.asset.Contract.Expiration
		for _, moment := range []time.Time{ends.Add(-beforeExpiry), ends} { // the latter is the morning for some
			if moment.After(r.clock.Now()) {
				r.clock.Set(moment)
			}
			r.account.exchange.Sweep()
		}
		if r.account.positionQty(symbol).IsPos() || r.account.positionQty(symbol).IsNeg() {
			t.Fatalf("%s %s are still there after the end", r.account.positionQty(symbol), symbol)
		}
	}
}
