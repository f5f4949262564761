package marketfeed

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// The types of messages, the value of their key T.
const (
	typeSuccess      = "success"
	typeError        = "error"
	typeSubscription = "subscription"
	typeTrade        = "t"
	typeQuote        = "q"
	typeBar          = "b"
)

// The texts of success messages.
const (
	textConnected     = "connected"
	textAuthenticated = "authenticated"
)

// message is one message, whatever its codec and type: Alpaca's keys mean the same in all of them, but for c.
type message struct {
	kind   string // T
	symbol string // S
	code   int
	text   string // msg

	at                                   time.Time
	bidPrice, bidSize, askPrice, askSize decimal.Decimal
	price, size                          decimal.Decimal
	open, high, low, volume, vwap        decimal.Decimal
	closing                              decimal.Decimal // c of a bar
	conditions                           []string        // c of quotes and trades
	bidExchange, askExchange, exchange   string
	taker                                string
	id, count                            uint64
}

// control reports whether it is an answer and no data.
func (m *message) control() bool {
	return m.kind == typeSuccess || m.kind == typeError || m.kind == typeSubscription
}

// event returns the data of the message; false for a type that nobody subscribes to, and for prices below 0.
func (m *message) event(class tick.Class) (tick.Event, bool) {
	e := tick.Event{Topic: tick.Topic{Class: class, Symbol: m.symbol}, At: m.at}
	switch m.kind {
	case typeQuote:
		e.Kind = tick.Quote
		e.BidPrice, e.BidSize, e.BidExchange = m.bidPrice, m.bidSize, m.bidExchange
		e.AskPrice, e.AskSize, e.AskExchange = m.askPrice, m.askSize, m.askExchange
		return e, !m.bidPrice.IsNeg() && !m.askPrice.IsNeg()
	case typeTrade:
		e.Kind = tick.Trade
		e.Price, e.Size, e.ID, e.Exchange, e.Conditions = m.price, m.size, m.id, m.exchange, m.conditions
		e.TakerSide = tick.TakerSide(m.taker)
		return e, m.price.IsPos()
	case typeBar:
		e.Kind = tick.Bar
		e.Open, e.High, e.Low, e.Close = m.open, m.high, m.low, m.closing
		e.Volume, e.VWAP, e.TradeCount = m.volume, m.vwap, m.count
		return e, m.closing.IsPos()
	default:
		return e, false
	}
}
