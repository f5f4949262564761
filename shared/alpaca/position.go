package alpaca

import "github.com/opitios-ai/alpaca-knative/shared/decimal"

// Position is Alpaca's Position object. Qty, MarketValue and CostBasis of a short position are negative; the fields
// that end in PLPC and ChangeToday are fractions (0.02 is 2 %).
type Position struct {
	AssetID                string           `json:"asset_id"`
	Symbol                 string           `json:"symbol"`
	Exchange               string           `json:"exchange"`
	AssetClass             string           `json:"asset_class"`
	AssetMarginable        bool             `json:"asset_marginable"` //nolint:misspell // Alpaca's word
	Qty                    decimal.Decimal  `json:"qty"`
	AvgEntryPrice          decimal.Decimal  `json:"avg_entry_price"`
	Side                   string           `json:"side"`
	MarketValue            *decimal.Decimal `json:"market_value"`
	CostBasis              decimal.Decimal  `json:"cost_basis"`
	UnrealizedPL           *decimal.Decimal `json:"unrealized_pl"`
	UnrealizedPLPC         *decimal.Decimal `json:"unrealized_plpc"`
	UnrealizedIntradayPL   *decimal.Decimal `json:"unrealized_intraday_pl"`
	UnrealizedIntradayPLPC *decimal.Decimal `json:"unrealized_intraday_plpc"`
	CurrentPrice           *decimal.Decimal `json:"current_price"`
	LastdayPrice           *decimal.Decimal `json:"lastday_price"`
	ChangeToday            *decimal.Decimal `json:"change_today"`
	// QtyAvailable is Qty less what open orders hold.
	QtyAvailable decimal.Decimal `json:"qty_available"`
}
