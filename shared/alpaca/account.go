package alpaca

import (
	"encoding/json"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Account is Alpaca's Account object, fields in the order in which a paper account sends them; money in Currency.
type Account struct {
	ID                       string           `json:"id"`
	AdminConfigurations      json.RawMessage  `json:"admin_configurations,omitempty"`
	UserConfigurations       json.RawMessage  `json:"user_configurations,omitempty"`
	AccountNumber            string           `json:"account_number"`
	Status                   string           `json:"status"`
	CryptoStatus             string           `json:"crypto_status"`
	OptionsApprovedLevel     int              `json:"options_approved_level"`
	OptionsTradingLevel      int              `json:"options_trading_level"`
	Currency                 string           `json:"currency"`
	BuyingPower              decimal.Decimal  `json:"buying_power"`
	RegTBuyingPower          decimal.Decimal  `json:"regt_buying_power"`
	EffectiveBuyingPower     decimal.Decimal  `json:"effective_buying_power"`
	NonMarginableBuyingPower decimal.Decimal  `json:"non_marginable_buying_power"` //nolint:misspell // Alpaca's word
	OptionsBuyingPower       decimal.Decimal  `json:"options_buying_power"`
	Cash                     decimal.Decimal  `json:"cash"`
	AccruedFees              decimal.Decimal  `json:"accrued_fees"`
	PortfolioValue           decimal.Decimal  `json:"portfolio_value"`
	TradingBlocked           bool             `json:"trading_blocked"`
	TransfersBlocked         bool             `json:"transfers_blocked"`
	AccountBlocked           bool             `json:"account_blocked"`
	CreatedAt                time.Time        `json:"created_at"`
	TradeSuspendedByUser     bool             `json:"trade_suspended_by_user"`
	Multiplier               decimal.Decimal  `json:"multiplier"`
	ShortingEnabled          bool             `json:"shorting_enabled"`
	Equity                   decimal.Decimal  `json:"equity"`
	LastEquity               decimal.Decimal  `json:"last_equity"`
	LongMarketValue          decimal.Decimal  `json:"long_market_value"`
	ShortMarketValue         decimal.Decimal  `json:"short_market_value"`
	PositionMarketValue      decimal.Decimal  `json:"position_market_value"`
	InitialMargin            decimal.Decimal  `json:"initial_margin"`
	MaintenanceMargin        decimal.Decimal  `json:"maintenance_margin"`
	LastMaintenanceMargin    decimal.Decimal  `json:"last_maintenance_margin"`
	SMA                      decimal.Decimal  `json:"sma"`
	BalanceAsOf              string           `json:"balance_asof"`
	CryptoTier               int              `json:"crypto_tier"`
	IntradayAdjustments      decimal.Decimal  `json:"intraday_adjustments"`
	PendingRegTAFFees        decimal.Decimal  `json:"pending_reg_taf_fees"`
	PendingTransferIn        *decimal.Decimal `json:"pending_transfer_in,omitempty"`
	PendingTransferOut       *decimal.Decimal `json:"pending_transfer_out,omitempty"`
	// The pattern-day-trader fields left Alpaca's answers in July 2026; nil when absent.
	PatternDayTrader      *bool            `json:"pattern_day_trader,omitempty"`
	DaytradeCount         *int             `json:"daytrade_count,omitempty"`
	DaytradingBuyingPower *decimal.Decimal `json:"daytrading_buying_power,omitempty"`
}

// OptionContract is what is used of Alpaca's option contract.
type OptionContract struct {
	ID       string `json:"id"`
	Symbol   string `json:"symbol"`
	Status   string `json:"status"`
	Tradable bool   `json:"tradable"`
}

// Asset is Alpaca's Asset object. The last three fields are sent for crypto only.
type Asset struct {
	ID                           string           `json:"id"`
	Class                        string           `json:"class"`
	Exchange                     string           `json:"exchange"`
	Symbol                       string           `json:"symbol"`
	Name                         string           `json:"name"`
	Status                       string           `json:"status"`
	Tradable                     bool             `json:"tradable"`
	Marginable                   bool             `json:"marginable"` //nolint:misspell // Alpaca's word
	MaintenanceMarginRequirement *decimal.Number  `json:"maintenance_margin_requirement,omitempty"`
	MarginRequirementLong        *decimal.Decimal `json:"margin_requirement_long,omitempty"`
	MarginRequirementShort       *decimal.Decimal `json:"margin_requirement_short,omitempty"`
	Shortable                    bool             `json:"shortable"`
	EasyToBorrow                 bool             `json:"easy_to_borrow"`
	BorrowStatus                 string           `json:"borrow_status,omitempty"`
	Fractionable                 bool             `json:"fractionable"`
	Attributes                   []string         `json:"attributes"`
	CUSIP                        *string          `json:"cusip,omitempty"`
	MinOrderSize                 *decimal.Decimal `json:"min_order_size,omitempty"`
	MinTradeIncrement            *decimal.Decimal `json:"min_trade_increment,omitempty"`
	PriceIncrement               *decimal.Decimal `json:"price_increment,omitempty"`
}

// Clock is Alpaca's market clock.
type Clock struct {
	Timestamp time.Time `json:"timestamp"`
	IsOpen    bool      `json:"is_open"`
	NextOpen  time.Time `json:"next_open"`
	NextClose time.Time `json:"next_close"`
}

// CalendarDay is one trading day, in New York time: Date and SettlementDate as YYYY-MM-DD, Open and Close as HH:MM,
// SessionOpen and SessionClose (extended hours) as HHMM.
type CalendarDay struct {
	Date           string `json:"date"`
	Open           string `json:"open"`
	Close          string `json:"close"`
	SessionOpen    string `json:"session_open"`
	SessionClose   string `json:"session_close"`
	SettlementDate string `json:"settlement_date"`
}
