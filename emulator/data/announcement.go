package data

import (
	"strings"
	"time"
)

// Announcement is a corporate action in the form of the Trading API's deprecated announcements. Dates are YYYY-MM-DD,
// amounts decimals; what a kind of action does not have is empty.
type Announcement struct {
	ID, CorporateActionID                    string
	Type, SubType                            string // for example dividend and cash
	InitiatingSymbol, InitiatingCusip        string
	TargetSymbol, TargetCusip                string
	Declared, Effective, Ex, Record, Payable string
	Cash, OldRate, NewRate                   string
}

// noticeDays is how long before its ex date or its processing an action is declared here.
const noticeDays = 21

// Announcements returns the corporate actions of which a date may lie between two dates, by the date on which they are
// processed: the same ones that the Market Data API has, as far as the old form has a type for them.
func (api *API) Announcements(from, to time.Time) []Announcement {
	var found []Announcement
	for year := max(from.Year()-1, firstActionYear); year <= to.AddDate(0, 2, 0).Year(); year++ {
		for _, processed := range api.actionsOf(year) {
			if kind, subKind, ok := announcementType(processed.kind); ok {
				found = append(found, processed.announcement(kind, subKind))
			}
		}
	}
	return found
}

// announcementType returns ca_type and ca_sub_type for a kind of action.
func announcementType(kind string) (caType, subType string, ok bool) {
	switch kind {
	case "cash_dividend":
		return "dividend", "cash", true
	case "stock_dividend":
		return "dividend", "stock", true
	case "forward_split":
		return "split", "stock_split", true
	case "reverse_split":
		return "split", "reverse_split", true
	case "unit_split":
		return "split", "unit_split", true
	case "cash_merger", "stock_merger", "stock_and_cash_merger":
		return "merger", "merger_completion", true
	case "spin_off":
		return "spinoff", "spinoff", true
	case "reorganization":
		return "reorg", "reorganization", true
	default:
		return "", "", false
	}
}

func (a *action) announcement(caType, subType string) Announcement {
	made := Announcement{
		ID: a.id, CorporateActionID: cusip(a.id) + "_" + caType, Type: caType, SubType: subType,
		InitiatingSymbol: a.symbols[0], InitiatingCusip: a.cusips[0],
		TargetSymbol: a.symbols[len(a.symbols)-1], TargetCusip: a.cusips[len(a.cusips)-1],
		OldRate: "1", NewRate: "1",
	}
	for _, field := range a.fields {
		value := strings.Trim(field.raw, `"`)
		switch field.name {
		case "ex_date":
			made.Ex = value
		case "effective_date":
			made.Effective = value
		case "record_date":
			made.Record = value
		case "payable_date":
			made.Payable = value
		case "old_rate", "acquiree_rate", "source_rate":
			made.OldRate = value
		case "new_rate", "acquirer_rate":
			made.NewRate = value
		case "cash_rate":
			made.Cash = value
		case "rate":
			if a.kind == "stock_dividend" {
				made.NewRate = value
			} else {
				made.Cash = value
			}
		}
	}
	if made.Effective == "" {
		made.Effective = a.process.Format(time.DateOnly)
	}
	made.Declared = a.declared().Format(time.DateOnly)
	return made
}

// declared returns the date on which the action was told.
func (a *action) declared() time.Time {
	first := a.process
	for _, field := range a.fields {
		if field.name != "ex_date" {
			continue
		}
		if date, err := time.Parse(time.DateOnly, strings.Trim(field.raw, `"`)); err == nil {
			first = date
		}
	}
	return weekday(first.AddDate(0, 0, -noticeDays))
}
