package exchange

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// contracts are a number of one option contract, negative when they are short.
type contracts struct {
	of    *asset.Contract
	count int64
}

// optionRisk are contracts on one underlying that are looked at together.
type optionRisk []contracts

// countOf returns a number of contracts, which is always whole.
func countOf(qty decimal.Decimal) int64 {
	count, err := qty.Trunc(0).Int64()
	if err != nil { // no account holds that many
		return 0
	}
	return count
}

// with returns the risk together with more contracts.
func (r optionRisk) with(more ...contracts) optionRisk {
	sum := slices.Clone(r)
	for _, added := range more {
		at := slices.IndexFunc(sum, func(c contracts) bool { return sameContract(c.of, added.of) })
		if at < 0 {
			sum = append(sum, added)
		} else {
			sum[at].count += added.count
		}
	}
	return sum
}

func sameContract(a, b *asset.Contract) bool {
	return a.Product == b.Product && a.Type == b.Type && a.Strike.Equal(b.Strike) && a.Expiration.Equal(b.Expiration)
}

// expirations returns when contracts of the risk expire.
func (r optionRisk) expirations() []time.Time {
	var moments []time.Time
	for _, c := range r {
		if c.count != 0 && !slices.ContainsFunc(moments, c.of.Expiration.Equal) {
			moments = append(moments, c.of.Expiration)
		}
	}
	return moments
}

// shortage is how many short calls no long call that lives as long covers, so that shares must.
func (r optionRisk) shortage() int64 { return r.short(asset.Call) }

// short is how many short contracts of a type no long one that lives as long stands against.
func (r optionRisk) short(kind asset.ContractType) int64 {
	worst := int64(0)
	for _, expiration := range r.expirations() {
		net := int64(0)
		for _, c := range r {
			if c.of.Type == kind && !c.of.Expiration.Before(expiration) {
				net += c.count
			}
		}
		worst = max(worst, -net)
	}
	return worst
}

// withoutCovered takes away the short calls that shares cover: those that live longest, of these the lowest strikes.
func (r optionRisk) withoutCovered() optionRisk {
	covered := r.shortage()
	rest := slices.Clone(r)
	slices.SortFunc(rest, func(a, b contracts) int {
		if order := b.of.Expiration.Compare(a.of.Expiration); order != 0 {
			return order
		}
		return a.of.Strike.Cmp(b.of.Strike)
	})
	for i, c := range rest {
		if c.of.Type == asset.Call && c.count < 0 {
			taken := min(covered, -c.count)
			rest[i].count += taken
			covered -= taken
		}
	}
	return rest
}

// margin is what the account must be able to lose: the worst payoff over all prices of the underlying, looked at when each
// of the contracts expires; the largest of these counts (Alpaca's page on options level 3). USD.
func (r optionRisk) margin() decimal.Decimal {
	rest := r.withoutCovered()
	var worst decimal.Decimal
	for _, expiration := range rest.expirations() {
		loss := rest.lossAt(expiration)
		if loss.GreaterThan(worst) {
			worst = loss
		}
	}
	return worst
}

// lossAt is the worst payoff of what lives at least to an expiration. It is a broken line of the underlying's price with
// its corners at the strikes, and rises or stays level at the far end because no call is uncovered.
func (r optionRisk) lossAt(expiration time.Time) decimal.Decimal {
	var worst decimal.Decimal
	corners := make([]decimal.Decimal, 1, len(r)+1) // zero is one
	for _, c := range r {
		corners = append(corners, c.of.Strike)
	}
	for _, price := range corners {
		var payoff decimal.Decimal
		for _, c := range r {
			if c.count != 0 && !c.of.Expiration.Before(expiration) {
				payoff = payoff.Add(c.of.Intrinsic(price).Mul(decimal.FromInt(c.count * asset.Multiplier)))
			}
		}
		if loss := payoff.Neg(); loss.GreaterThan(worst) {
			worst = loss
		}
	}
	return worst
}

