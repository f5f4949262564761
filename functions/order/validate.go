package order

import (
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Alpaca's limits of a stock order.
const (
	maxClientOrderID   = 128
	maxQuantityDigits  = 9
	maxPriceDigits     = 2 // at or above 1 USD
	maxLowPriceDigits  = 4 // below 1 USD
	minTrailPercentTxt = "0.1"
)

// validate refuses, before anything is sent, what Alpaca would refuse, and names the field. It returns the request as
// Alpaca wants it. now decides which option contracts have expired. Rules: Alpaca's "Orders at Alpaca", "Fractional
// trading", "Options trading", "Options level 3 trading" and "Crypto orders" pages. What those pages contradict each
// other in, and what depends on the account or the moment, is left to Alpaca.
func validate(assetClass string, r order.OrderRequest, now time.Time) (alpaca.OrderRequest, error) {
	switch {
	case assetClass == event.AssetClassUSEquity:
		return validateStock(r)
	case assetClass == event.AssetClassUSOption && r.OrderClass == alpaca.ClassMultileg:
		return validateMultileg(r, now)
	case assetClass == event.AssetClassUSOption:
		return validateOption(r, now)
	case assetClass == event.AssetClassCrypto:
		return validateCrypto(r)
	}
	return alpaca.OrderRequest{}, oneOf("asset_class", assetClass, []string{event.AssetClassUSEquity, event.AssetClassUSOption, event.AssetClassCrypto})
}

func validateStock(r order.OrderRequest) (alpaca.OrderRequest, error) {
	symbol, err := market.ParseStock(r.Symbol)
	if err != nil {
		return alpaca.OrderRequest{}, invalid("symbol", "symbol: %v", err)
	}
	r.Symbol = symbol
	if r.TimeInForce == "" {
		r.TimeInForce = alpaca.TimeInForceDay
	}
	return checked(r, checkStock)
}

// checkStock applies the rules of stock orders.
func checkStock(r *order.OrderRequest) error {
	return firstOf(r, stockNames().check, checkTimeInForce, checkIntent, checkNoLegs, checkAmount, checkPrices(checkTick), checkTrail,
		checkFractional, checkExtendedHours, checkClass)
}

// checked returns the request for Alpaca when check and the rules of every class have nothing against it.
func checked(r order.OrderRequest, check func(*order.OrderRequest) error) (alpaca.OrderRequest, error) {
	if err := check(&r); err != nil {
		return alpaca.OrderRequest{}, err
	}
	if err := checkClientOrderID(r.ClientOrderID); err != nil {
		return alpaca.OrderRequest{}, err
	}
	return toAlpaca(&r), nil
}

// firstOf returns the first refusal.
func firstOf(r *order.OrderRequest, checks ...func(*order.OrderRequest) error) error {
	for _, check := range checks {
		if err := check(r); err != nil {
			return err
		}
	}
	return nil
}

func invalid(field, format string, args ...any) error {
	return problem.InvalidRequest.New(format, args...).Field(field)
}

// oneOf refuses a value that is not one of the allowed ones.
func oneOf(field, value string, allowed []string) error {
	switch {
	case slices.Contains(allowed, value):
		return nil
	case value == "":
		return problem.InvalidRequest.New("%s is required: one of %v", field, allowed).Field(field).With("allowed", allowed)
	}
	return problem.InvalidRequest.New("%s must be one of %v", field, allowed).Field(field).With("allowed", allowed)
}

// names are the words that an asset class knows.
type names struct{ types, timesInForce, classes, intents []string }

func stockNames() names {
	return names{
		types:        []string{alpaca.TypeMarket, alpaca.TypeLimit, alpaca.TypeStop, alpaca.TypeStopLimit, alpaca.TypeTrailingStop},
		timesInForce: timesInForce(),
		classes:      []string{alpaca.ClassSimple, alpaca.ClassBracket, alpaca.ClassOCO, alpaca.ClassOTO},
		intents:      intents(),
	}
}

func timesInForce() []string {
	return []string{
		alpaca.TimeInForceDay, alpaca.TimeInForceGTC, alpaca.TimeInForceOPG, alpaca.TimeInForceCLS, alpaca.TimeInForceIOC, alpaca.TimeInForceFOK,
	}
}

func intents() []string {
	return []string{alpaca.IntentBuyToOpen, alpaca.IntentBuyToClose, alpaca.IntentSellToOpen, alpaca.IntentSellToClose}
}

func (n names) check(r *order.OrderRequest) error {
	if err := oneOf("side", r.Side, []string{alpaca.SideBuy, alpaca.SideSell}); err != nil {
		return err
	}
	return n.checkTerms(r)
}

// checkTerms is check without the side, which a multi-leg order does not have.
func (n names) checkTerms(r *order.OrderRequest) error {
	if err := oneOf("type", r.Type, n.types); err != nil {
		return err
	}
	if err := oneOf("time_in_force", r.TimeInForce, n.timesInForce); err != nil {
		return err
	}
	if r.OrderClass != "" {
		if err := oneOf("order_class", r.OrderClass, n.classes); err != nil {
			return err
		}
	}
	if r.PositionIntent != "" {
		return oneOf("position_intent", r.PositionIntent, n.intents)
	}
	return nil
}

// checkIntent: buying can't be selling to open.
func checkIntent(r *order.OrderRequest) error {
	if r.PositionIntent != "" && !strings.HasPrefix(r.PositionIntent, r.Side) {
		return invalid("position_intent", "position_intent %s contradicts the side %s", r.PositionIntent, r.Side)
	}
	return nil
}

func checkNoLegs(r *order.OrderRequest) error {
	if len(r.Legs) > 0 {
		return invalid("legs", "legs belong to an option order of class mleg")
	}
	return nil
}

// checkTimeInForce keeps stop orders to day and gtc: the only times in force they have.
func checkTimeInForce(r *order.OrderRequest) error {
	rests := r.TimeInForce == alpaca.TimeInForceDay || r.TimeInForce == alpaca.TimeInForceGTC
	simple := r.Type == alpaca.TypeMarket || r.Type == alpaca.TypeLimit
	if !rests && !simple {
		return invalid("time_in_force", "time_in_force %s is for market and limit orders only, not %s", r.TimeInForce, r.Type)
	}
	return nil
}

func checkAmount(r *order.OrderRequest) error {
	switch {
	case r.Qty == nil && r.Notional == nil:
		return invalid("qty", "qty or notional is required")
	case r.Qty != nil && r.Notional != nil:
		return invalid("notional", "only one of qty and notional may be given")
	}
	name, amount := "qty", r.Qty
	if r.Notional != nil {
		name, amount = "notional", r.Notional
	}
	if err := checkQuantity(name, amount); err != nil {
		return err
	}
	if r.Notional != nil && r.Notional.LessThan(decimal.FromInt(1)) {
		return problem.InvalidRequest.New("notional must be at least 1.00 USD").Field("notional").With("limit", 1)
	}
	return nil
}

func checkQuantity(name string, amount *decimal.Number) error {
	if !amount.IsPos() {
		return invalid(name, "%s must be greater than 0", name)
	}
	if decimal.Digits(amount.Decimal) > maxQuantityDigits {
		return problem.InvalidRequest.New("%s must have at most %d digits after the point", name, maxQuantityDigits).
			Field(name).With("limit", maxQuantityDigits)
	}
	return nil
}

// tick refuses a price that the market does not have.
type tick func(name string, price *decimal.Number) error

// checkPrices wants exactly the prices that the order type has.
func checkPrices(t tick) func(*order.OrderRequest) error {
	return func(r *order.OrderRequest) error { return checkPricesOf(r, t) }
}

func checkPricesOf(r *order.OrderRequest, t tick) error {
	wantsLimit := r.Type == alpaca.TypeLimit || r.Type == alpaca.TypeStopLimit
	wantsStop := r.Type == alpaca.TypeStop || r.Type == alpaca.TypeStopLimit
	// The limit of an OCO order is its take_profit.limit_price; Alpaca's own example gives no other.
	inLeg := r.OrderClass == alpaca.ClassOCO && r.LimitPrice == nil
	if err := checkPrice("limit_price", r.LimitPrice, wantsLimit && !inLeg, r.Type, t); err != nil {
		return err
	}
	return checkPrice("stop_price", r.StopPrice, wantsStop, r.Type, t)
}

func checkPrice(name string, price *decimal.Number, wanted bool, orderType string, t tick) error {
	if price == nil && wanted {
		return invalid(name, "%s is required for a %s order", name, orderType)
	}
	if price == nil {
		return nil
	}
	if !wanted {
		return invalid(name, "%s does not belong to a %s order", name, orderType)
	}
	return t(name, price)
}

// checkTick refuses sub-penny prices (SEC Rule 612): cents from 1 USD up, hundredths of a cent below.
func checkTick(name string, price *decimal.Number) error {
	if !price.IsPos() {
		return invalid(name, "%s must be greater than 0", name)
	}
	allowed := maxPriceDigits
	if price.LessThan(decimal.FromInt(1)) {
		allowed = maxLowPriceDigits
	}
	if decimal.Digits(price.Decimal) > allowed {
		return problem.InvalidRequest.New("%s %s: at most %d digits after the point at this price", name, price, allowed).
			Field(name).With("limit", allowed)
	}
	return nil
}

func checkTrail(r *order.OrderRequest) error {
	for _, trail := range []struct {
		name  string
		value *decimal.Number
	}{{"trail_price", r.TrailPrice}, {"trail_percent", r.TrailPercent}} {
		if trail.value == nil {
			continue
		}
		if r.Type != alpaca.TypeTrailingStop {
			return invalid(trail.name, "%s does not belong to a %s order", trail.name, r.Type)
		}
		if !trail.value.IsPos() {
			return invalid(trail.name, "%s must be greater than 0", trail.name)
		}
	}
	if r.Type != alpaca.TypeTrailingStop {
		return nil
	}
	if (r.TrailPrice == nil) == (r.TrailPercent == nil) {
		return invalid("trail_price", "a trailing_stop order needs exactly one of trail_price and trail_percent")
	}
	if r.TrailPercent != nil && r.TrailPercent.LessThan(decimal.MustParse(minTrailPercentTxt)) {
		return invalid("trail_percent", "trail_percent must be at least %s", minTrailPercentTxt)
	}
	return nil
}

// checkFractional: fractions of a share trade as simple day orders only.
func checkFractional(r *order.OrderRequest) error {
	if r.Notional == nil && decimal.Digits(r.Qty.Decimal) == 0 {
		return nil
	}
	field := "qty"
	if r.Notional != nil {
		field = "notional"
	}
	switch {
	case r.TimeInForce != alpaca.TimeInForceDay:
		return invalid("time_in_force", "time_in_force must be day for a fractional or notional order")
	case r.OrderClass != "" && r.OrderClass != alpaca.ClassSimple:
		return invalid("order_class", "order_class must be simple for a fractional or notional order")
	case r.Type == alpaca.TypeTrailingStop:
		return invalid(field, "%s: a trailing_stop order must be for whole shares", field)
	}
	return nil
}

func checkExtendedHours(r *order.OrderRequest) error {
	if !r.ExtendedHours {
		return nil
	}
	rests := r.TimeInForce == alpaca.TimeInForceDay || r.TimeInForce == alpaca.TimeInForceGTC
	if r.Type != alpaca.TypeLimit || !rests {
		return invalid("extended_hours", "extended_hours is for limit orders with time_in_force day or gtc only")
	}
	return nil
}

func checkClientOrderID(id string) error {
	if len(id) > maxClientOrderID {
		return problem.InvalidRequest.New("client_order_id must have at most %d characters", maxClientOrderID).
			Field("client_order_id").With("limit", maxClientOrderID)
	}
	if !printable(id) {
		return invalid("client_order_id", "client_order_id must be of visible ASCII characters and spaces")
	}
	return nil
}

// printable reports whether text is of ASCII from space to tilde.
func printable(text string) bool {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}
