package trading

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Limits of GET /v2/orders.
const (
	defaultOrders = 50
	maxOrders     = 500
)

// parseFilter reads the query of GET /v2/orders. A *wire.Error that names the parameter at fault.
func parseFilter(query url.Values) (exchange.Filter, error) {
	filter := exchange.Filter{
		Status: query.Get("status"), Side: exchange.Side(query.Get("side")), Limit: defaultOrders,
		BeforeID: query.Get("before_order_id"), AfterID: query.Get("after_order_id"),
		Ascending: query.Get("direction") == "asc",
	}
	if filter.Status == "" {
		filter.Status = "open"
	}
	if !slices.Contains([]string{"open", "closed", "all"}, filter.Status) {
		return filter, wire.Shape("invalid status")
	}
	if !slices.Contains([]string{"", "asc", "desc"}, query.Get("direction")) {
		return filter, wire.Shape("invalid direction")
	}
	if !slices.Contains([]exchange.Side{"", exchange.Buy, exchange.Sell}, filter.Side) {
		return filter, wire.Shape("invalid side")
	}
	if nested := query.Get("nested"); nested != "" {
		roll, err := strconv.ParseBool(nested)
		if err != nil {
			return filter, wire.Shape("invalid nested")
		}
		filter.Nested = roll
	}
	if err := parseLimit(&filter, query.Get("limit")); err != nil {
		return filter, err
	}
	if err := parseBounds(&filter, query); err != nil {
		return filter, err
	}
	filter.Symbols = list(query.Get("symbols"))
	for _, class := range list(query.Get("asset_class")) {
		if class == "all" {
			filter.Classes = nil
			break
		}
		if !slices.Contains(assetClasses(), class) {
			return filter, wire.Shape("invalid asset_class: %s", class)
		}
		filter.Classes = append(filter.Classes, asset.Class(class))
	}
	return filter, nil
}

// assetClasses are the classes that Alpaca's order list can be asked for, beside all.
func assetClasses() []string {
	return []string{
		"us_equity", "us_option", "crypto", "crypto_perp", "treasury", "corporate", "global_equity", "us_index",
		"us_equity_chain", "ipo",
	}
}

func parseLimit(filter *exchange.Filter, text string) error {
	if text == "" {
		return nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 0 || limit > maxOrders {
		return wire.Shape("invalid limit: must be from 1 to %d", maxOrders)
	}
	if limit > 0 {
		filter.Limit = limit
	}
	return nil
}

func parseBounds(filter *exchange.Filter, query url.Values) (err error) {
	if filter.After, err = parseTime("after", query.Get("after")); err != nil {
		return err
	}
	if filter.Until, err = parseTime("until", query.Get("until")); err != nil {
		return err
	}
	byID := filter.BeforeID != "" || filter.AfterID != ""
	if filter.BeforeID != "" && filter.AfterID != "" {
		return wire.Shape("before_order_id and after_order_id are mutually exclusive")
	}
	if byID && (!filter.After.IsZero() || !filter.Until.IsZero()) {
		return wire.Shape("before_order_id and after_order_id cannot be used with after or until")
	}
	if byID && uuid.Validate(filter.BeforeID+filter.AfterID) != nil {
		return wire.Shape("order_id is missing")
	}
	return nil
}

// parseTime reads a timestamp or a date; the zero time for an empty text.
func parseTime(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if parsed, err := time.Parse(layout, text); err == nil {
			return parsed, nil
		}
	}
	return time.Time{}, wire.Shape("invalid %s: want a date or an RFC 3339 time", name)
}

func list(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
