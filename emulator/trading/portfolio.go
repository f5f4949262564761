package trading

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// span is what a portfolio history is about.
type span struct {
	start, end time.Time
	step       time.Duration // zero: a day
	name       string
	reporting  string // market_hours, extended_hours or continuous
	reset      bool   // profit counts from the close before each day
}

func (api *API) getPortfolioHistory(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	wanted, err := api.parseSpan(r.URL.Query())
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	edges, moments, first := api.points(wanted)
	base := api.Clock.Calendar.PreviousClose(wanted.start)
	if len(edges) > 0 {
		base = api.Clock.Calendar.PreviousClose(edges[0])
	}
	closes := append([]time.Time{base}, moments...)
	equity := account.EquityAt(closes)
	wire.Write(w, http.StatusOK, appendHistory(nil, wanted, edges, equity, first, base))
}

// points returns the left edges of the history's steps, the moments at which each is valued, and which steps begin a day.
func (api *API) points(wanted span) (edges, moments []time.Time, first []bool) {
	now := api.Clock.Now()
	for _, day := range api.Clock.Calendar.Days(wanted.start, wanted.end) {
		if wanted.step == 0 {
			if day.Open.After(now) {
				break
			}
			value := day.Close
			if value.After(now) {
				value = now
			}
			edges, moments, first = append(edges, day.Open), append(moments, value), append(first, true)
			continue
		}
		from, to := wanted.hours(day)
		for at := from; at.Before(to) && !at.After(wanted.end); at = at.Add(wanted.step) {
			if at.Before(wanted.start) {
				continue
			}
			edges, moments, first = append(edges, at), append(moments, at), append(first, at.Equal(from))
		}
	}
	return edges, moments, first
}

func (s span) hours(day session.Day) (from, to time.Time) {
	switch s.reporting {
	case "continuous":
		from = time.Date(day.Open.Year(), day.Open.Month(), day.Open.Day(), 0, 0, 0, 0, day.Open.Location())
		return from, from.AddDate(0, 0, 1)
	case "extended_hours":
		return day.SessionOpen, day.SessionClose
	default:
		return day.Open, day.Close
	}
}

// appendHistory writes the series. equity has the base value first.
func appendHistory(dst []byte, s span, edges []time.Time, equity []decimal.Decimal, first []bool, base time.Time) []byte {
	baseValue, equity := equity[0], equity[1:]
	for i := 0; baseValue.IsZero() && i < len(equity); i++ {
		baseValue = equity[i] // the account was opened within the span
	}
	dst = append(dst, `{"timestamp":[`...)
	for i, edge := range edges {
		dst = strconv.AppendInt(comma(dst, i), edge.Unix(), 10)
	}
	dst = append(dst, `],"equity":[`...)
	for i := range equity {
		dst = wire.Number(comma(dst, i), equity[i])
	}
	profit, ratios := []byte{}, []byte{}
	from := baseValue
	for i := range equity {
		if s.reset && first[i] && i > 0 && !equity[i-1].IsZero() {
			from = equity[i-1]
		}
		var gain, ratio decimal.Decimal
		if !equity[i].IsZero() {
			gain = equity[i].Sub(from)
			if quotient, err := gain.Div(from); err == nil {
				ratio = quotient.RoundHAZ(6)
			}
		}
		profit, ratios = wire.Number(comma(profit, i), gain), wire.Number(comma(ratios, i), ratio)
	}
	dst = append(append(dst, `],"profit_loss":[`...), profit...)
	dst = append(append(dst, `],"profit_loss_pct":[`...), ratios...)
	dst = wire.Number(append(dst, `],"base_value":`...), baseValue)
	dst = wire.String(append(dst, `,"base_value_asof":`...), base.Format(time.DateOnly))
	dst = wire.String(append(dst, `,"timeframe":`...), s.name)
	return append(dst, `,"cashflow":{}}`...)
}

func comma(dst []byte, i int) []byte {
	if i > 0 {
		return append(dst, ',')
	}
	return dst
}

const day = 24 * time.Hour

