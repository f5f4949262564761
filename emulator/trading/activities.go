package trading

import (
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

const maxActivities = 100

func (api *API) getActivities(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	filter, err := api.activityFilter(r.URL.Query())
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	if kind := r.PathValue("type"); kind != "" {
		filter.Types = []string{kind}
	}
	out := []byte{'['}
	for i, activity := range account.Activities(filter) {
		if i > 0 {
			out = append(out, ',')
		}
		out = activity.Append(out)
	}
	wire.Write(w, http.StatusOK, append(out, ']'))
}

func (api *API) activityFilter(query url.Values) (filter exchange.ActivityFilter, err error) {
	filter = exchange.ActivityFilter{
		Types: list(query.Get("activity_types")), Category: query.Get("category"), OrderID: query.Get("order_id"),
		PageToken: query.Get("page_token"), PageSize: maxActivities, Ascending: query.Get("direction") == "asc",
	}
	switch filter.Category {
	case "", "trade_activity", "non_trade_activity":
	default:
		return filter, wire.Shape("invalid category")
	}
	if filter.Category != "" && len(filter.Types) > 0 {
		return filter, wire.Shape("only one of category or activity_types is accepted")
	}
	switch query.Get("direction") {
	case "", "asc", "desc":
	default:
		return filter, wire.Shape("invalid direction")
	}
	if text := query.Get("page_size"); text != "" {
		filter.PageSize, err = strconv.Atoi(text)
		if err != nil || filter.PageSize < 1 || filter.PageSize > maxActivities && query.Get("date") == "" {
			return filter, wire.Shape("invalid page_size: must be from 1 to %d", maxActivities)
		}
	}
	if filter.After, err = parseTime("after", query.Get("after")); err != nil {
		return filter, err
	}
	if filter.Until, err = parseTime("until", query.Get("until")); err != nil {
		return filter, err
	}
	date, err := parseTime("date", query.Get("date"))
	if err != nil || date.IsZero() {
		return filter, err
	}
	start := time.Date(date.Year(), date.Month(), date.Day(), 0, 0, 0, 0, api.Clock.Calendar.Location())
	filter.After, filter.Until = start.Add(-time.Nanosecond), start.AddDate(0, 0, 1)
	filter.WithoutPage = query.Get("page_size") == ""
	return filter, nil
}