// optionMargin sums what the short options of all underlyings have to be secured with.
func (a *Account) optionMargin() decimal.Decimal {
	byCover := make(map[string]optionRisk)
	for _, held := range a.holdings {
		if c := held.asset.Contract; c != nil {
			byCover[c.Cover()] = append(byCover[c.Cover()], contracts{c, countOf(held.qty)})
		}
	}
	var sum decimal.Decimal
	for _, risk := range byCover {
		sum = sum.Add(risk.margin())
	}
	return sum
}

// optionBook is what the account would hold of the contracts with a cover if every open order that makes it worse were filled.
// Orders to buy may never fill and are left out; so is one order.
func (a *Account) optionBook(cover string, except *entry) optionRisk {
	var book optionRisk
	for _, held := range a.holdings {
		if c := held.asset.Contract; c != nil && c.Cover() == cover {
			book = book.with(contracts{c, countOf(held.qty)})
		}
	}
	for place, orders := range a.open {
		if place.symbol != "" && orders[0].cover() != cover {
			continue // they all trade the same
		}
		for _, open := range orders {
			switch {
			case open == except || open.cover() != cover:
			case open.combo != nil:
				if filled := book.with(open.combo.rest()...); filled.shortage() > book.shortage() {
					book = filled
				}
			case place.side == Sell:
				book = book.with(contracts{open.Asset.Contract, -countOf(open.remaining())})
			}
		}
	}
	slices.SortFunc(book, func(a, b contracts) int { return cmp.Compare(a.count, b.count) })
	return book
}

// underlying returns the symbol on which the order trades options; "" when it trades none.
func (e *entry) underlying() string {
	switch {
	case e.combo != nil:
		return e.combo.legs[0].Asset.Contract.Underlying.Symbol
	case e.Asset.Contract != nil:
		return e.Asset.Contract.Underlying.Symbol
	default:
		return ""
	}
}

// cover returns what stands against the contracts that the order trades; "" when it trades none.
func (e *entry) cover() string {
	switch {
	case e.combo != nil:
		return e.combo.legs[0].Asset.Contract.Cover()
	case e.Asset.Contract != nil:
		return e.Asset.Contract.Cover()
	default:
		return ""
	}
}

// coveringShares is how many shares of a stock the account has to keep for its short calls.
func (a *Account) coveringShares(symbol string, except *entry) decimal.Decimal {
	if a.liquidating {
		return decimal.Decimal{}
	}
	return decimal.FromInt(a.optionBook(symbol, except).shortage() * asset.Multiplier)
}

// releasable is how much of a quantity an order may sell now. What closes all positions together was taken without a look at
// what covers short calls, because they are bought back as well; until they are, their cover stays.
func (a *Account) releasable(e *entry, qty decimal.Decimal) decimal.Decimal {
	if !e.liquidates || e.Side != Sell {
		return qty
	}
	cover, contract := e.Asset.Symbol, e.Asset.Contract
	if contract != nil {
		cover = contract.Cover()
	}
	var held optionRisk
	for _, position := range a.holdings {
		if c := position.asset.Contract; c != nil && c.Cover() == cover {
			held = append(held, contracts{c, countOf(position.qty)})
		}
	}
	shares := positive(a.positionQty(cover))
	if contract == nil {
		return minimum(qty, positive(shares.Sub(decimal.FromInt(held.shortage()*asset.Multiplier))))
	}
	most := max(held.shortage(), countOf(shares)/asset.Multiplier)
	count := sort.Search(int(countOf(qty)), func(less int) bool {
		return held.with(contracts{contract, -int64(less) - 1}).shortage() > most
	})
	return decimal.FromInt(int64(count))
}

// freeShares is how many shares of a stock no open order is about to sell.
func (a *Account) freeShares(symbol string) decimal.Decimal {
	tied, _ := a.tiedShares(queue{symbol, Sell}, nil)
	return positive(a.positionQty(symbol).Sub(tied))
}
