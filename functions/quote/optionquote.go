package quote

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// Contract is what an OCC option symbol says.
type Contract struct {
	Symbol string `json:"symbol" example:"AAPL270115C00200000"`
	// OptionSymbol is the same under the name that clients of the former service know.
	OptionSymbol     string         `json:"option_symbol"`
	UnderlyingSymbol string         `json:"underlying_symbol" doc:"The option root, which is the underlying but for adjusted contracts." example:"AAPL"`
	ExpirationDate   string         `json:"expiration_date" format:"date" example:"2027-01-15"`
	OptionType       string         `json:"option_type" enum:"call,put"`
	StrikePrice      decimal.Number `json:"strike_price"`
}

// OptionData is the prices of an option with its greeks, which are null where they can't be computed.
type OptionData struct {
	Contract
	Prices
	ImpliedVolatility *decimal.Number `json:"implied_volatility"`
	Delta             *decimal.Number `json:"delta"`
	Gamma             *decimal.Number `json:"gamma"`
	Theta             *decimal.Number `json:"theta"`
	Vega              *decimal.Number `json:"vega"`
	Rho               *decimal.Number `json:"rho"`
}

// OptionQuote is the data of an option's quote. Prices are USD for one share of the underlying, sizes and volume
// contracts.
type OptionQuote struct {
	OptionData
	Origin
}

func optionQuote(l *latest) any {
	return OptionQuote{OptionData: optionData(l.symbol, l.snapshot), Origin: Origin{AsOf: l.asOf, Feed: l.class.feed}}
}

func optionData(symbol string, snapshot *alpaca.Snapshot) OptionData {
	data := OptionData{
		Contract: Contract{Symbol: symbol, OptionSymbol: symbol}, Prices: pricesOf(snapshot), ImpliedVolatility: snapshot.ImpliedVolatility,
	}
	if option, err := market.ParseOption(symbol); err == nil {
		data.UnderlyingSymbol, data.StrikePrice.Decimal, data.OptionType = option.Root, option.Strike, "put"
		data.ExpirationDate = option.Expiration.Format(time.DateOnly)
		if option.Call {
			data.OptionType = "call"
		}
	}
	if greeks := snapshot.Greeks; greeks != nil {
		data.Delta, data.Gamma, data.Theta, data.Vega, data.Rho = &greeks.Delta, &greeks.Gamma, &greeks.Theta, &greeks.Vega, &greeks.Rho
	}
	return data
}
