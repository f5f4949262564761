package exchange

import (
	"net/http"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// The intraday margin rule of June 2026 (FINRA Regulatory Notice 26-10, Alpaca's page on it): the worst deficit that a trade left
// on a day is called, due in two trading days; unmet at the close of the fifth it freezes new debits and short sales for 90 days.
const (
	callDueDays    = 2
	callUnmetDays  = 5
	freezeDays     = 90
	smallestCall   = 1000 // USD, or if that is less:
	smallestShare  = "0.05"
	intradayMargin = "0.25" // of stocks, of what is held within a day
)

// MarginCall is an intraday margin deficit that was called. The amount is USD, dates are YYYY-MM-DD.
type MarginCall struct {
	Date     string          `json:"date"`
	Amount   decimal.Decimal `json:"amount"`
	Due      string          `json:"due"`
	Deadline time.Time       `json:"deadline"`
	Met      bool            `json:"met"`
}

// IntradayMargin is what the rule knows of an account.
type IntradayMargin struct {
	Worst       decimal.Decimal `json:"worst"` // the largest deficit of the day, USD
	Calls       []MarginCall    `json:"calls,omitempty"`
	FrozenUntil time.Time       `json:"frozen_until"`
}

// maxCalls bounds the calls that are kept, met ones first.
const maxCalls = 100

// IntradayMargin returns the account's calls, oldest first, and its freeze.
func (a *Account) IntradayMargin() IntradayMargin {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	return a.intraday.clone()
}

func (m IntradayMargin) clone() IntradayMargin {
	m.Calls = slices.Clone(m.Calls)
	return m
}

// intradayLevel is the running intraday margin level: the equity beyond what positions need within the day, negative when it
// is a deficit, USD.
func intradayLevel(v valuation) decimal.Decimal {
	return v.equity.Sub(v.stocks.Mul(decimal.MustParse(intradayMargin))).Sub(v.paid).Sub(v.optionMargin)
}

// levelBefore returns the level before a trade; the zero value where the rule is not kept.
func (a *Account) levelBefore(now time.Time) decimal.Decimal {
	if !a.exchange.settings.Disputed.IntradayMarginCalls {
		return decimal.Decimal{}
	}
	return intradayLevel(a.value(now))
}

// noteLevel remembers the deficit that a trade left, if it made the level worse.
func (a *Account) noteLevel(before decimal.Decimal, now time.Time) {
	if !a.exchange.settings.Disputed.IntradayMarginCalls {
		return
	}
	after := intradayLevel(a.value(now))
	if deficit := after.Neg(); after.LessThan(before) && deficit.GreaterThan(a.intraday.Worst) {
		a.intraday.Worst = deficit
	}
}

// callMargin ends a day of the rule: it calls the day's deficit, sees which calls are met, and freezes for those that are not.
func (a *Account) callMargin(v valuation) {
	day, m := a.lastClose, &a.intraday
	if worst := m.Worst; worst.IsPos() && worst.GreaterThanOrEqual(minimum(decimal.FromInt(smallestCall), v.equity.Mul(decimal.MustParse(smallestShare)))) {
		m.Calls = append(m.Calls, MarginCall{
			Date: day.Format(time.DateOnly), Amount: worst, Due: a.tradingDaysAfter(day, callDueDays).Format(time.DateOnly),
			Deadline: a.tradingDaysAfter(day, callUnmetDays),
		})
	}
	m.Worst = decimal.Decimal{}
	level := v.equity.Sub(maintenanceMargin(v))
	for i := range m.Calls {
		call := &m.Calls[i]
		if call.Met || call.Date == day.Format(time.DateOnly) {
			continue
		}
		call.Met = level.GreaterThanOrEqual(call.Amount)
		if !call.Met && !day.Before(call.Deadline) && m.FrozenUntil.IsZero() {
			m.FrozenUntil = call.Deadline.AddDate(0, 0, freezeDays)
		}
	}
	if len(m.Calls) > maxCalls {
		m.Calls = slices.DeleteFunc(m.Calls, func(call MarginCall) bool { return call.Met })
	}
}

// tradingDaysAfter returns the close of the n-th trading day after a moment's.
func (a *Account) tradingDaysAfter(t time.Time, n int) time.Time {
	for range n {
		t = a.exchange.clock.Calendar.Next(t).Close
	}
	return t
}

// checkFreeze refuses debits and short sales of stocks while the account is frozen. Alpaca publishes no text; code and words are
// ours, after the code of the rule that this one replaced.
func (a *Account) checkFreeze(candidate *entry, v valuation, now time.Time) error {
	if candidate.Asset.Class != asset.Equity || !now.Before(a.intraday.FrozenUntil) {
		return nil
	}
	power := a.cashPower(v)
	if candidate.replaces != nil {
		power = power.Add(candidate.replaces.reserved)
	}
	if candidate.Intent != SellToOpen && candidate.need().LessThanOrEqual(power) {
		return nil
	}
	return &wire.Error{
		Status: http.StatusForbidden, Code: codePattern,
		Message: "trade denied due to an unmet intraday margin call: no new debit balances or short sales until " +
			a.intraday.FrozenUntil.Format(time.DateOnly),
	}
}
