package stream

import (
	"net/http"
	"net/url"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// parseSpan reads since, until, since_id and until_id. A *wire.Error that names the parameter at fault.
func parseSpan(r *http.Request) (span, error) {
	query := r.URL.Query()
	var wanted span
	if query.Has("since") && query.Has("since_id") {
		return wanted, wire.Shape("invalid param: since and since_id are mutually exclusive")
	}
	if query.Has("until") && !query.Has("since") {
		return wanted, wire.Shape("invalid param: both since & until required")
	}
	if query.Has("until_id") && !query.Has("since_id") {
		return wanted, wire.Shape("invalid param: both since_id & until_id required")
	}
	var err error
	if wanted.from.Since, err = readTime(query, "since"); err != nil {
		return wanted, err
	}
	if wanted.until, err = readTime(query, "until"); err != nil {
		return wanted, err
	}
	if wanted.from.After, err = readID(query, "since_id"); err != nil {
		return wanted, err
	}
	wanted.untilID, err = readID(query, "until_id")
	return wanted, err
}

// readTime reads an RFC 3339 time or a date, which begins at midnight UTC.
func readTime(query url.Values, name string) (time.Time, error) {
	text := query.Get(name)
	if text == "" {
		return time.Time{}, nil
	}
	if parsed, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return parsed, nil
	}
	parsed, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, wire.Shape("invalid param: %s", name)
	}
	if name == "until" { // a day that is named last belongs to the span
		parsed = parsed.AddDate(0, 0, 1).Add(-1)
	}
	return parsed, nil
}

func readID(query url.Values, name string) (ulid.ULID, error) {
	text := query.Get(name)
	if text == "" {
		return ulid.ULID{}, nil
	}
	id, err := ulid.ParseStrict(text)
	if err != nil {
		return ulid.ULID{}, wire.Shape("invalid param: %s", name)
	}
	return id, nil
}
