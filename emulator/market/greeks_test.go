package market_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
)

// contracts returns every third contract of some chains.
func contracts(t testing.TB) []*asset.Asset {
	t.Helper()
	all := catalogue(t)
	var list []*asset.Asset
	for _, symbol := range []string{"AAPL", "SPY", "TSLA", "F", "KO"} {
		underlying, _ := all.Find(symbol)
		at := 0
		for contract := range all.Chain(underlying, noon) {
			if at++; at%3 == 0 {
				list = append(list, contract)
			}
		}
	}
	return list
}

func TestGreeks(t *testing.T) {
	t.Parallel()
	m := open(t, 4)
	list := contracts(t)
	found := 0
	for _, contract := range list {
		greeks, volatility, ok := m.Greeks(contract, noon)
		if !ok {
			continue
		}
		found++
		call := contract.Contract.Type == asset.Call
		if call && (greeks.Delta < 0 || greeks.Delta > 1 || greeks.Rho < 0) {
			t.Errorf("%s: delta %f, rho %f", contract.Symbol, greeks.Delta, greeks.Rho)
		}
		if !call && (greeks.Delta > 0 || greeks.Delta < -1 || greeks.Rho > 0) {
			t.Errorf("%s: delta %f, rho %f", contract.Symbol, greeks.Delta, greeks.Rho)
		}
		if greeks.Gamma < 0 || greeks.Vega < 0 || greeks.Theta > 0 {
			t.Errorf("%s: gamma %f, vega %f, theta %f", contract.Symbol, greeks.Gamma, greeks.Vega, greeks.Theta)
		}
		if volatility < 0.01 || volatility > 9.9 {
			t.Errorf("%s: volatility %f", contract.Symbol, volatility)
		}
	}
	if found*2 < len(list) {
		t.Errorf("greeks of only %d of %d contracts", found, len(list))
	}
}

func TestGreeksThatAreMissing(t *testing.T) {
	t.Parallel()
	m := open(t, 4)
	lastDay := time.Date(2026, time.December, 18, 17, 0, 0, 0, time.UTC)
	contract := find(t, "AAPL261218C00270000")
	if _, _, ok := m.Greeks(contract, lastDay); ok {
		t.Error("greeks of a contract that expires today")
	}
	if _, _, ok := m.Greeks(contract, lastDay.AddDate(0, 0, 1)); ok {
		t.Error("greeks of an expired contract")
	}
	if _, _, ok := m.Greeks(find(t, "AAPL"), noon); ok {
		t.Error("greeks of a stock")
	}
	unbid := 0
	for _, c := range contracts(t) {
		quote := m.Quote(c, noon)
		if _, _, ok := m.Greeks(c, noon); !quote.BidPrice.IsPos() && ok {
			t.Errorf("%s has greeks without a bid", c.Symbol)
		}
		if !quote.BidPrice.IsPos() {
			unbid++
			if !quote.BidSize.IsZero() || quote.BidExchange != " " {
				t.Errorf("%s: %+v", c.Symbol, quote)
			}
		}
	}
	if unbid == 0 {
		t.Error("every contract has a bid")
	}
}

// TestPutCallParity: a call less a put with the same terms is worth the underlying less the strike.
func TestPutCallParity(t *testing.T) {
	t.Parallel()
	m, all := open(t, 4), catalogue(t)
	calls := contracts(t)
	rapid.Check(t, func(t *rapid.T) {
		call := rapid.SampledFrom(calls).Draw(t, "call")
		if call.Contract.Type == asset.Put {
			return
		}
		at := noon.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "seconds")) * time.Second)
		symbol := []byte(call.Symbol)
		symbol[len(symbol)-9] = 'P'
		put, ok := all.Find(string(symbol))
		if !ok {
			t.Fatalf("no put for %s", call.Symbol)
		}
		c, p := m.Quote(call, at), m.Quote(put, at)
		if c.BidPrice.IsZero() || p.BidPrice.IsZero() {
			return
		}
		middle := func(q market.Quote) float64 { return (q.BidPrice.InexactFloat64() + q.AskPrice.InexactFloat64()) / 2 }
		spread := c.AskPrice.Sub(c.BidPrice).Add(p.AskPrice.Sub(p.BidPrice)).InexactFloat64()
		spot := middle(m.Quote(call.Contract.Underlying, at))
		// quotes of the three are up to a tenth of a second apart
		slack := spread + spot*0.0005 + 0.02
		if gap := middle(c) - middle(p) - (spot - call.Contract.Strike.InexactFloat64()); math.Abs(gap) > slack {
			t.Fatalf("%s: call %f, put %f, spot %f, strike %s: gap %f, slack %f",
				call.Symbol, middle(c), middle(p), spot, call.Contract.Strike, gap, slack)
		}
	})
}

// TestChainsAreSane: a higher strike never makes a call dearer or a put cheaper, and nothing is offered below what exercising
// it brings.
func TestChainsAreSane(t *testing.T) {
	t.Parallel()
	m, all := open(t, 4), catalogue(t)
	underlying := find(t, "AAPL")
	spot := m.Price(underlying, noon).InexactFloat64()
	var before *asset.Asset
	for contract := range all.Chain(underlying, noon) {
		quote := m.Quote(contract, noon)
		if !quote.AskPrice.IsPos() || !quote.BidPrice.LessThan(quote.AskPrice) {
			t.Errorf("%s: %s to %s", contract.Symbol, quote.BidPrice, quote.AskPrice)
		}
		strike := contract.Contract.Strike.InexactFloat64()
		intrinsic := math.Max(0, spot-strike)
		if contract.Contract.Type == asset.Put {
			intrinsic = math.Max(0, strike-spot)
		}
		if quote.AskPrice.InexactFloat64() < intrinsic-0.1 {
			t.Errorf("%s is offered at %s, intrinsic value %f", contract.Symbol, quote.AskPrice, intrinsic)
		}
		if before != nil && before.Contract.Type == contract.Contract.Type && before.Contract.Expiration.Equal(contract.Contract.Expiration) {
			cheaper, dearer := quote, m.Quote(before, noon)
			if contract.Contract.Type == asset.Put {
				cheaper, dearer = dearer, cheaper
			}
			if cheaper.BidPrice.GreaterThan(dearer.AskPrice) {
				t.Errorf("%s bid %s against %s ask %s", contract.Symbol, cheaper.BidPrice, before.Symbol, dearer.AskPrice)
			}
		}
		before = contract
	}
}
