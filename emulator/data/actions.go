package data

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Pages of corporate actions.
const (
	usualActions = 100
	maxActions   = 1000
)

// actionRequest is which corporate actions are wanted. Nil sets want all.
type actionRequest struct {
	from, to                    time.Time // dates
	descending                  bool
	limit                       int
	symbols, cusips, ids, kinds map[string]bool
	nothing                     bool // in the region
	after                       *cursor
}

// corporateActions answers with the actions by the date on which they are processed, in groups of their kinds.
func (api *API) corporateActions(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	request := api.readActions(q)
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	found, next := api.selectActions(&request)
	out := []byte(`{"corporate_actions":{`)
	for _, kind := range actionKinds() {
		count := 0
		for i := range found {
			if found[i].kind != kind {
				continue
			}
			switch {
			case count > 0:
				out = append(out, ',')
			case out[len(out)-1] == ']':
				out = append(out, `,"`+kind+`s":[`...)
			default:
				out = append(out, `"`+kind+`s":[`...)
			}
			count++
			out = found[i].appendTo(out)
		}
		if count > 0 {
			out = append(out, ']')
		}
	}
	wire.Write(w, http.StatusOK, page{next: next}.appendEnd(append(out, '}'), ""))
}

func (api *API) readActions(q *query) actionRequest {
	year, month, date := api.Clock.Now().In(api.Clock.Location()).Date()
	today := time.Date(year, month, date, 0, 0, 0, 0, time.UTC)
	request := actionRequest{
		from: today, to: today, descending: q.descending(false), limit: q.limit(usualActions, maxActions), after: q.cursor("C"),
		symbols: q.set("symbols"), cusips: q.set("cusips"), ids: q.set("ids"), kinds: q.set("types"),
		nothing: q.choice("region", "us", "non_us", "all") == "non_us",
	}
	q.choice("data_quality", "complete", "all")
	if start, found := q.date("start"); found {
		request.from = start
	}
	if end, found := q.date("end"); found {
		request.to = end
	}
	if request.ids != nil {
		for _, other := range []string{"symbols", "cusips", "types", "start", "end", "region", "data_quality"} {
			if q.text(other) != "" {
				q.refuse("ids and %s are mutually exclusive", other)
			}
		}
		request.from, request.to = firstAction(), today.AddDate(1, 0, 0)
	}
	if request.from.After(request.to) {
		q.refuse("end should not be before start")
	}
	if first := firstAction(); request.from.Before(first) {
		request.from = first
	}
	if last := today.AddDate(1, 0, 0); request.to.After(last) { // nothing is announced earlier
		request.to = last
	}
	for kind := range request.kinds {
		if !slices.Contains(actionKinds(), kind) {
			q.refuse("invalid type: %s", kind)
		}
	}
	return request
}

func firstAction() time.Time {
	return time.Date(firstActionYear, time.January, 1, 0, 0, 0, 0, time.UTC)
}

// set reads a list of words; nil when there is none.
func (q *query) set(name string) map[string]bool {
	words := q.text(name)
	if words == "" {
		return nil
	}
	wanted := map[string]bool{}
	for word := range strings.SplitSeq(words, ",") {
		wanted[word] = true
	}
	return wanted
}

// selectActions returns a page of the wanted actions. A dividend is processed up to two weeks after its year ended.
func (api *API) selectActions(request *actionRequest) (found []action, next *cursor) {
	if request.nothing {
		return nil, nil
	}
	var all []action
	for year := request.from.Year() - 1; year <= request.to.Year(); year++ {
		for _, candidate := range api.actionsOf(year) {
			if request.wants(&candidate) {
				all = append(all, candidate)
			}
		}
	}
	slices.SortFunc(all, compareActions)
	if request.descending {
		slices.Reverse(all)
	}
	if after := request.after; after != nil {
		last := slices.IndexFunc(all, func(a action) bool { return a.id == after.symbol })
		all = all[last+1:]
	}
	if len(all) <= request.limit {
		return all, nil
	}
	all = all[:request.limit]
	last := all[len(all)-1]
	return all, &cursor{symbol: last.id, letter: "C", at: last.process}
}

func (r *actionRequest) wants(a *action) bool {
	hasAny := func(wanted map[string]bool, have ...string) bool {
		return wanted == nil || slices.ContainsFunc(have, func(word string) bool { return wanted[word] })
	}
	return !a.process.Before(r.from) && !a.process.After(r.to) && hasAny(r.kinds, a.kind) && hasAny(r.symbols, a.symbols...) &&
		hasAny(r.cusips, a.cusips...) && hasAny(r.ids, a.id)
}
