package data

import (
	"slices"
	"strings"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// actionEvent is that a corporate action was announced, or announced anew.
type actionEvent struct {
	id     ulid.ULID // its time is at's
	at     time.Time
	change string // insert or update
	action action
}

// actionEventType returns an action's kind as events call it.
func actionEventType(kind string) string {
	if kind == "partial_call" {
		kind = "equity_partial_call"
	}
	return kind + "_corporateaction_event"
}

// actionEvents returns what is told from one moment to another, both included, in order: a function of the seed. One action in
// eight is told twice.
func (api *API) actionEvents(from, to time.Time) []actionEvent {
	var events []actionEvent
	add := func(a action, change string, at time.Time) {
		if at.Before(from) || at.After(to) {
			return
		}
		event := actionEvent{at: at, change: change, action: a}
		_ = event.id.SetTime(ulid.Timestamp(at)) // it fails after the year 10889
		for i := range 10 {
			event.id[6+i] = byte(mix(uint64(i), a.id+change))
		}
		events = append(events, event)
	}
	const latest = 60 * 24 * time.Hour // from a declaration to the processing
	const morning, business = 13 * time.Hour, 8 * 3600
	for year := from.Year() - 1; year <= to.Add(latest).Year(); year++ {
		for _, a := range api.actionsOf(year) {
			dice := mix(api.Seed, a.id)
			at := a.declared().Add(morning + time.Duration(dice%business)*time.Second)
			add(a, "insert", at)
			if dice>>32%8 == 0 {
				add(a, "update", at.Add(36*time.Hour))
			}
		}
	}
	slices.SortFunc(events, func(a, b actionEvent) int { return a.id.Compare(b.id) })
	return events
}

func (e *actionEvent) appendTo(dst []byte) []byte {
	dst = wire.String(append(dst, `{"event_id":`...), e.id.String())
	dst = wire.Time(append(dst, `,"at":`...), e.at)
	dst = wire.String(append(dst, `,"action":`...), e.change)
	dst = append(dst, `,"region":"us","event_type":"`...)
	dst = append(append(dst, actionEventType(e.action.kind)...), `","ca":`...)
	return append(e.action.appendWith(dst, true), '}')
}

// actionSpan is which events a client asks for. Zero times and IDs have no bound.
type actionSpan struct {
	since, until     time.Time
	sinceID, untilID ulid.ULID
	types            map[string]bool // nil: all
	nothing          bool            // in the region
}

// actionSpan reads the parameters of the event stream; the header of a client that comes back stands above since_id.
func (q *query) actionSpan(lastEventID string, now time.Time) actionSpan {
	span := actionSpan{since: q.instant("since"), until: q.instant("until"), sinceID: q.eventID("since_id"), untilID: q.eventID("until_id")}
	if lastEventID != "" {
		if id, err := ulid.ParseStrict(lastEventID); err == nil {
			span.sinceID = id
		} else {
			q.refuse("invalid Last-Event-Id: %s", lastEventID)
		}
	}
	none := ulid.ULID{}
	switch {
	case q.text("since") != "" && q.text("since_id") != "":
		q.refuse("since and since_id are mutually exclusive")
	case !span.until.IsZero() && span.since.IsZero():
		q.refuse("until requires since")
	case span.untilID != none && span.sinceID == none:
		q.refuse("until_id requires since_id")
	case span.until.After(now) || span.untilID.Time() > ulid.Timestamp(now):
		q.refuse("until and until_id must not be in the future")
	}
	switch region := strings.ToLower(q.text("region")); region {
	case "", "all", "us":
	case "non_us":
		span.nothing = true
	default:
		q.refuse("invalid region: %s, it must be one of all, us, non_us", region)
	}
	span.types = q.set("type")
	valid := make([]string, 0, len(actionKinds()))
	for _, kind := range actionKinds() {
		valid = append(valid, actionEventType(kind))
	}
	for kind := range span.types {
		if !slices.Contains(valid, kind) {
			q.refuse("invalid type: %s, it must be one of %s", kind, strings.Join(valid, ", "))
		}
	}
	return span
}

func (q *query) instant(name string) time.Time {
	text := q.text(name)
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		q.refuse("invalid %s: %s is not RFC 3339", name, text)
		return time.Time{}
	}
	q.reasonable(name, at)
	return at.UTC()
}

func (q *query) eventID(name string) ulid.ULID {
	text := q.text(name)
	if text == "" {
		return ulid.ULID{}
	}
	id, err := ulid.ParseStrict(text)
	if err != nil {
		q.refuse("invalid %s: %s is not a ULID", name, text)
	}
	return id
}

// begin is when the events begin that the span is about; now when it is about live ones only.
func (s *actionSpan) begin(now time.Time) time.Time {
	switch {
	case s.sinceID != ulid.ULID{}:
		return ulid.Time(s.sinceID.Time()).UTC()
	case !s.since.IsZero():
		return s.since
	default:
		return now
	}
}

// bounded reports whether the stream ends after what has happened.
func (s *actionSpan) bounded() bool { return !s.until.IsZero() || s.untilID != ulid.ULID{} }

func (s *actionSpan) wants(e *actionEvent) bool {
	switch {
	case s.nothing, s.types != nil && !s.types[actionEventType(e.action.kind)]:
		return false
	case s.sinceID != ulid.ULID{} && e.id.Compare(s.sinceID) < 0, s.untilID != ulid.ULID{} && e.id.Compare(s.untilID) > 0:
		return false
	default:
		return s.until.IsZero() || !e.at.After(s.until)
	}
}
