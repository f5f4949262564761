package market

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Quote is the best bid and offer. Prices are USD (for crypto: the pair's quote currency); sizes are shares, contracts,
// or units of the pair's base. A side nobody quotes has price and size 0.
type Quote struct {
	Time               time.Time
	BidPrice, AskPrice decimal.Decimal
	BidSize, AskSize   decimal.Decimal
	BidExchange        string // exchange code; empty for crypto
	AskExchange        string
}

// maxDelay is how long after the start of its step a quote is made, at most; trades come later in the step, so that each
// lies within the quote before it.
const maxDelay = 100 * time.Millisecond

// quoteDelay is the time from the start of a step to its quote.
func quoteDelay(dice uint64) time.Duration { return time.Duration(dice>>16) % maxDelay }

func (s *series) quoteDice(moment int64) uint64 { return mix(s.key, uint64(moment)) }

// quoteMoment returns the step, in UNIX nanoseconds, whose quote was the last at or before a time.
func (s *series) quoteMoment(at time.Time) int64 {
	for {
		open := s.market.MarketTime(s.asset, at)
		moment := floorDivide(open.UnixNano(), int64(Step)) * int64(Step)
		if moment+int64(quoteDelay(s.quoteDice(moment))) <= open.UnixNano() {
			return moment
		}
		at = time.Unix(0, moment-1)
	}
}

// quote returns the quote of a step.
func (s *series) quote(moment int64) Quote {
	book, dice := s.book(moment), s.quoteDice(moment)
	quote := Quote{
		Time:     time.Unix(0, moment+int64(quoteDelay(dice))).UTC(),
		BidPrice: priceOf(book.bid), AskPrice: priceOf(book.ask),
	}
	s.quoteSizes(&quote, dice)
	if book.bid == 0 {
		quote.BidSize, quote.BidExchange = decimal.Decimal{}, " "
	}
	return quote
}

func (s *series) quoteSizes(quote *Quote, dice uint64) {
	switch s.asset.Class {
	case asset.Crypto, asset.Perpetual:
		quote.BidSize, quote.AskSize = s.coins(500+dice>>8%40_000), s.coins(500+dice>>28%40_000)
	case asset.Option:
		quote.BidSize, quote.AskSize = decimal.FromInt(int64(1+dice>>8%150)), decimal.FromInt(int64(1+dice>>20%150))
		quote.BidExchange, quote.AskExchange = optionVenue(dice>>32), optionVenue(dice>>40)
	default:
		quote.BidSize, quote.AskSize = decimal.FromInt(100*int64(1+dice>>8%12)), decimal.FromInt(100*int64(1+dice>>20%12))
		quote.BidExchange, quote.AskExchange = venue(dice>>32), venue(dice>>40)
	}
}

// venue picks an exchange code: Nasdaq, NYSE Arca, NYSE, EDGX, BZX, IEX or MEMX.
func venue(dice uint64) string {
	const codes = "QPNKZVU"
	at := dice % uint64(len(codes))
	return codes[at : at+1]
}

// optionVenue picks the code of an options exchange.
func optionVenue(dice uint64) string {
	const codes = "ABCDEHIJMNPQSTUXZ"
	at := dice % uint64(len(codes))
	return codes[at : at+1]
}
