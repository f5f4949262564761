package exchange

import (
	"errors"
	"fmt"
	"strings"
)

// Disputed chooses between readings where Alpaca's own sources disagree. The zero value is the reading that is safer for a
// client: what works here works at Alpaca whichever source is right.
type Disputed struct {
	// HeldEvents sends an event for every leg that waits. Alpaca documents it, and its Python SDK fails on it.
	HeldEvents bool
	// WideOptionOrders takes stops, and limit orders that are good till canceled, for option contracts; else only day orders
	// at the market or with a limit.
	WideOptionOrders bool
	// WideNotional takes orders in dollars of every type that fractional orders have; else only at the market.
	WideNotional bool
	// CryptoDayOrders takes crypto limit orders for the day and fok; else only gtc and ioc.
	CryptoDayOrders bool
	// ReusableClientOrderIDs frees a client order ID when its order has ended; else it is taken for ever.
	ReusableClientOrderIDs bool
	// CanceledAtClose calls what is left of a day order at the close canceled; else expired.
	CanceledAtClose bool
	// RepeatedCancels answers another cancel of a canceled order with success; else with 422.
	RepeatedCancels bool
	// OlderOptionTexts words two refusals as the older parts of Alpaca's options page do; else as its table of errors.
	OlderOptionTexts bool
	// IntradayMarginCalls keeps the intraday margin rule of June 2026; whether paper trading does is not documented.
	IntradayMarginCalls bool
	// PatternDayTraderFields puts the five fields of the former pattern-day-trader rule into account answers.
	PatternDayTraderFields bool
}

// ErrDisputed is returned for a reading that does not exist.
var ErrDisputed = errors.New("unknown reading of trading")

// ParseDisputed reads names with commas between them: held-events, wide-option-orders, wide-notional, crypto-day-orders,
// reusable-client-order-ids, canceled-at-close, repeated-cancels, pattern-day-trader-fields, older-option-texts,
// intraday-margin-calls. ErrDisputed.
func ParseDisputed(names string) (Disputed, error) {
	var d Disputed
	known := map[string]*bool{
		"held-events": &d.HeldEvents, "wide-option-orders": &d.WideOptionOrders, "wide-notional": &d.WideNotional,
		"crypto-day-orders": &d.CryptoDayOrders, "reusable-client-order-ids": &d.ReusableClientOrderIDs,
		"canceled-at-close": &d.CanceledAtClose, "repeated-cancels": &d.RepeatedCancels,
		"pattern-day-trader-fields": &d.PatternDayTraderFields, "older-option-texts": &d.OlderOptionTexts,
		"intraday-margin-calls": &d.IntradayMarginCalls,
	}
	for name := range strings.SplitSeq(names, ",") {
		if name == "" {
			continue
		}
		chosen, ok := known[name]
		if !ok {
			return Disputed{}, fmt.Errorf("%w: %q", ErrDisputed, name)
		}
		*chosen = true
	}
	return d, nil
}
