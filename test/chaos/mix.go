package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// kind is what an intent is, and what its client does with the order afterwards.
type kind string

const (
	shares     kind = "shares"      // of a stock
	fraction   kind = "fraction"    // of a share
	dollars    kind = "dollars"     // a notional order
	coins      kind = "crypto"      //
	option     kind = "option"      // a put
	spread     kind = "multi-leg"   // two calls
	bracket    kind = "bracket"     // its take-profit leg may be replaced
	resting    kind = "resting"     // stays open, and is canceled by its client
	moved      kind = "moved"       // stays open, is replaced once or twice, and canceled
	chased     kind = "chased"      // is replaced while it is filled
	exited     kind = "exited"      // is bought, and its position closed, in one or two parts
	hopeless   kind = "hopeless"    // Alpaca refuses it
	change     kind = "replacement" // of a moved, chased or bracket order
	exit       kind = "close"       // of one position
	liquidated kind = "close all"   // one position of it
)

// mix is how often each kind comes, of 100.
func mix() []struct {
	kind   kind
	weight int
} {
	return []struct {
		kind   kind
		weight int
	}{
		{shares, 27}, {fraction, 7}, {dollars, 6}, {coins, 9}, {option, 7}, {spread, 4}, {bracket, 5},
		{resting, 10}, {moved, 9}, {chased, 3}, {exited, 8}, {hopeless, 5},
	}
}

// newIntent makes the intent with a number. Whatever else happens, a seed makes the same intents.
func newIntent(seed uint64, number int, traders []trader, l *listing) *intent {
	dice := rand.New(rand.NewPCG(seed, uint64(number)+1000))
	i := &intent{
		number: number, trader: &traders[number%len(traders)], name: fmt.Sprintf("chaos-%d-%d", seed, number), dice: dice,
		class: event.AssetClassUSEquity,
	}
	turn := number / len(traders) // which of the account's intents it is
	i.kind = draw(dice, turn, l)
	switch n := dice.IntN(100); {
	case n < 50 || n >= 75 && i.hasSequel():
		i.way = byKey
	case n < 75:
		i.way = byOwnID
	default:
		i.way = byCommand
	}
	i.request = l.stock(turn)
	i.shape(turn, l)
	if i.way == byOwnID {
		i.request.ClientOrderID = i.name
	}
	i.mark = markOfRequest(&i.request)
	return i
}

// draw chooses a kind that the account's turn still has symbols for, and that its side allows: nobody sells fractions
// or dollars short.
func draw(dice *rand.Rand, turn int, l *listing) kind {
	drawn, n := shares, dice.IntN(100)
	for _, each := range mix() {
		if n -= each.weight; n < 0 {
			drawn = each.kind
			break
		}
	}
	sells := l.stock(turn).Side == "sell"
	switch drawn {
	case fraction, dollars:
		if sells {
			return shares
		}
	case option, spread, bracket, exited:
		if turn >= l.turns() {
			return shares
		}
	default:
	}
	return drawn
}

// hasSequel reports whether the client goes on with its order by HTTP.
func (i *intent) hasSequel() bool { return i.kind == moved || i.kind == chased || i.kind == exited }

// shape makes the order that its kind asks for of a plain one.
func (i *intent) shape(turn int, l *listing) {
	r := &i.request
	sells := r.Side == "sell"
	switch i.kind {
	case fraction:
		half := r.Qty.Add(decimal.MustParse("0.5"))
		r.Qty = &decimal.Number{Decimal: half}
	case dollars:
		r.Qty, r.Notional = nil, amount(int64(10+turn))
	case coins:
		i.class = event.AssetClassCrypto
		*r = order.OrderRequest{Symbol: l.coins[turn%len(l.coins)], Qty: amount(int64(200 + turn)), Side: "buy", Type: "market", TimeInForce: "gtc"}
		if i.dice.IntN(3) == 0 {
			r.TimeInForce = "ioc"
		}
	case option:
		i.class = event.AssetClassUSOption
		*r = order.OrderRequest{Symbol: l.puts[turn], Qty: amount(int64(1 + i.dice.IntN(2))), Side: "buy", Type: "market", TimeInForce: "day"}
	case spread:
		i.class = event.AssetClassUSOption
		*r = order.OrderRequest{
			Qty: amount(int64(1 + i.dice.IntN(2))), Type: "market", TimeInForce: "day", OrderClass: "mleg", Legs: l.spreads[turn],
		}
	case bracket:
		r.Symbol, r.Side, r.Qty, r.OrderClass = l.fresh[turn], "buy", amount(int64(1+i.dice.IntN(4))), "bracket"
		r.TakeProfit, r.StopLoss = &order.TakeProfit{LimitPrice: amount(9000)}, &order.StopLoss{StopPrice: amount(1)}
	case exited:
		r.Symbol, r.Side, r.Qty = l.fresh[turn], "buy", amount(int64(3+i.dice.IntN(4)))
	case resting, moved, chased:
		i.rest(sells)
	case hopeless:
		if i.dice.IntN(2) == 0 {
			r.Symbol, r.Qty = "NOPE", amount(int64(1+turn))
		} else {
			r.Qty = amount(1_000_000 + int64(i.number))
		}
	default:
	}
}

// rest gives the order a price that it does not trade at, or one that it does when it is to be chased.
func (i *intent) rest(sells bool) {
	r := &i.request
	low, high := amount(1), amount(2000)
	r.Type, r.TimeInForce, r.LimitPrice = "limit", "gtc", low
	if sells != (i.kind == chased) {
		r.LimitPrice = high
	}
	if i.kind != resting {
		return
	}
	switch i.dice.IntN(6) {
	case 0:
		r.Type, r.LimitPrice, r.StopPrice = "stop", nil, high
		if sells {
			r.StopPrice = low
		}
	case 1:
		r.Type, r.LimitPrice, r.TrailPercent = "trailing_stop", nil, amount(50)
	}
}

// expects reports whether there is a good reason for the refusal.
func (i *intent) expects(refusal string) bool {
	switch i.kind {
	case hopeless:
		return true
	case change: // it may have been filled before, or not have been at the venue yet
		return refusal == "422 ORDER_REJECTED"
	default:
		return false
	}
}
