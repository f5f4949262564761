package data

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// action is one corporate action in Alpaca's form. The companies of all but the dividends are made up and listed
// nowhere: no stock that is traded here is split or merged.
type action struct {
	kind    string // for example cash_dividend
	id      string
	process time.Time // midnight UTC
	symbols []string
	cusips  []string
	fields  []actionField
}

// actionField is a member beyond id and process_date; raw is its JSON. Numbers are texts in events.
type actionField struct {
	name, raw string
	number    bool
}

// actionKinds are the kinds in the order of their groups' names.
func actionKinds() []string {
	return []string{
		"cash_dividend", "cash_merger", "forward_split", "name_change", "partial_call", "redemption", "reorganization",
		"reverse_split", "rights_distribution", "spin_off", "stock_and_cash_merger", "stock_dividend", "stock_merger",
		"unit_split", "worthless_removal",
	}
}

func text(name, value string) actionField {
	return actionField{name: name, raw: string(wire.String(nil, value))}
}

func number(name string, value decimal.Decimal) actionField {
	return actionField{name: name, raw: string(wire.Number(nil, value)), number: true}
}

func day(name string, date time.Time) actionField { return text(name, date.Format(time.DateOnly)) }

func truth(name string, value bool) actionField {
	return actionField{name: name, raw: strconv.FormatBool(value)}
}

// actionsOf returns the corporate actions that are processed in a year, by date and ID.
func (api *API) actionsOf(year int) []action {
	var all []action
	for _, stock := range api.Catalogue.Underlyings() {
		for _, paid := range dividendsOf(api.Seed, stock, year) {
			all = append(all, paid.action())
		}
	}
	const each = 4
	for _, kind := range actionKinds()[1:] {
		for i := range each {
			all = append(all, madeUp(api.Seed, kind, year, i))
		}
	}
	slices.SortFunc(all, compareActions)
	return all
}

func compareActions(a, b action) int {
	if order := a.process.Compare(b.process); order != 0 {
		return order
	}
	return strings.Compare(a.id, b.id)
}

func actionID(parts ...string) string {
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("alpaca-emulator/action/"+strings.Join(parts, "/"))).String()
}

// cusip is nine characters that look like a security's number.
func cusip(symbol string) string {
	digits := strconv.FormatUint(mix(0, symbol)%1_000_000_000, 10)
	return strings.Repeat("0", 9-len(digits)) + digits
}

func (d dividend) action() action {
	number := number("rate", d.rate)
	return action{
		kind: "cash_dividend", id: actionID("cash_dividend", d.symbol, d.exDate.Format(time.DateOnly)), process: d.payable,
		symbols: []string{d.symbol}, cusips: []string{cusip(d.symbol)},
		fields: []actionField{
			text("symbol", d.symbol), text("cusip", cusip(d.symbol)), number, truth("special", false), truth("foreign", false),
			day("ex_date", d.exDate), day("record_date", d.recordDate), day("payable_date", d.payable),
		},
	}
}

// madeUp draws an action of a kind.
func madeUp(seed uint64, kind string, year, serial int) action {
	name := kind + strconv.Itoa(year) + strconv.Itoa(serial)
	dice := mix(seed, name)
	ticker := func(dice uint64) string {
		letters := []byte("Z000")
		for i := 1; i < len(letters); i++ {
			letters[i] = 'A' + byte(dice>>(8*i)%26)
		}
		return string(letters)
	}
	first, second := ticker(dice), ticker(dice>>24)+"X"
	process := weekday(time.Date(year, time.Month(1+dice%12), 1+int(dice>>8%28), 0, 0, 0, 0, time.UTC))
	made := action{
		kind: kind, id: actionID(name), process: process, symbols: []string{first}, cusips: []string{cusip(first)},
	}
	made.describe(first, second, decimal.FromInt(int64(2+dice>>40%9)))
	return made
}

// describe adds the members that a kind of action has.
func (a *action) describe(first, second string, rate decimal.Decimal) {
	one := decimal.FromInt(1)
	before := a.process.AddDate(0, 0, -1)
	pair := func(firstName, secondName string) {
		a.symbols, a.cusips = append(a.symbols, second), append(a.cusips, cusip(second))
		a.add(text(firstName+"_symbol", first), text(firstName+"_cusip", cusip(first)),
			text(secondName+"_symbol", second), text(secondName+"_cusip", cusip(second)))
	}
	single := func() { a.add(text("symbol", first), text("cusip", cusip(first))) }
	dates := func() {
		a.add(day("ex_date", a.process), day("record_date", before), day("payable_date", a.process))
	}
	switch a.kind {
	case "forward_split":
		single()
		a.add(number("new_rate", rate), number("old_rate", one), day("due_bill_redemption_date", a.process))
		dates()
	case "reverse_split":
		a.add(text("symbol", first), text("old_cusip", cusip(first)), text("new_cusip", cusip(second)),
			number("new_rate", one), number("old_rate", rate))
		dates()
	case "unit_split":
		pair("old", "new")
		a.add(number("old_rate", one), number("new_rate", one), text("alternate_symbol", second+"W"),
			text("alternate_cusip", cusip(second+"W")), number("alternate_rate", one), day("effective_date", a.process),
			day("payable_date", a.process))
	case "stock_dividend":
		single()
		a.add(number("rate", rate))
		dates()
	case "redemption":
		single()
		a.add(number("rate", rate), day("payable_date", a.process))
	case "partial_call":
		single()
		a.add(number("price", rate), text("lottery_type", "original"), day("lottery_date", before), day("record_date", before),
			day("payable_date", a.process))
	case "spin_off":
		pair("source", "new")
		a.add(number("source_rate", one), number("new_rate", one))
		dates()
	case "rights_distribution":
		pair("source", "new")
		a.add(number("rate", one), day("expiration_date", a.process.AddDate(0, 1, 0)))
		dates()
	case "name_change":
		pair("old", "new")
	case "reorganization":
		single()
		a.add(number("cash_rate", rate), day("effective_date", a.process), day("payable_date", a.process))
	case "worthless_removal":
		single()
	default: // mergers
		a.describeMerger(pair, rate)
	}
}

func (a *action) describeMerger(pair func(string, string), rate decimal.Decimal) {
	pair("acquiree", "acquirer")
	a.add(day("effective_date", a.process), day("payable_date", a.process))
	if a.kind != "cash_merger" {
		a.add(number("acquirer_rate", rate), number("acquiree_rate", decimal.FromInt(1)))
	}
	switch a.kind {
	case "cash_merger":
		a.add(number("rate", rate))
	case "stock_and_cash_merger":
		a.add(number("cash_rate", rate))
	}
}

func (a *action) add(fields ...actionField) { a.fields = append(a.fields, fields...) }

func (a *action) appendTo(dst []byte) []byte { return a.appendWith(dst, false) }

// appendWith appends the action, its numbers as texts when it is part of an event.
func (a *action) appendWith(dst []byte, event bool) []byte {
	dst = wire.String(append(dst, `{"id":`...), a.id)
	dst = append(dst, `,"currency":"USD"`...)
	for _, field := range a.fields {
		dst = append(wire.String(append(dst, ','), field.name), ':')
		if event && field.number {
			dst = wire.String(dst, field.raw)
		} else {
			dst = append(dst, field.raw...)
		}
	}
	return append(wire.String(append(dst, `,"process_date":`...), a.process.Format(time.DateOnly)), '}')
}
