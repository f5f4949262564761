package quote

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Origin says where and when data was read. It stands at the end of each answer.
type Origin struct {
	AsOf time.Time `json:"as_of" doc:"When it was read from Alpaca."`
	Feed string    `json:"feed" doc:"Source of the data: the feed of stocks and options, the location of crypto." example:"iex"`
	// Stale is the last field, so that an encoded answer is marked without decoding it.
	Stale bool `json:"stale" doc:"True when this is older than it should be, because Alpaca does not answer or is being asked."`
}

// QuoteData is the best bid and offer. null is a side without a quote.
type QuoteData struct {
	BidPrice    *decimal.Number `json:"bid_price" doc:"Best bid, null without one."`
	BidSize     *decimal.Number `json:"bid_size"`
	BidExchange string          `json:"bid_exchange,omitempty"`
	AskPrice    *decimal.Number `json:"ask_price" doc:"Best offer, null without one."`
	AskSize     *decimal.Number `json:"ask_size"`
	AskExchange string          `json:"ask_exchange,omitempty"`
	Conditions  []string        `json:"conditions,omitempty"`
	Tape        string          `json:"tape,omitempty"`
	Timestamp   time.Time       `json:"timestamp" doc:"When the quote was made."`
}

// quoteData turns Alpaca's price 0 and size 0 of a side without a quote into null, because 0 is no price.
func quoteData(q *alpaca.Quote) QuoteData {
	data := QuoteData{BidExchange: q.BidExchange, AskExchange: q.AskExchange, Conditions: q.Conditions, Tape: q.Tape, Timestamp: q.Timestamp}
	data.BidPrice, data.BidSize = side(&q.BidPrice, &q.BidSize)
	data.AskPrice, data.AskSize = side(&q.AskPrice, &q.AskSize)
	return data
}

func side(price, size *decimal.Number) (*decimal.Number, *decimal.Number) {
	if price.IsZero() {
		return nil, nil
	}
	return price, size
}

// TradeData is one execution.
type TradeData struct {
	Price      decimal.Number `json:"price"`
	Size       decimal.Number `json:"size"`
	Exchange   string         `json:"exchange,omitempty"`
	Conditions []string       `json:"conditions,omitempty"`
	Tape       string         `json:"tape,omitempty"`
	TakerSide  string         `json:"taker_side,omitempty" doc:"B or S, of crypto trades."`
	TradeID    uint64         `json:"trade_id,omitempty"`
	Update     string         `json:"update,omitempty" doc:"canceled, incorrect or corrected, of a trade that was changed afterwards."`
	Timestamp  time.Time      `json:"timestamp"`
}

func tradeData(t *alpaca.Trade) TradeData {
	return TradeData{
		Price: t.Price, Size: t.Size, Exchange: t.Exchange, Conditions: t.Conditions, Tape: t.Tape, TakerSide: t.TakerSide,
		TradeID: t.ID, Update: t.Update, Timestamp: t.Timestamp,
	}
}

// BarData is the interval that starts at Timestamp.
type BarData struct {
	Open       decimal.Number `json:"open"`
	High       decimal.Number `json:"high"`
	Low        decimal.Number `json:"low"`
	Close      decimal.Number `json:"close"`
	Volume     decimal.Number `json:"volume"`
	TradeCount uint64         `json:"trade_count"`
	VWAP       decimal.Number `json:"vwap" doc:"Volume-weighted average price."`
	Timestamp  time.Time      `json:"timestamp" doc:"Start of the interval."`
}

func barData(b *alpaca.Bar) BarData {
	return BarData{
		Open: b.Open, High: b.High, Low: b.Low, Close: b.Close, Volume: b.Volume, TradeCount: b.TradeCount, VWAP: b.VWAP, Timestamp: b.Timestamp,
	}
}

// Trade is the data of the latest trade.
type Trade struct {
	Symbol string `json:"symbol" example:"AAPL"`
	TradeData
	Origin
}

// Bar is the data of the latest minute bar.
type Bar struct {
	Symbol string `json:"symbol" example:"AAPL"`
	BarData
	Origin
}

// Greeks are an option's sensitivities, for one share of the underlying.
type Greeks struct {
	Delta decimal.Number `json:"delta"`
	Gamma decimal.Number `json:"gamma"`
	Theta decimal.Number `json:"theta"`
	Vega  decimal.Number `json:"vega"`
	Rho   decimal.Number `json:"rho"`
}

// Snapshot is the data of a snapshot: null is what Alpaca does not have.
type Snapshot struct {
	Symbol            string          `json:"symbol" example:"AAPL"`
	Quote             *QuoteData      `json:"quote"`
	Trade             *TradeData      `json:"trade"`
	MinuteBar         *BarData        `json:"minute_bar"`
	DailyBar          *BarData        `json:"daily_bar"`
	PreviousDailyBar  *BarData        `json:"previous_daily_bar"`
	Greeks            *Greeks         `json:"greeks,omitempty" doc:"Of options, where they can be computed."`
	ImpliedVolatility *decimal.Number `json:"implied_volatility,omitempty"`
	Origin
}

func newSnapshot(l *latest, origin Origin) Snapshot {
	s := Snapshot{Symbol: l.symbol, ImpliedVolatility: l.snapshot.ImpliedVolatility, Origin: origin}
	if l.snapshot.LatestQuote != nil {
		quote := quoteData(l.snapshot.LatestQuote)
		s.Quote = &quote
	}
	if l.snapshot.LatestTrade != nil {
		trade := tradeData(l.snapshot.LatestTrade)
		s.Trade = &trade
	}
	for _, bar := range []struct {
		from *alpaca.Bar
		to   **BarData
	}{
		{l.snapshot.MinuteBar, &s.MinuteBar}, {l.snapshot.DailyBar, &s.DailyBar}, {l.snapshot.PrevDailyBar, &s.PreviousDailyBar},
	} {
		if bar.from != nil {
			data := barData(bar.from)
			*bar.to = &data
		}
	}
	if greeks := l.snapshot.Greeks; greeks != nil {
		s.Greeks = &Greeks{Delta: greeks.Delta, Gamma: greeks.Gamma, Theta: greeks.Theta, Vega: greeks.Vega, Rho: greeks.Rho}
	}
	return s
}
