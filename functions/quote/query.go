package quote

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// maxPageToken bounds a page token, which is Alpaca's and opaque.
const maxPageToken = 512

// query reads the parameters of a request and remembers the first that is wrong, and those that are given in their
// canonical form, by which documents are told apart.
type query struct {
	values    url.Values
	canonical url.Values
	err       error
}

func newQuery(values url.Values) *query { return &query{values: values, canonical: make(url.Values)} }

func (q *query) refuse(name, format string, args ...any) {
	if q.err == nil {
		q.err = problem.InvalidRequest.New(name+" "+format, args...).Field(name)
	}
}

// text returns the one value of a parameter, "" for none.
func (q *query) text(name string) string {
	values := q.values[name]
	if len(values) > 1 {
		q.refuse(name, "is given %d times", len(values))
	}
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

// keep puts a value into the canonical form.
func (q *query) keep(name, value string) {
	if value != "" {
		q.canonical.Set(name, value)
	}
}

// choice reads one of several words.
func (q *query) choice(name string, words ...string) {
	text := q.text(name)
	if text != "" && !slices.Contains(words, text) {
		q.refuse(name, "must be one of %s", strings.Join(words, ", "))
		return
	}
	q.keep(name, text)
}

// choices reads a list of words.
func (q *query) choices(name string, words ...string) {
	text := q.text(name)
	for word := range strings.SplitSeq(text, ",") {
		if text != "" && !slices.Contains(words, word) {
			q.refuse(name, "must be one or, separated by commas, several of %s", strings.Join(words, ", "))
			return
		}
	}
	q.keep(name, text)
}

// limit reads a number from 1 to most.
func (q *query) limit(usual, most int) {
	text := q.text("limit")
	if text == "" {
		q.keep("limit", strconv.Itoa(usual))
		return
	}
	value, err := strconv.Atoi(text)
	if err != nil || value < 1 || value > most {
		q.refuse("limit", "must be a whole number from 1 to %d", most)
		return
	}
	q.keep("limit", strconv.Itoa(value))
}

func (q *query) pageToken() {
	text := q.text("page_token")
	if len(text) > maxPageToken {
		q.refuse("page_token", "is longer than %d characters", maxPageToken)
		return
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c > '~' {
			q.refuse("page_token", "is not one that an answer gave")
			return
		}
	}
	q.keep("page_token", text)
}

// date reads a date.
func (q *query) date(name string) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	date, err := time.Parse(time.DateOnly, text)
	if err != nil || !reasonable(date) {
		q.refuse(name, "must be a date YYYY-MM-DD")
		return time.Time{}
	}
	q.keep(name, text)
	return date
}

// moment reads an RFC 3339 time, or a date in a zone: of that it is the first moment, or, as an end, the last one.
func (q *query) moment(name string, zone *time.Location, end bool) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		if at, err = time.ParseInLocation(time.DateOnly, text, zone); err == nil && end {
			at = at.AddDate(0, 0, 1).Add(-1)
		}
	}
	if err != nil || !reasonable(at) {
		q.refuse(name, "must be a time as in 2026-11-23T14:30:00Z or a date YYYY-MM-DD")
		return time.Time{}
	}
	q.keep(name, at.UTC().Format(time.RFC3339Nano))
	return at
}

// reasonable keeps years within what anybody has data of.
func reasonable(at time.Time) bool { return at.Year() >= 1970 && at.Year() <= 2199 }

// price reads a decimal that is not negative.
func (q *query) price(name string) decimal.Decimal {
	text := q.text(name)
	if text == "" {
		return decimal.Decimal{}
	}
	value, err := decimal.Parse(text)
	if err != nil || value.IsNeg() {
		q.refuse(name, "must be a number that is not negative")
		return decimal.Decimal{}
	}
	q.keep(name, value.String())
	return value
}

// timeframe reads the length of a bar, in Alpaca's long form or short: 15Min or 15T, 1Hour, 1Day, 1Week, 3Month.
func (q *query) timeframe() {
	text := q.text("timeframe")
	if text == "" {
		q.refuse("timeframe", "is required, for example 1Min, 1Hour or 1Day")
		return
	}
	canonical, _, ok := parseTimeframe(text)
	if !ok {
		q.refuse("timeframe", "must be 1 to 59Min, 1 to 23Hour, 1Day, 1Week or 1, 2, 3, 4, 6 or 12Month")
		return
	}
	q.keep("timeframe", canonical)
}

// parseTimeframe returns the long form and how long a bar is.
func parseTimeframe(text string) (canonical string, length time.Duration, ok bool) {
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	count, err := strconv.Atoi(text[:digits])
	if err != nil || digits > 2 || text[0] == '0' {
		return "", 0, false
	}
	const day = 24 * time.Hour
	for _, unit := range []struct {
		long, short string
		length      time.Duration
		allowed     func(count int) bool
	}{
		{"Min", "T", time.Minute, func(n int) bool { return n <= 59 }},
		{"Hour", "H", time.Hour, func(n int) bool { return n <= 23 }},
		{"Day", "D", day, func(n int) bool { return n == 1 }},
		{"Week", "W", 7 * day, func(n int) bool { return n == 1 }},
		{"Month", "M", 30 * day, func(n int) bool { return slices.Contains([]int{1, 2, 3, 4, 6, 12}, n) }},
	} {
		if rest := text[digits:]; (rest == unit.long || rest == unit.short) && unit.allowed(count) {
			return strconv.Itoa(count) + unit.long, time.Duration(count) * unit.length, true
		}
	}
	return "", 0, false
}
