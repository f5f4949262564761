package asset

import (
	"iter"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/session"
)

// How far ahead contracts are listed.
const (
	weeklyExpirations  = 4
	monthlyExpirations = 6
)

// firstContracts is the date on which Alpaca's data of option contracts begins.
const firstContracts = "2024-02-01"

// isMonthly reports whether an expiration is the one of its month: on the third Friday, or the day before when that is
// a holiday.
func isMonthly(day time.Time) bool {
	friday := day.AddDate(0, 0, int(time.Friday-day.Weekday()))
	return friday.Day() >= 15 && friday.Day() <= 21
}

// endOfWeek returns the last trading day of t's week.
func (c *Catalogue) endOfWeek(t time.Time) session.Day {
	day := t.In(c.calendar.Location())
	saturday := day.AddDate(0, 0, int(time.Saturday-day.Weekday()))
	return c.calendar.Previous(saturday)
}

// expiration returns the trading day of an expiration date, and false when contracts never expire on that date.
func (c *Catalogue) expiration(date time.Time) (session.Day, bool) {
	day := c.endOfWeek(date)
	if day.Date() != date.Format(time.DateOnly) {
		return session.Day{}, false
	}
	return day, true
}

// Expirations returns the closes of the last trading days of the contracts that are listed at t, earliest first: four
// weekly and six monthly ones. A contract is listed to the end of the day on which it expires.
func (c *Catalogue) Expirations(t time.Time) []time.Time {
	today := t.In(c.calendar.Location()).Format(time.DateOnly)
	var listed []time.Time
	monthly, weekly := 0, 0
	for week := t.In(c.calendar.Location()); monthly < monthlyExpirations; week = week.AddDate(0, 0, 7) {
		day := c.endOfWeek(week)
		if day.Date() < today {
			continue
		}
		weekly++
		if isMonthly(day.Open) {
			monthly++
		} else if weekly > weeklyExpirations {
			continue
		}
		listed = append(listed, day.Close)
	}
	return listed
}

// PastExpirations returns the expirations from a date (YYYY-MM-DD) to the day before t, earliest first: every week has one.
func (c *Catalogue) PastExpirations(from string, t time.Time) []time.Time {
	today := t.In(c.calendar.Location()).Format(time.DateOnly)
	start, err := time.ParseInLocation(time.DateOnly, max(from, firstContracts), c.calendar.Location())
	if err != nil {
		return nil
	}
	var expired []time.Time
	for week := start; ; week = week.AddDate(0, 0, 7) {
		day := c.endOfWeek(week)
		if day.Date() >= today {
			return expired
		}
		if day.Date() >= from {
			expired = append(expired, day.Close)
		}
	}
}

// lists reports whether the product's contracts expire on a date on which some contracts do.
func (p *Product) lists(date time.Time) bool { return p.weekly || isMonthly(date) }

// Chain yields the contracts on an underlying that are listed at t, in the order of their symbols: by root, expiration, calls
// before puts, by strike. Nothing is kept in memory. It is empty for an asset without options.
func (c *Catalogue) Chain(underlying *Asset, t time.Time) iter.Seq[*Asset] {
	return c.ChainOf(underlying, c.Expirations(t))
}

// ChainOf is Chain for some expirations, each the close of the expiration date.
func (c *Catalogue) ChainOf(underlying *Asset, expirations []time.Time) iter.Seq[*Asset] {
	return func(yield func(*Asset) bool) {
		for _, product := range c.byUnderlying[underlying.Symbol] {
			for listed := range c.ContractsOf(product, expirations) {
				if !yield(listed) {
					return
				}
			}
		}
	}
}

// ContractsOf is ChainOf for one product.
func (c *Catalogue) ContractsOf(product *Product, expirations []time.Time) iter.Seq[*Asset] {
	return func(yield func(*Asset) bool) {
		for contract := range c.terms(product, expirations) {
			if !yield(contractAsset(&contract)) {
				return
			}
		}
	}
}

func (c *Catalogue) terms(product *Product, expirations []time.Time) iter.Seq[Contract] {
	ladder := strikesOf(product.Underlying)
	return func(yield func(Contract) bool) {
		for _, closes := range expirations {
			day, ok := c.calendar.DayOf(closes)
			if !ok || !product.lists(closes) {
				continue
			}
			contract := Contract{Product: product}
			contract.Expiration, contract.LastTrade = c.ends(product, day)
			rungs := slices.Collect(ladder.all(isMonthly(closes)))
			for _, contract.Type = range []ContractType{Call, Put} {
				for _, strike := range rungs {
					contract.Strike = fromThousandths(strike)
					if !yield(contract) {
						return
					}
				}
			}
		}
	}
}

// IsListed reports whether a contract is listed at t.
func (c *Catalogue) IsListed(contract *Contract, t time.Time) bool {
	return slices.ContainsFunc(c.Expirations(t), func(closes time.Time) bool {
		return closes.YearDay() == contract.Expiration.YearDay() && closes.Year() == contract.Expiration.Year()
	})
}
