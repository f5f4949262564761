package alpaca

import (
	"encoding/json"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Quote is the best bid and offer. A side without a quote has price 0 and size 0. Prices are USD, sizes shares.
type Quote struct {
	Timestamp   time.Time      `json:"t"`
	AskExchange string         `json:"ax,omitempty"`
	AskPrice    decimal.Number `json:"ap"`
	AskSize     decimal.Number `json:"as"`
	BidExchange string         `json:"bx,omitempty"`
	BidPrice    decimal.Number `json:"bp"`
	BidSize     decimal.Number `json:"bs"`
	Conditions  Conditions     `json:"c,omitempty"`
	Tape        string         `json:"z,omitempty"`
}

// Conditions are the codes of a quote or a trade. Alpaca writes an array for stocks and one string for options.
type Conditions []string

// UnmarshalJSON reads both forms.
func (c *Conditions) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		var one string
		if err := json.Unmarshal(data, &one); err != nil {
			return err
		}
		*c = Conditions{one}
		return nil
	}
	return json.Unmarshal(data, (*[]string)(c))
}

// Trade is one execution on an exchange. Price is USD, Size shares.
type Trade struct {
	Timestamp  time.Time      `json:"t"`
	ID         uint64         `json:"i"`
	Exchange   string         `json:"x,omitempty"`
	Price      decimal.Number `json:"p"`
	Size       decimal.Number `json:"s"`
	Conditions Conditions     `json:"c,omitempty"`
	Tape       string         `json:"z,omitempty"`
	// TakerSide is "B" or "S", of crypto trades only.
	TakerSide string `json:"tks,omitempty"`
	// Update is "canceled", "incorrect" or "corrected" for a trade that was changed afterwards.
	Update string `json:"u,omitempty"`
}

// Bar is the open, high, low, close and volume of the interval that starts at Timestamp.
type Bar struct {
	Timestamp  time.Time      `json:"t"`
	Open       decimal.Number `json:"o"`
	High       decimal.Number `json:"h"`
	Low        decimal.Number `json:"l"`
	Close      decimal.Number `json:"c"`
	Volume     decimal.Number `json:"v"`
	TradeCount uint64         `json:"n"`
	VWAP       decimal.Number `json:"vw"`
}

// Snapshot is the latest state of one symbol; what Alpaca does not have is nil.
type Snapshot struct {
	LatestTrade  *Trade `json:"latestTrade"`
	LatestQuote  *Quote `json:"latestQuote"`
	MinuteBar    *Bar   `json:"minuteBar"`
	DailyBar     *Bar   `json:"dailyBar"`
	PrevDailyBar *Bar   `json:"prevDailyBar"`
	// Greeks and ImpliedVolatility are of options only, and missing where they can't be computed.
	Greeks            *Greeks         `json:"greeks,omitempty"`
	ImpliedVolatility *decimal.Number `json:"impliedVolatility,omitempty"`
}

// Greeks are an option's sensitivities, for one share of the underlying.
type Greeks struct {
	Delta decimal.Number `json:"delta"`
	Gamma decimal.Number `json:"gamma"`
	Rho   decimal.Number `json:"rho"`
	Theta decimal.Number `json:"theta"`
	Vega  decimal.Number `json:"vega"`
}

// OrderBook is the depth of a crypto pair, the best price first on both sides.
type OrderBook struct {
	Timestamp time.Time `json:"t"`
	Bids      []Level   `json:"b"`
	Asks      []Level   `json:"a"`
}

// Level is one price of an order book, in units of the quote and the base currency.
type Level struct {
	Price decimal.Number `json:"p"`
	Size  decimal.Number `json:"s"`
}
