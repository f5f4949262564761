package data

import (
	"net/http"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// delay is how late the free plan and the delayed feeds are.
const delay = 15 * time.Minute

// iexVenue is the exchange code of the Investors Exchange.
const iexVenue = "V"

// view is how an account sees the latest data through a feed.
type view struct {
	at      time.Time // quotes and bars
	tradeAt time.Time // trades
	venue   string    // exchange code; empty: all
	night   bool      // quotes of the overnight session, which runs
}

// noRights is the answer to a plan that is too small.
func (api *API) noRights(message string) error {
	return &wire.Error{Status: http.StatusForbidden, Code: api.Readings.PlanCode(), Message: message}
}

func (api *API) planOf(account *exchange.Account) access.Plan {
	if api.Plans == nil || account == nil {
		return access.AlgoTraderPlus
	}
	return api.Plans.Of(account.KeyID)
}

// latestStocks returns the view of the latest endpoints for stocks: all exchanges for those who pay, IEX for others.
func (api *API) latestStocks(q *query, account *exchange.Account) view {
	now := api.Clock.Now()
	basic := api.planOf(account) == access.Basic
	feed := q.text("feed")
	if feed == "" {
		feed = "sip"
		if basic {
			feed = "iex"
		}
	}
	switch feed {
	case "iex":
		return view{at: now, tradeAt: now, venue: iexVenue}
	case "delayed_sip":
		return view{at: now.Add(-delay), tradeAt: now.Add(-delay)}
	case "overnight":
		return view{at: now, tradeAt: now.Add(-delay), night: api.Clock.Overnight(now)}
	case "sip", "boats", "otc":
		if q.err == nil {
			q.err = api.refuseFeed(feed, basic)
		}
	default:
		q.refuse("invalid feed: %s", feed)
	}
	return view{at: now, tradeAt: now, night: feed == "boats" && api.Clock.Overnight(now)}
}

func (api *API) refuseFeed(feed string, basic bool) error {
	switch {
	case feed == "otc":
		return api.noRights("subscription does not permit querying OTC data")
	case feed == "sip" && basic:
		return api.noRights("subscription does not permit querying recent SIP data")
	case feed == "boats" && basic:
		return api.noRights("subscription does not permit querying recent BOATS data")
	default:
		return nil
	}
}

// stockSpan reads the period and the feed of the historical endpoints for stocks. The free plan does not see the last
// quarter of an hour of any exchange but IEX.
func (api *API) stockSpan(q *query, account *exchange.Account, feeds ...string) market.Span {
	feed := q.text("feed")
	if feed == "" {
		feed = "sip"
	}
	if !slices.Contains(feeds, feed) {
		q.refuse("invalid feed: %s", feed)
	}
	q.asOf()
	now := api.Clock.Now()
	latest := now
	late := api.planOf(account) == access.Basic && feed != "iex"
	if late {
		latest = now.Add(-delay)
	}
	start, end := q.period(api.Clock.Location(), now, latest)
	if q.err == nil && (feed == "otc" || late && end.After(latest)) {
		q.err = api.refuseFeed(feed, late)
	}
	span := market.Span{From: start, To: earlier(end, now), Descending: q.descending(false), Done: q.done}
	switch feed {
	case "iex":
		span.Venue = iexVenue
	case "boats": // nothing trades at night here
		span.To = span.From.Add(-1)
	}
	return span
}

// latestOptions returns the view of the latest endpoints for options. The indicative feed has late trades.
func (api *API) latestOptions(q *query, account *exchange.Account) view {
	now := api.Clock.Now()
	basic := api.planOf(account) == access.Basic
	feed := q.text("feed")
	if feed == "" {
		feed = "opra"
		if basic {
			feed = "indicative"
		}
	}
	switch {
	case feed == "indicative":
		return view{at: now, tradeAt: now.Add(-delay)}
	case feed != "opra":
		q.refuse("invalid feed: %s", feed)
	case basic && q.err == nil:
		q.err = api.noRights("OPRA agreement is not signed")
	}
	return view{at: now, tradeAt: now}
}

// optionSpan reads the period of the historical endpoints for options, of which the free plan does not see the last
// quarter of an hour.
func (api *API) optionSpan(q *query, account *exchange.Account) market.Span {
	now := api.Clock.Now()
	latest := now
	if api.planOf(account) == access.Basic {
		latest = now.Add(-delay)
	}
	start, end := q.period(api.Clock.Location(), now, latest)
	if q.err == nil && latest.Before(now) && end.After(latest) {
		q.err = api.noRights("subscription does not permit querying recent OPRA data")
	}
	return market.Span{From: start, To: earlier(end, now), Descending: q.descending(false), Done: q.done}
}

// cryptoSpan reads the period of the historical endpoints for crypto, whose days begin at midnight UTC.
func (api *API) cryptoSpan(q *query) market.Span {
	now := api.Clock.Now()
	start, end := q.period(time.UTC, now, now)
	return market.Span{From: start, To: earlier(end, now), Descending: q.descending(false), Done: q.done}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
