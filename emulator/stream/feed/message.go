package feed

import (
	"math"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// The messages of stock streams, field by field as on Alpaca's page "Real-time Stock Data".

func stockTrade(o *wire.Object, symbol string, t *market.Trade, tape string) *wire.Object {
	return o.Reset().String("T", "t").String("S", symbol).Uint("i", t.ID).String("x", t.Exchange).Number("p", t.Price).
		Int("s", whole(t.Size)).Strings("c", letters(t.Conditions)).Time("t", t.Time).String("z", tape)
}

func stockQuote(o *wire.Object, symbol string, q *market.Quote, tape string) *wire.Object {
	return o.Reset().String("T", "q").String("S", symbol).String("bx", q.BidExchange).Number("bp", q.BidPrice).
		Int("bs", whole(q.BidSize)).String("ax", q.AskExchange).Number("ap", q.AskPrice).Int("as", whole(q.AskSize)).
		Strings("c", []string{"R"}).String("z", tape).Time("t", q.Time)
}

func stockBar(o *wire.Object, kind, symbol string, b *market.Bar) *wire.Object {
	return o.Reset().String("T", kind).String("S", symbol).Number("o", b.Open).Number("h", b.High).Number("l", b.Low).
		Number("c", b.Close).Int("v", whole(b.Volume)).Int("n", b.Trades).Number("vw", b.VWAP).Time("t", b.Start)
}

func cancellation(o *wire.Object, symbol string, t *market.Trade, tape string, at time.Time) *wire.Object {
	return o.Reset().String("T", "x").String("S", symbol).Uint("i", t.ID).String("x", t.Exchange).Number("p", t.Price).
		Int("s", whole(t.Size)).String("a", "C").Time("t", at).String("z", tape)
}

// correction corrects a trade's size; the corrected trade has an ID of its own.
func correction(o *wire.Object, symbol string, t *market.Trade, tape string, at time.Time) *wire.Object {
	return o.Reset().String("T", "c").String("S", symbol).String("x", t.Exchange).
		Uint("oi", t.ID).Number("op", t.Price).Int("os", whole(t.Size)).Strings("oc", letters(t.Conditions)).
		Uint("ci", t.ID+1<<47).Number("cp", t.Price).Int("cs", whole(t.Size.Add64(1))).Strings("cc", letters(t.Conditions)).
		Time("t", at).String("z", tape)
}

// status is a halt or its end, in the words of the tape: UTP for C and O, CTA for A and B.
func status(o *wire.Object, symbol, tape string, what incident, at time.Time) *wire.Object {
	words := [4]string{"2", "Trading Halt", "M", "Volatility Trading Pause"}
	switch utp := tape == "C" || tape == "O"; {
	case utp && what == halt:
		words = [4]string{"H", "Trading Halt", "LUDP", "Volatility Trading Pause"}
	case utp:
		words = [4]string{"T", "Trading Resumption", "", ""}
	case what == resume:
		words = [4]string{"3", "Resume", "", ""}
	}
	return o.Reset().String("T", "s").String("S", symbol).String("sc", words[0]).String("sm", words[1]).
		String("rc", words[2]).String("rm", words[3]).Time("t", at).String("z", tape)
}

// band is the limit up, limit down band: 5 % around the price, as for the large stocks of tier 1.
func band(o *wire.Object, symbol, tape string, price decimal.Decimal, at time.Time) *wire.Object {
	up := price.Mul(decimal.MustParse("1.05")).RoundAwayFromZero(2)
	down := price.Mul(decimal.MustParse("0.95")).Trunc(2)
	return o.Reset().String("T", "l").String("S", symbol).Number("u", up).Number("d", down).String("i", "B").
		Time("t", at).String("z", tape)
}

func imbalance(o *wire.Object, symbol, tape string, price decimal.Decimal, at time.Time) *wire.Object {
	return o.Reset().String("T", "i").String("S", symbol).Number("p", price).Time("t", at).String("z", tape)
}

// letters are the sale conditions of a trade, one letter each.
func letters(conditions string) []string { return strings.Split(conditions, "") }

// whole returns a size of stocks or contracts, which Alpaca writes as an integer.
func whole(size decimal.Decimal) int64 {
	units, err := size.Trunc(0).Int64()
	if err != nil { // beyond 9.2e18
		return math.MaxInt64
	}
	return units
}
