package marketfeed

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// textMessage is a message in JSON. Keys that differ only in case are told apart because both are here.
type textMessage struct {
	Kind        string          `json:"T"`
	Symbol      string          `json:"S"`
	Code        int             `json:"code"`
	Text        string          `json:"msg"`
	At          time.Time       `json:"t"`
	BidPrice    decimal.Number  `json:"bp"`
	BidSize     decimal.Number  `json:"bs"`
	AskPrice    decimal.Number  `json:"ap"`
	AskSize     decimal.Number  `json:"as"`
	Price       decimal.Number  `json:"p"`
	Size        decimal.Number  `json:"s"`
	Open        decimal.Number  `json:"o"`
	High        decimal.Number  `json:"h"`
	Low         decimal.Number  `json:"l"`
	Volume      decimal.Number  `json:"v"`
	VWAP        decimal.Number  `json:"vw"`
	Mixed       json.RawMessage `json:"c"`
	BidExchange string          `json:"bx"`
	AskExchange string          `json:"ax"`
	Exchange    string          `json:"x"`
	Taker       string          `json:"tks"`
	ID          uint64          `json:"i"`
	Count       uint64          `json:"n"`
}

// readText hands every message of a JSON frame to handle, which must not keep it. Data of types that nobody subscribes
// to is skipped unread.
func readText(frame []byte, handle func(*message) error) error {
	var all []json.RawMessage
	if err := json.Unmarshal(frame, &all); err != nil {
		return fmt.Errorf("%w: frame is no array", ErrProtocol)
	}
	for _, encoded := range all {
		var head struct {
			Kind string `json:"T"`
			Time any    `json:"t"` // or it would be taken for T
		}
		if err := json.Unmarshal(encoded, &head); err != nil {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		switch head.Kind {
		case typeSuccess, typeError, typeSubscription, typeTrade, typeQuote, typeBar:
		default:
			continue
		}
		var text textMessage
		if err := json.Unmarshal(encoded, &text); err != nil {
			return fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		m, err := text.message()
		if err != nil {
			return fmt.Errorf("%w: c: %w", ErrProtocol, err)
		}
		if err := handle(&m); err != nil {
			return err
		}
	}
	return nil
}

func (t *textMessage) message() (message, error) {
	m := message{
		kind: t.Kind, symbol: t.Symbol, code: t.Code, text: t.Text, at: t.At,
		bidPrice: t.BidPrice.Decimal, bidSize: t.BidSize.Decimal, askPrice: t.AskPrice.Decimal, askSize: t.AskSize.Decimal,
		price: t.Price.Decimal, size: t.Size.Decimal, open: t.Open.Decimal, high: t.High.Decimal, low: t.Low.Decimal,
		volume: t.Volume.Decimal, vwap: t.VWAP.Decimal, bidExchange: t.BidExchange, askExchange: t.AskExchange,
		exchange: t.Exchange, taker: t.Taker, id: t.ID, count: t.Count,
	}
	err := m.readMixed(bytes.TrimSpace(t.Mixed))
	return m, err
}

// readMixed reads c: the close of a bar, the conditions of a stock's trade or quote, the one condition of an option's.
func (m *message) readMixed(mixed []byte) error {
	if len(mixed) == 0 || bytes.Equal(mixed, []byte("null")) {
		return nil
	}
	switch mixed[0] {
	case '[':
		return json.Unmarshal(mixed, &m.conditions)
	case '"':
		m.conditions = make([]string, 1)
		return json.Unmarshal(mixed, &m.conditions[0])
	default:
		var err error
		m.closing, err = decimal.Parse(string(mixed))
		return err
	}
}
