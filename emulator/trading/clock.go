package trading

import (
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

func (api *API) getClock(w http.ResponseWriter, _ *http.Request, _ *exchange.Account) {
	now := api.Clock.Now()
	calendar := api.Clock.Calendar
	out := appendLocal([]byte(`{"timestamp":`), now.In(calendar.Location()))
	out = wire.Bool(append(out, `,"is_open":`...), api.Clock.Phase(now) == session.Regular)
	out = appendLocal(append(out, `,"next_open":`...), calendar.NextOpen(now))
	out = appendLocal(append(out, `,"next_close":`...), calendar.NextClose(now))
	wire.Write(w, http.StatusOK, append(out, '}'))
}

// appendLocal appends a time with the offset of its own zone, New York's, as the clock endpoint does.
func appendLocal(dst []byte, t time.Time) []byte {
	dst = append(dst, '"')
	dst = t.AppendFormat(dst, time.RFC3339Nano)
	return append(dst, '"')
}

func (api *API) getCalendar(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	query := r.URL.Query()
	start, end, err := api.calendarRange(query.Get("start"), query.Get("end"))
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	kind := query.Get("date_type")
	if kind != "" && kind != "TRADING" && kind != "SETTLEMENT" {
		wire.WriteError(w, wire.Plain(http.StatusBadRequest, "invalid date_type"))
		return
	}
	out := []byte{'['}
	for _, day := range api.days(start, end, kind == "SETTLEMENT") {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = api.appendDay(out, day)
	}
	wire.Write(w, http.StatusOK, append(out, ']'))
}

// days returns the trading days whose own date, or whose settlement date, lies in the range.
func (api *API) days(start, end time.Time, bySettlement bool) []session.Day {
	if !bySettlement {
		return api.Clock.Calendar.Days(start, end)
	}
	const longestBreak = 10 // days between a trade and its settlement
	var days []session.Day
	for _, day := range api.Clock.Calendar.Days(start.AddDate(0, 0, -longestBreak), end) {
		settles := api.Clock.Calendar.Settlement(day.Open)
		if settles >= start.Format(time.DateOnly) && settles <= end.Format(time.DateOnly) {
			days = append(days, day)
		}
	}
	return days
}

func (api *API) calendarRange(from, to string) (start, end time.Time, err error) {
	zone := api.Clock.Calendar.Location()
	start = time.Date(session.FirstYear, time.January, 1, 12, 0, 0, 0, zone)
	end = time.Date(session.LastYear, time.December, 31, 12, 0, 0, 0, zone)
	if start, err = calendarDate("start", from, start); err != nil {
		return start, end, err
	}
	end, err = calendarDate("end", to, end)
	return start, end, err
}

// calendarDate reads a date, at noon in New York, and keeps it within the calendar's years.
func calendarDate(name, text string, otherwise time.Time) (time.Time, error) {
	if text == "" {
		return otherwise, nil
	}
	parsed, err := parseTime(name, text)
	if err != nil {
		return time.Time{}, wire.Plain(http.StatusBadRequest, "invalid %s: want YYYY-MM-DD", name)
	}
	year := min(max(parsed.Year(), session.FirstYear), session.LastYear)
	return time.Date(year, parsed.Month(), parsed.Day(), 12, 0, 0, 0, otherwise.Location()), nil
}

func (api *API) appendDay(dst []byte, day session.Day) []byte {
	dst = wire.String(append(dst, `{"date":`...), day.Date())
	dst = wire.String(append(dst, `,"open":`...), day.Open.Format("15:04"))
	dst = wire.String(append(dst, `,"close":`...), day.Close.Format("15:04"))
	dst = wire.String(append(dst, `,"session_open":`...), day.SessionOpen.Format("1504"))
	dst = wire.String(append(dst, `,"session_close":`...), day.SessionClose.Format("1504"))
	dst = wire.String(append(dst, `,"settlement_date":`...), api.Clock.Calendar.Settlement(day.Open))
	return append(dst, '}')
}
