package trading

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/data"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// maxAnnouncementDays is how long the span of a request may be.
const maxAnnouncementDays = 90

// announcementQuery is which announcements are wanted. Dates are YYYY-MM-DD.
type announcementQuery struct {
	types         []string
	since, until  string
	symbol, cusip string
	dateType      string
	from, to      time.Time
}

func (api *API) getAnnouncements(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	wanted, err := readAnnouncementQuery(r.URL.Query())
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	out := []byte{'['}
	for _, found := range api.Announcements(wanted.from, wanted.to) {
		if !wanted.selects(&found) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = appendAnnouncement(out, &found)
	}
	wire.Write(w, http.StatusOK, append(out, ']'))
}

// getAnnouncement looks for an ID among the actions of the years around the present one.
func (api *API) getAnnouncement(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	id, now := r.PathValue("announcement"), api.Clock.Now()
	if uuid.Validate(id) == nil {
		for _, found := range api.Announcements(now.AddDate(-2, 0, 0), now.AddDate(1, 0, 0)) {
			if found.ID == id {
				wire.Write(w, http.StatusOK, appendAnnouncement(nil, &found))
				return
			}
		}
	}
	wire.WriteError(w, wire.NotFound("announcement not found for %s", id))
}

func readAnnouncementQuery(query url.Values) (announcementQuery, error) {
	wanted := announcementQuery{
		since: query.Get("since"), until: query.Get("until"), symbol: query.Get("symbol"), cusip: query.Get("cusip"),
		dateType: query.Get("date_type"),
	}
	for _, kind := range list(query.Get("ca_types")) {
		kind = strings.ToLower(kind)
		if !slices.Contains([]string{"dividend", "merger", "spinoff", "split", "reorg"}, kind) {
			return wanted, wire.Shape("invalid param: ca_types")
		}
		wanted.types = append(wanted.types, kind)
	}
	if len(wanted.types) == 0 {
		return wanted, wire.Shape("invalid param: ca_types is required")
	}
	if wanted.since == "" || wanted.until == "" {
		return wanted, wire.Shape("invalid param: both since & until required")
	}
	var err error
	if wanted.from, err = time.Parse(time.DateOnly, wanted.since); err != nil {
		return wanted, wire.Shape("invalid param: since")
	}
	if wanted.to, err = time.Parse(time.DateOnly, wanted.until); err != nil || wanted.to.Before(wanted.from) {
		return wanted, wire.Shape("invalid param: until")
	}
	if wanted.to.Sub(wanted.from) > maxAnnouncementDays*24*time.Hour {
		return wanted, wire.Shape("invalid param: date range is limited to %d days", maxAnnouncementDays)
	}
	switch wanted.dateType {
	case "", "declaration_date", "ex_date", "record_date", "payable_date":
		return wanted, nil
	default:
		return wanted, wire.Shape("invalid param: date_type")
	}
}

func (q *announcementQuery) selects(a *data.Announcement) bool {
	if !slices.Contains(q.types, a.Type) {
		return false
	}
	if q.symbol != "" && q.symbol != a.InitiatingSymbol && q.symbol != a.TargetSymbol {
		return false
	}
	if q.cusip != "" && q.cusip != a.InitiatingCusip && q.cusip != a.TargetCusip {
		return false
	}
	date := a.Ex
	switch q.dateType {
	case "declaration_date":
		date = a.Declared
	case "record_date":
		date = a.Record
	case "payable_date":
		date = a.Payable
	case "":
		if date == "" {
			date = a.Effective
		}
	}
	return date != "" && date >= q.since && date <= q.until
}

// appendAnnouncement writes the action's ID under both names: the specification's, and the one that Alpaca's Go SDK reads.
func appendAnnouncement(dst []byte, a *data.Announcement) []byte {
	dst = wire.String(append(dst, `{"id":`...), a.ID)
	dst = wire.String(append(dst, `,"corporate_action_id":`...), a.CorporateActionID)
	dst = wire.String(append(dst, `,"corporate_actions_id":`...), a.CorporateActionID)
	dst = wire.String(append(dst, `,"ca_type":`...), a.Type)
	dst = wire.String(append(dst, `,"ca_sub_type":`...), a.SubType)
	dst = wire.String(append(dst, `,"initiating_symbol":`...), a.InitiatingSymbol)
	dst = wire.String(append(dst, `,"initiating_original_cusip":`...), a.InitiatingCusip)
	dst = wire.String(append(dst, `,"target_symbol":`...), a.TargetSymbol)
	dst = wire.String(append(dst, `,"target_original_cusip":`...), a.TargetCusip)
	dst = wire.OptionalString(append(dst, `,"declaration_date":`...), a.Declared)
	dst = wire.OptionalString(append(dst, `,"effective_date":`...), a.Effective)
	dst = wire.OptionalString(append(dst, `,"ex_date":`...), a.Ex)
	dst = wire.OptionalString(append(dst, `,"record_date":`...), a.Record)
	dst = wire.OptionalString(append(dst, `,"payable_date":`...), a.Payable)
	dst = wire.OptionalString(append(dst, `,"cash":`...), a.Cash)
	dst = wire.OptionalString(append(dst, `,"old_rate":`...), a.OldRate)
	dst = wire.OptionalString(append(dst, `,"new_rate":`...), a.NewRate)
	return append(dst, '}')
}
