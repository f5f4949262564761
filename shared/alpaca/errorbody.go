package alpaca

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Alpaca's numeric error codes. The first three digits are an HTTP status, though not always that of the answer:
// 40010001 comes with 422.
const (
	codeInvalid   = 40010001
	codeForbidden = 4031 // first four digits of 40310000 and 40310100
)

const (
	maxMessage   = 300
	maxRequestID = 128
	maxRelated   = 100
)

// fill takes what is known of Alpaca's error bodies out of body and reports whether it was a JSON object. Fields of
// an unexpected type are passed over: an error must never be hidden by its own body.
func (e *Error) fill(body []byte, secret string) bool {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		return false
	}
	text := func(name string) string { return cleanText(fields[name], secret) }
	number := func(names ...string) *decimal.Decimal { return firstDecimal(fields, names) }
	e.Code = integer(fields["code"])
	e.Message = text("message")
	e.Symbol = text("symbol")
	e.RejectReason = text("reject_reason")
	e.ExistingOrderID = text("existing_order_id")
	e.BuyingPower = number("buying_power", "options_buying_power", "day_trading_buying_power")
	e.CostBasis = number("cost_basis", "required_options_buying_power")
	e.Available = number("available", "available_qty")
	e.ExistingQty = number("existing_qty")
	e.HeldForOrders = number("held_for_orders")
	e.RelatedOrders = relatedOrders(fields["related_orders"])
	return true
}

func relatedOrders(raw json.RawMessage) []string {
	var ids []string
	if json.Unmarshal(raw, &ids) != nil {
		return nil
	}
	return ids[:min(len(ids), maxRelated)]
}

func cleanText(raw json.RawMessage, secret string) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return ""
	}
	if secret != "" {
		text = strings.ReplaceAll(text, secret, redacted)
	}
	return printable(text, maxMessage)
}

// printable makes text safe for logs and headers and bounds it, in bytes.
func printable(text string, limit int) string {
	var clean strings.Builder
	for _, r := range text {
		if !unicode.IsPrint(r) {
			r = ' '
		}
		if clean.Len()+4 > limit {
			break
		}
		clean.WriteRune(r)
	}
	return strings.TrimSpace(clean.String())
}

func integer(raw json.RawMessage) int {
	n, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err != nil {
		return 0
	}
	return n
}

func firstDecimal(fields map[string]json.RawMessage, names []string) *decimal.Decimal {
	for _, name := range names {
		value, err := decimal.Parse(strings.Trim(string(fields[name]), `"`))
		if err == nil {
			return &value
		}
	}
	return nil
}
