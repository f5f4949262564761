package tick

import "github.com/opitios-ai/alpaca-knative/shared/alpaca"

// FromSnapshot returns what a snapshot has of a topic as the event that the stream would have brought; false when it
// has nothing.
func FromSnapshot(topic Topic, snapshot *alpaca.Snapshot) (Event, bool) {
	e := Event{Topic: topic}
	switch topic.Kind {
	case Quote:
		q := snapshot.LatestQuote
		if q == nil {
			return e, false
		}
		e.At = q.Timestamp
		e.BidPrice, e.BidSize, e.BidExchange = q.BidPrice.Decimal, q.BidSize.Decimal, q.BidExchange
		e.AskPrice, e.AskSize, e.AskExchange = q.AskPrice.Decimal, q.AskSize.Decimal, q.AskExchange
	case Trade:
		t := snapshot.LatestTrade
		if t == nil {
			return e, false
		}
		e.At, e.Price, e.Size, e.ID = t.Timestamp, t.Price.Decimal, t.Size.Decimal, t.ID
		e.Exchange, e.Conditions, e.TakerSide = t.Exchange, t.Conditions, TakerSide(t.TakerSide)
	case Bar:
		b := snapshot.MinuteBar
		if b == nil {
			return e, false
		}
		e.At, e.Open, e.High, e.Low, e.Close = b.Timestamp, b.Open.Decimal, b.High.Decimal, b.Low.Decimal, b.Close.Decimal
		e.Volume, e.VWAP, e.TradeCount = b.Volume.Decimal, b.VWAP.Decimal, b.TradeCount
	default:
		return e, false
	}
	return e, true
}

// TakerSide returns the word for Alpaca's code: buy for B, sell for S, empty otherwise.
func TakerSide(code string) string {
	switch code {
	case "B":
		return "buy"
	case "S":
		return "sell"
	default:
		return ""
	}
}
