package quote

import (
	"context"
	"net/url"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/hours"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// exchange is the symbol of what is about the exchange and not about something that is traded there.
const exchange = "US"

// The sources of the exchange's clock and calendar.
const (
	sourceAlpaca = "alpaca"
	sourceRules  = "rules" // the exchange's published calendar, while Alpaca does not answer
)

// MarketClock is whether the regular session is open, and when that changes.
type MarketClock struct {
	Timestamp time.Time `json:"timestamp" doc:"The exchange's time when it was asked."`
	IsOpen    bool      `json:"is_open"`
	NextOpen  time.Time `json:"next_open"`
	NextClose time.Time `json:"next_close"`
	Origin
}

// TradingDay is one day on which the exchange is open, times in New York.
type TradingDay struct {
	Date           string `json:"date" format:"date" example:"2026-11-27"`
	Open           string `json:"open" example:"09:30"`
	Close          string `json:"close" doc:"13:00 on half days." example:"13:00"`
	SessionOpen    string `json:"session_open" doc:"Start of the pre-market session." example:"04:00"`
	SessionClose   string `json:"session_close" doc:"End of the after-hours session." example:"17:00"`
	SettlementDate string `json:"settlement_date" format:"date"`
}

// MarketCalendar is the trading days of a span.
type MarketCalendar struct {
	Days []TradingDay `json:"days"`
	Origin
}

// MarketStatus is which session each market is in.
type MarketStatus struct {
	Timestamp time.Time `json:"timestamp"`
	// Phase is the stock market's.
	Phase   string    `json:"phase" enum:"closed,pre,regular,after" doc:"The stock market's session."`
	IsOpen  bool      `json:"is_open" doc:"True in the regular session."`
	Until   time.Time `json:"until" doc:"When the session is expected to end."`
	Stocks  string    `json:"stocks" enum:"open,extended_hours,closed"`
	Options string    `json:"options" enum:"open,closed"`
	Crypto  string    `json:"crypto" enum:"open"`
}

// exchangeHours reads the exchange's clock and calendar. Alpaca's own count; while it does not answer, the published
// calendar does, and says so.
type exchangeHours struct {
	source hours.Source
	watch  *hours.Watch
	lives  *lives
	now    func() time.Time

	clocks, calendars *cache.Group
}

func (h *exchangeHours) open(memory *cache.Cache) {
	group := func(kind cache.Kind, fetch func(context.Context, cache.Key) (any, error), fresh time.Duration) *cache.Group {
		return memory.Group(cache.GroupConfig{
			Name: string(kind), Most: 1, Build: buildDocument, Unknown: func(cache.Key) error { return errNoDocument },
			Fetch: func(ctx context.Context, keys []cache.Key) (map[cache.Key]cache.Fields, error) {
				return fetchDocuments(keys, func(key cache.Key) (any, error) { return fetch(ctx, key) })
			},
			Life: func(_ cache.Key, now time.Time) cache.Life { return h.life(kind, fresh, now) },
		})
	}
	h.clocks = group(cache.KindClock, h.fetchClock, clockTTL)
	h.calendars = group(cache.KindCalendar, h.fetchCalendar, calendarTTL)
}

// life ends the clock's with the session: then it would be wrong.
func (h *exchangeHours) life(kind cache.Kind, fresh time.Duration, now time.Time) cache.Life {
	life := cache.Life{Fresh: fresh, Revalidate: h.lives.config.RevalidateFor, Stale: 2 * fresh, Negative: time.Second}
	if left := h.watch.Now().Until.Sub(now); kind == cache.KindClock && left > 0 && left < life.Fresh {
		life.Fresh, life.Revalidate, life.Stale = left, 0, left
	}
	return life
}

func (h *exchangeHours) fetchClock(ctx context.Context, _ cache.Key) (any, error) {
	clock, err := h.source.Clock(ctx)
	if err != nil {
		return nil, publicError(err)
	}
	return MarketClock{
		Timestamp: clock.Timestamp, IsOpen: clock.IsOpen, NextOpen: clock.NextOpen, NextClose: clock.NextClose,
		Origin: Origin{AsOf: h.now().UTC(), Feed: sourceAlpaca},
	}, nil
}

// clock answers with the exchange's clock.
func (h *exchangeHours) clock(o *operations) func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		data, err := o.document(ctx, r, h.clocks, cache.Key{Kind: cache.KindClock, Symbol: exchange}, true, nil)
		if err == nil || isNotModified(err) {
			return data, err
		}
		now, calendar := h.now(), h.watch.Calendar()
		return encodeRules(MarketClock{
			Timestamp: now.In(calendar.Location()), IsOpen: h.watch.Now().Open, NextOpen: calendar.NextOpen(now),
			NextClose: calendar.NextClose(now), Origin: Origin{AsOf: now.UTC(), Feed: sourceRules, Stale: true},
		})
	}
}

