package tick

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Event is one quote, trade or bar. Prices are USD, of crypto the quote currency; sizes shares, contracts or coins.
type Event struct {
	Topic
	// At is when it was made; of a bar when its minute began.
	At time.Time

	// Of a quote. A side without a quote has price 0.
	BidPrice, BidSize, AskPrice, AskSize decimal.Decimal
	BidExchange, AskExchange             string

	// Of a trade.
	Price, Size decimal.Decimal
	ID          uint64
	Exchange    string
	Conditions  []string
	// TakerSide is "buy" or "sell" in crypto trades, empty otherwise.
	TakerSide string

	// Of a bar.
	Open, High, Low, Close, Volume, VWAP decimal.Decimal
	TradeCount                           uint64
}

// AppendJSON appends the event as clients get it.
func (e *Event) AppendJSON(b []byte) []byte {
	b = append(b, `{"type":"`...)
	b = append(b, e.Kind.String()...)
	b = append(b, `","asset_class":"`...)
	b = append(b, e.Class.String()...)
	b = append(b, `","symbol":"`...)
	b = append(b, e.Symbol...) // canonical symbols need no escaping
	b = append(b, '"')
	switch e.Kind {
	case Quote:
		b = e.appendQuote(b)
	case Trade:
		b = e.appendTrade(b)
	case Bar:
		b = e.appendBar(b)
	case kindCount:
	}
	b = append(b, `,"timestamp":"`...)
	b = e.At.UTC().AppendFormat(b, time.RFC3339Nano)
	return append(b, `"}`...)
}

func (e *Event) appendQuote(b []byte) []byte {
	b = appendSide(b, "bid", e.BidPrice, e.BidSize, e.BidExchange)
	return appendSide(b, "ask", e.AskPrice, e.AskSize, e.AskExchange)
}

// appendSide writes null for a side without a quote, as the REST quote does: 0 is no price.
func appendSide(b []byte, side string, price, size decimal.Decimal, exchange string) []byte {
	if price.IsZero() {
		b = append(b, `,"`...)
		b = append(b, side...)
		b = append(b, `_price":null,"`...)
		b = append(b, side...)
		return append(b, `_size":null`...)
	}
	b = appendNumber(b, side+"_price", price)
	b = appendNumber(b, side+"_size", size)
	return appendText(b, side+"_exchange", exchange)
}

func (e *Event) appendTrade(b []byte) []byte {
	b = appendNumber(b, "price", e.Price)
	b = appendNumber(b, "size", e.Size)
	if e.ID != 0 {
		b = append(b, `,"id":`...)
		b = strconv.AppendUint(b, e.ID, 10)
	}
	b = appendText(b, "exchange", e.Exchange)
	b = appendText(b, "taker_side", e.TakerSide)
	if len(e.Conditions) == 0 {
		return b
	}
	b = append(b, `,"conditions":[`...)
	for i, condition := range e.Conditions {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, condition)
	}
	return append(b, ']')
}

func (e *Event) appendBar(b []byte) []byte {
	b = appendNumber(b, "open", e.Open)
	b = appendNumber(b, "high", e.High)
	b = appendNumber(b, "low", e.Low)
	b = appendNumber(b, "close", e.Close)
	b = appendNumber(b, "volume", e.Volume)
	b = appendNumber(b, "vwap", e.VWAP)
	b = append(b, `,"trade_count":`...)
	return strconv.AppendUint(b, e.TradeCount, 10)
}

func appendNumber(b []byte, name string, value decimal.Decimal) []byte {
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return append(b, value.String()...)
}

func appendText(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = append(b, `,"`...)
	b = append(b, name...)
	b = append(b, `":`...)
	return appendString(b, value)
}

// appendString appends a JSON string. Exchange and condition codes are letters; whatever else comes is escaped.
func appendString(b []byte, value string) []byte {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			escaped, err := json.Marshal(value)
			if err != nil {
				return append(b, `""`...)
			}
			return append(b, escaped...)
		}
	}
	b = append(b, '"')
	b = append(b, value...)
	return append(b, '"')
}
