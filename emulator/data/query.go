package data

import (
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// query reads the parameters of a request and remembers the first that is wrong.
type query struct {
	values url.Values
	err    error
	done   <-chan struct{} // closed when the client is gone
}

func newQuery(r *http.Request) *query { return &query{values: r.URL.Query(), done: r.Context().Done()} }

// refuse remembers that the request is wrong.
func (q *query) refuse(format string, args ...any) {
	if q.err == nil {
		q.err = wire.Plain(http.StatusBadRequest, format, args...)
	}
}

func (q *query) text(name string) string { return q.values.Get(name) }

// form is what the symbols of an asset class look like, and how a wrong one is refused.
type form struct {
	pattern *regexp.Regexp
	refusal string
	most    int // symbols in one request; 0: any number
}

// maxOptionSymbols is how many contracts one request may name.
const maxOptionSymbols = 100

// Symbols are checked by their form alone: one that is well formed and unknown is no error.
var (
	stockForm     = form{pattern: regexp.MustCompile(`^[A-Z][A-Z0-9]{0,9}(\.[A-Z0-9]{1,4})*$`), refusal: "invalid symbol: %s"}                           //nolint:gochecknoglobals // compiled once, never changed
	cryptoForm    = form{pattern: regexp.MustCompile(`^[A-Z]+x?/[A-Z]+$`), refusal: "invalid symbol: %s does not match ^[A-Z]+x?/[A-Z]+$"}               //nolint:gochecknoglobals // compiled once, never changed
	perpetualForm = form{pattern: regexp.MustCompile(`^[A-Z]+-PERP$`), refusal: "invalid symbol: %s does not match ^[A-Z]+-PERP$"}                       //nolint:gochecknoglobals // compiled once, never changed
	optionForm    = form{pattern: regexp.MustCompile(`^[A-Z][A-Z0-9]{0,5}[0-9]{6}[CP][0-9]{8}$`), refusal: "invalid symbol: %s", most: maxOptionSymbols} //nolint:gochecknoglobals // compiled once, never changed
)

// symbols reads the list of symbols, sorted and each once.
func (q *query) symbols(wanted form) []string {
	text := q.text("symbols")
	if text == "" {
		q.refuse("symbols is required")
		return nil
	}
	return q.list(text, wanted)
}

func (q *query) list(text string, wanted form) []string {
	symbols := strings.Split(text, ",")
	for _, symbol := range symbols {
		if !wanted.pattern.MatchString(symbol) {
			q.refuse(wanted.refusal, symbol)
			return nil
		}
	}
	slices.Sort(symbols)
	symbols = slices.Compact(symbols)
	if wanted.most > 0 && len(symbols) > wanted.most {
		q.refuse("too many symbols: %d, the allowed maximum is %d", len(symbols), wanted.most)
	}
	return symbols
}

// limit reads the number of items on a page.
func (q *query) limit(usual, most int) int { return q.number("limit", usual, most) }

// number reads a whole number from 1 to most.
func (q *query) number(name string, usual, most int) int {
	text := q.text(name)
	if text == "" {
		return usual
	}
	value, err := strconv.Atoi(text)
	switch {
	case err != nil:
		q.refuse("invalid %s: %s is not a whole number", name, text)
	case value < 1:
		q.refuse("invalid %s: smaller than the allowed minimum of 1", name)
	case value > most:
		q.refuse("invalid %s: larger than the allowed maximum of %d", name, most)
	default:
		return value
	}
	return usual
}

// descending reads the sort order.
func (q *query) descending(usual bool) bool {
	switch text := q.text("sort"); text {
	case "":
		return usual
	case "asc":
		return false
	case "desc":
		return true
	default:
		q.refuse("invalid sort: %s, it must be asc or desc", text)
		return usual
	}
}

// flag reads a truth value.
func (q *query) flag(name string, usual bool) bool {
	text := q.text(name)
	if text == "" {
		return usual
	}
	value, err := strconv.ParseBool(text)
	if err != nil {
		q.refuse("invalid %s: %s, it must be true or false", name, text)
	}
	return value
}

// choice reads one of several words; the first is the usual one.
func (q *query) choice(name string, words ...string) string {
	text := q.text(name)
	if text == "" {
		return words[0]
	}
	if !slices.Contains(words, text) {
		q.refuse("invalid %s: %s, it must be one of %s", name, text, strings.Join(words, ", "))
	}
	return text
}

// moment reads a time, or a date in a zone; found is false when there is none. Of a date it is the first moment, or, as
// the end of a span, the last one.
func (q *query) moment(name string, zone *time.Location, end bool) (at time.Time, found bool) {
	text := q.text(name)
	if text == "" {
		return time.Time{}, false
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return at.UTC(), q.reasonable(name, at)
	}
	date, err := time.ParseInLocation(time.DateOnly, text, zone)
	if err != nil {
		q.refuse("invalid %s: %s is neither RFC 3339 nor YYYY-MM-DD", name, text)
		return time.Time{}, false
	}
	if end {
		date = date.AddDate(0, 0, 1).Add(-1)
	}
	return date.UTC(), q.reasonable(name, date)
}

// date reads a date.
func (q *query) date(name string) (at time.Time, found bool) {
	text := q.text(name)
	if text == "" {
		return time.Time{}, false
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil {
		q.refuse("invalid %s: %s is not YYYY-MM-DD", name, text)
		return time.Time{}, false
	}
	return date, q.reasonable(name, date)
}

// asOf checks the date whose symbols are meant, or the dash that stands for none. No stock was renamed here.
func (q *query) asOf() {
	if q.text("asof") != "-" {
		q.date("asof")
	}
}

// reasonable refuses years that 64 bits of nanoseconds cannot hold.
func (q *query) reasonable(name string, at time.Time) bool {
	const first, last = 1700, 2200
	if at.Year() < first || at.Year() > last {
		q.refuse("invalid %s: the year must be from %d to %d", name, first, last)
		return false
	}
	return true
}

// period reads start and end. Without a start it is the beginning of today, without an end latest.
func (q *query) period(zone *time.Location, now, latest time.Time) (start, end time.Time) {
	start, found := q.moment("start", zone, false)
	if !found {
		year, month, day := now.In(zone).Date()
		start = time.Date(year, month, day, 0, 0, 0, 0, zone)
	}
	end, found = q.moment("end", zone, true)
	if !found {
		end = latest
		if start.After(end) { // nothing yet, and no mistake of the client's
			end = start
		}
	}
	if end.Before(start) {
		q.refuse("end should not be before start")
	}
	return start, end
}
