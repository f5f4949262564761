package data

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// chainFilter is which contracts of a chain are wanted. Zero values want all.
type chainFilter struct {
	kind            asset.ContractType
	root            string
	lowest, highest decimal.Decimal // strikes
	on, from, to    string          // expiration dates, YYYY-MM-DD
}

func (q *query) chainFilter() chainFilter {
	wanted := chainFilter{root: q.text("root_symbol"), lowest: q.price("strike_price_gte"), highest: q.price("strike_price_lte")}
	if q.text("type") != "" {
		wanted.kind = asset.ContractType(q.choice("type", string(asset.Call), string(asset.Put)))
	}
	for name, target := range map[string]*string{
		"expiration_date": &wanted.on, "expiration_date_gte": &wanted.from, "expiration_date_lte": &wanted.to,
	} {
		if date, found := q.date(name); found {
			*target = date.Format(time.DateOnly)
		}
	}
	return wanted
}

// price reads a number that is not negative.
func (q *query) price(name string) decimal.Decimal {
	text := q.text(name)
	if text == "" {
		return decimal.Decimal{}
	}
	value, err := decimal.Parse(text)
	if err != nil || value.IsNeg() {
		q.refuse("invalid %s: %s is not a price", name, text)
	}
	return value
}

func (f *chainFilter) hasExpiration(expiration time.Time) bool {
	date := expiration.Format(time.DateOnly)
	return (f.on == "" || date == f.on) && (f.from == "" || date >= f.from) && (f.to == "" || date <= f.to)
}

func (f *chainFilter) has(contract *asset.Contract) bool {
	return (f.kind == "" || contract.Type == f.kind) && (f.root == "" || contract.Root == f.root) &&
		!contract.Strike.LessThan(f.lowest) && (f.highest.IsZero() || !contract.Strike.GreaterThan(f.highest))
}