const (
	usualDays = 30 * 24 * time.Hour
	// maxDays bounds the span of a calendar.
	maxDays = 5 * 366 * 24 * time.Hour
)

// calendar answers with the trading days of a span.
func (h *exchangeHours) calendar(o *operations) func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		q := newQuery(r.URL.Query())
		start, end := q.date("start"), q.date("end")
		if start.IsZero() {
			year, month, day := h.now().In(h.watch.Calendar().Location()).Date()
			start = time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
			if !end.IsZero() && end.Before(start) {
				start = end.Add(-usualDays)
			}
		}
		if end.IsZero() {
			end = start.Add(usualDays)
		}
		switch {
		case end.Before(start):
			q.refuse("end", "must not be before start")
		case end.Sub(start) > maxDays:
			q.refuse("end", "must not be more than five years after start")
		}
		if q.err != nil {
			return nil, q.err
		}
		span := url.Values{"start": {start.Format(time.DateOnly)}, "end": {end.Format(time.DateOnly)}}
		data, err := o.document(ctx, r, h.calendars, cache.Key{Kind: cache.KindCalendar, Symbol: exchange, Query: span.Encode()}, true, nil)
		if err == nil || isNotModified(err) {
			return data, err
		}
		return encodeRules(h.rules(start, end))
	}
}

func (h *exchangeHours) fetchCalendar(ctx context.Context, key cache.Key) (any, error) {
	span, err := url.ParseQuery(key.Query)
	if err != nil {
		return nil, err
	}
	start, _ := time.Parse(time.DateOnly, span.Get("start")) // the query is canonical
	end, _ := time.Parse(time.DateOnly, span.Get("end"))
	days, err := h.source.Calendar(ctx, start, end)
	if err != nil {
		return nil, publicError(err)
	}
	answer := MarketCalendar{Days: make([]TradingDay, len(days)), Origin: Origin{AsOf: h.now().UTC(), Feed: sourceAlpaca}}
	for i := range days {
		answer.Days[i] = tradingDay(&days[i])
	}
	return answer, nil
}

func tradingDay(day *alpaca.CalendarDay) TradingDay {
	return TradingDay{
		Date: day.Date, Open: day.Open, Close: day.Close, SessionOpen: withColon(day.SessionOpen), SessionClose: withColon(day.SessionClose),
		SettlementDate: day.SettlementDate,
	}
}

// withColon turns Alpaca's 0400 into 04:00.
func withColon(text string) string {
	if len(text) != 4 {
		return text
	}
	return text[:2] + ":" + text[2:]
}

// rules is the published calendar of a span.
func (h *exchangeHours) rules(start, end time.Time) MarketCalendar {
	calendar := h.watch.Calendar()
	zone := calendar.Location()
	noon := func(t time.Time) time.Time { return time.Date(t.Year(), t.Month(), t.Day(), 12, 0, 0, 0, zone) }
	days := calendar.Days(noon(start), noon(end))
	answer := MarketCalendar{Days: make([]TradingDay, len(days)), Origin: Origin{AsOf: h.now().UTC(), Feed: sourceRules, Stale: true}}
	for i, day := range days {
		const layout = "15:04"
		answer.Days[i] = TradingDay{
			Date: day.Date(), Open: day.Open.In(zone).Format(layout), Close: day.Close.In(zone).Format(layout),
			SessionOpen: day.SessionOpen.In(zone).Format(layout), SessionClose: day.SessionClose.In(zone).Format(layout),
			SettlementDate: calendar.Settlement(day.Open),
		}
	}
	return answer
}

// status answers with the session. It costs nothing upstream: the session is followed anyway.
func (h *exchangeHours) status(_ context.Context, _ *serve.Request[serve.None]) (MarketStatus, error) {
	session := h.watch.Now()
	status := MarketStatus{
		Timestamp: h.now().UTC(), Phase: session.Phase.String(), IsOpen: session.Open, Until: session.Until.UTC(),
		Stocks: "closed", Options: "closed", Crypto: "open",
	}
	switch {
	case session.Open:
		status.Stocks, status.Options = "open", "open"
	case session.Phase == market.PhasePre || session.Phase == market.PhaseAfter:
		status.Stocks = "extended_hours"
	}
	return status, nil
}