// parseSpan reads the query; a *wire.Error that names the parameter at fault.
func (api *API) parseSpan(query url.Values) (s span, err error) {
	s = span{reporting: query.Get("intraday_reporting"), reset: query.Get("pnl_reset") != "no_reset", name: query.Get("timeframe")}
	if s.reporting == "" && query.Get("extended_hours") == "true" {
		s.reporting = "extended_hours"
	}
	if s.end, err = parseTime("end", query.Get("end")); err != nil {
		return s, err
	}
	if s.end.IsZero() {
		if s.end, err = parseTime("date_end", query.Get("date_end")); err != nil {
			return s, err
		}
		if !s.end.IsZero() {
			s.end = s.end.Add(day - time.Second).In(api.Clock.Calendar.Location())
		}
	}
	if s.start, err = parseTime("start", query.Get("start")); err != nil {
		return s, err
	}
	if err = checkChoices(query); err != nil {
		return s, err
	}
	s.clamp(api.Clock.Location())
	period := query.Get("period")
	if period != "" && !s.start.IsZero() && !s.end.IsZero() {
		return s, wire.Shape("only two of start, end and period can be specified")
	}
	if err = api.bound(&s, period); err != nil {
		return s, err
	}
	return s, s.chooseStep()
}

// checkChoices refuses words that the parameters do not have.
func checkChoices(query url.Values) error {
	for name, words := range map[string][]string{
		"intraday_reporting": {"", "market_hours", "extended_hours", "continuous"},
		"pnl_reset":          {"", "per_day", "no_reset"},
		"extended_hours":     {"", "true", "false"},
	} {
		if !slices.Contains(words, query.Get(name)) {
			return wire.Shape("invalid %s", name)
		}
	}
	return nil
}

// clamp keeps a span within the calendar's years: nothing is known outside of them.
func (s *span) clamp(zone *time.Location) {
	first := time.Date(session.FirstYear, time.January, 2, 0, 0, 0, 0, zone)
	last := time.Date(session.LastYear, time.December, 30, 0, 0, 0, 0, zone)
	for _, moment := range []*time.Time{&s.start, &s.end} {
		switch {
		case moment.IsZero():
		case moment.Before(first):
			*moment = first
		case moment.After(last):
			*moment = last
		}
	}
}

// bound fills in what start and end leave open.
func (api *API) bound(s *span, period string) error {
	if period == "" {
		period = "1M"
	}
	count, err := strconv.Atoi(period[:len(period)-1])
	if err != nil || count < 1 || count > 10_000 {
		return wire.Shape("invalid period: want a number and D, W, M or A")
	}
	if s.end.IsZero() {
		s.end = api.Clock.Now()
	}
	if !s.start.IsZero() {
		return nil
	}
	switch period[len(period)-1] {
	case 'D':
		s.start = s.end
		if _, trading := api.Clock.Calendar.DayOf(s.end); trading {
			count--
		}
		for range min(count, 2600) {
			s.start = api.Clock.Calendar.Previous(s.start).SessionOpen
		}
		local := s.start.In(api.Clock.Calendar.Location())
		s.start = time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, local.Location())
	case 'W':
		s.start = s.end.AddDate(0, 0, -7*min(count, 520))
	case 'M':
		s.start = s.end.AddDate(0, -min(count, 120), 0)
	case 'A':
		s.start = s.end.AddDate(-min(count, 10), 0, 0)
	default:
		return wire.Shape("invalid period: want a number and D, W, M or A")
	}
	return nil
}

func (s *span) chooseStep() error {
	length := s.end.Sub(s.start)
	if length < 0 {
		return wire.Shape("start must be before end")
	}
	if s.name == "" {
		switch {
		case length < 7*day:
			s.name = "1Min"
		case length < 30*day:
			s.name = "15Min"
		default:
			s.name = "1D"
		}
	}
	steps := map[string]time.Duration{"1Min": time.Minute, "5Min": 5 * time.Minute, "15Min": 15 * time.Minute, "1H": time.Hour, "1D": 0}
	step, ok := steps[s.name]
	if !ok {
		return wire.Shape("invalid timeframe: want 1Min, 5Min, 15Min, 1H or 1D")
	}
	if step > 0 && length > 31*day {
		return wire.Shape("timeframe %s is only available for up to 30 days", s.name)
	}
	s.step = step
	return nil
}
