package trading

import (
	"net/http"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// venue is a market of the v3 clock and calendar. All that the emulator knows keep NYSE's days and hours.
type venue struct{ acronym, name, mic string }

func venues() []venue {
	return []venue{
		{"NYSE", "New York Stock Exchange", "XNYS"}, {"NASDAQ", "Nasdaq Stock Market", "XNAS"},
		{"IEX", "Investors Exchange", "IEXG"}, {"OTC", "OTC Markets", "OTCM"},
	}
}

// venueOf finds a market by acronym or MIC; a *wire.Error when the emulator does not have it.
func venueOf(name string) (venue, error) {
	for _, known := range venues() {
		if strings.EqualFold(name, known.acronym) || strings.EqualFold(name, known.mic) {
			return known, nil
		}
	}
	return venue{}, wire.Plain(http.StatusBadRequest, "invalid market: %s", name)
}

func (v venue) append(dst []byte, timezone string) []byte {
	dst = wire.String(append(dst, `{"acronym":`...), v.acronym)
	dst = wire.String(append(dst, `,"name":`...), v.name)
	dst = wire.String(append(dst, `,"timezone":`...), timezone)
	dst = wire.String(append(dst, `,"mic":`...), v.mic)
	return append(dst, `,"bic":null}`...)
}

func (api *API) getClockV3(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	names := list(r.URL.Query().Get("markets"))
	if len(names) == 0 {
		names = []string{"NYSE"}
	}
	now, err := parseTime("time", r.URL.Query().Get("time"))
	if err != nil {
		wire.WriteError(w, wire.Plain(http.StatusBadRequest, "invalid time: want an RFC 3339 time"))
		return
	}
	if now.IsZero() {
		now = api.Clock.Now()
	}
	out := []byte(`{"clocks":[`)
	for i, name := range names {
		found, err := venueOf(name)
		if err != nil {
			wire.WriteError(w, err)
			return
		}
		out = api.appendClock(comma(out, i), found, now)
	}
	wire.Write(w, http.StatusOK, append(out, ']', '}'))
}

func (api *API) appendClock(dst []byte, v venue, now time.Time) []byte {
	calendar := api.Clock.Calendar
	phase, until := api.phase(now)
	dst = v.append(append(dst, `{"market":`...), calendar.Location().String())
	dst = appendLocal(append(dst, `,"timestamp":`...), now.In(calendar.Location()))
	dst = wire.Bool(append(dst, `,"is_market_day":`...), calendar.IsTradingDay(now))
	dst = appendLocal(append(dst, `,"next_market_open":`...), calendar.NextOpen(now))
	dst = appendLocal(append(dst, `,"next_market_close":`...), calendar.NextClose(now))
	dst = wire.String(append(dst, `,"phase":`...), phase)
	return append(appendLocal(append(dst, `,"phase_until":`...), until), '}')
}

// phase returns the phase by the v3 API's names, and when it ends.
func (api *API) phase(now time.Time) (name string, until time.Time) {
	calendar := api.Clock.Calendar
	switch api.Clock.Phase(now) {
	case session.PreMarket:
		return "pre", calendar.NextOpen(now)
	case session.Regular:
		return "core", calendar.NextClose(now)
	case session.AfterHours:
		return "post", calendar.NextSessionClose(now)
	case session.Closed:
	}
	if today, ok := calendar.DayOf(now); ok && now.Before(today.SessionOpen) {
		return "closed", today.SessionOpen
	}
	return "closed", calendar.Next(now).SessionOpen
}

func (api *API) getCalendarV3(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	query := r.URL.Query()
	found, err := venueOf(r.PathValue("market"))
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	zone := api.Clock.Calendar.Location()
	if name := query.Get("timezone"); name != "" {
		if zone, err = time.LoadLocation(name); err != nil {
			wire.WriteError(w, wire.Plain(http.StatusBadRequest, "invalid timezone: %s", name))
			return
		}
	}
	start, err := calendarDate("start", query.Get("start"), api.Clock.Now().In(api.Clock.Calendar.Location()))
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	end, err := calendarDate("end", query.Get("end"), start.AddDate(0, 0, 7))
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	out := found.append([]byte(`{"market":`), api.Clock.Calendar.Location().String())
	out = append(out, `,"calendar":[`...)
	for i, day := range api.Clock.Calendar.Days(start, end) {
		out = api.appendDayV3(comma(out, i), day, zone)
	}
	wire.Write(w, http.StatusOK, append(out, ']', '}'))
}

func (api *API) appendDayV3(dst []byte, day session.Day, zone *time.Location) []byte {
	dst = wire.String(append(dst, `{"date":`...), day.Date())
	for _, edge := range []struct {
		name string
		at   time.Time
	}{
		{"core_start", day.Open}, {"core_end", day.Close}, {"pre_start", day.SessionOpen}, {"pre_end", day.Open},
		{"post_start", day.Close}, {"post_end", day.SessionClose},
	} {
		dst = append(wire.String(append(dst, ','), edge.name), ':')
		dst = appendLocal(dst, edge.at.In(zone))
	}
	dst = wire.String(append(dst, `,"lunch_start":null,"lunch_end":null,"settlement_date":`...), api.Clock.Calendar.Settlement(day.Open))
	return append(dst, '}')
}
