package exchange

import (
	"encoding/json"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Configuration is an account's own settings, as GET /v2/account/configurations answers them.
type Configuration struct {
	DisableOvernightTrading bool   `json:"disable_overnight_trading"`
	FractionalTrading       bool   `json:"fractional_trading"`
	MaxMarginMultiplier     string `json:"max_margin_multiplier"`
	MaxOptionsTradingLevel  *int   `json:"max_options_trading_level"`
	NoShorting              bool   `json:"no_shorting"`
	NoExceptionEntryPTP     bool   `json:"ptp_no_exception_entry"`
	SuspendTrade            bool   `json:"suspend_trade"`
	TradeConfirmEmail       string `json:"trade_confirm_email"`
	// Of the former pattern-day-trader rule: when the account is checked, at entry, exit or both. Empty without the rule.
	PatternCheck         string `json:"pdt_check,omitempty"`
	DayTradingPowerCheck string `json:"dtbp_check,omitempty"`
}

func (x *Exchange) defaultConfiguration() Configuration {
	configuration := Configuration{FractionalTrading: true, MaxMarginMultiplier: "4", TradeConfirmEmail: "all"}
	if x.settings.Disputed.PatternDayTraderFields {
		configuration.PatternCheck, configuration.DayTradingPowerCheck = atExit, atEntry
	}
	return configuration
}

// Configuration returns the present settings.
func (a *Account) Configuration() Configuration {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.configuration
}

// Configure changes the settings that a PATCH body names and returns them all. A *wire.Error for a value that does
// not exist; nothing changes then.
func (a *Account) Configure(body []byte) (Configuration, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	changed := a.configuration
	if err := json.Unmarshal(body, &changed); err != nil {
		return Configuration{}, wire.BadBody()
	}
	if changed.MaxMarginMultiplier == "" { // Alpaca's Go SDK sends "" for what its caller left out
		changed.MaxMarginMultiplier = a.configuration.MaxMarginMultiplier
	}
	if changed.TradeConfirmEmail == "" {
		changed.TradeConfirmEmail = a.configuration.TradeConfirmEmail
	}
	if a.configuration.PatternCheck == "" { // the fields do not exist
		changed.PatternCheck, changed.DayTradingPowerCheck = "", ""
	}
	if err := changed.check(); err != nil {
		return Configuration{}, err
	}
	a.configuration = changed
	return changed, nil
}

func (c Configuration) check() error {
	switch c.MaxMarginMultiplier {
	case "1", "2", "4":
	default:
		return invalidConfiguration("max_margin_multiplier must be 1, 2 or 4")
	}
	switch c.TradeConfirmEmail {
	case "all", "none":
	default:
		return invalidConfiguration("trade_confirm_email must be all or none")
	}
	if !isCheck(c.PatternCheck) {
		return invalidConfiguration("pdt_check value is invalid")
	}
	if !isCheck(c.DayTradingPowerCheck) {
		return invalidConfiguration("dtbp_check value is invalid")
	}
	if level := c.MaxOptionsTradingLevel; level != nil && (*level < 0 || *level > 3) {
		return invalidConfiguration("max_options_trading_level must be from 0 to 3")
	}
	return nil
}

func isCheck(when string) bool {
	return when == "" || when == atEntry || when == atExit || when == atBoth
}

func invalidConfiguration(message string) error {
	return &wire.Error{Status: http.StatusUnprocessableEntity, Code: wire.CodeShape, Message: message}
}
