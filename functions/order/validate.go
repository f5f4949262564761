package order

import (
	"slices"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
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

// validateStock refuses, before anything is sent, what Alpaca would refuse, and names the field. It returns the
// request as Alpaca wants it. Rules: Alpaca's "Orders at Alpaca" and "Fractional trading" pages.
func validateStock(r order.OrderRequest) (alpaca.OrderRequest, error) {
	symbol, err := market.ParseStock(r.Symbol)
	if err != nil {
		return alpaca.OrderRequest{}, invalid("symbol", "symbol: %v", err)
	}
	r.Symbol = symbol
	if r.TimeInForce == "" {
		r.TimeInForce = alpaca.TimeInForceDay
	}
	for _, check := range []func(*order.OrderRequest) error{
		checkEnums, checkAmount, checkPrices, checkTrail, checkFractional, checkExtendedHours, checkClass, checkClientOrderID,
	} {
		if err := check(&r); err != nil {
			return alpaca.OrderRequest{}, err
		}
	}
	return toAlpaca(r), nil
}

func invalid(field, format string, args ...any) error {
	return problem.InvalidRequest.New(format, args...).Field(field)
}

func checkEnums(r *order.OrderRequest) error {
	fields := []struct {
		name, value string
		allowed     []string
		optional    bool
	}{
		{"side", r.Side, []string{alpaca.SideBuy, alpaca.SideSell}, false},
		{"type", r.Type, []string{alpaca.TypeMarket, alpaca.TypeLimit, alpaca.TypeStop, alpaca.TypeStopLimit, alpaca.TypeTrailingStop}, false},
		{"time_in_force", r.TimeInForce, []string{
			alpaca.TimeInForceDay, alpaca.TimeInForceGTC, alpaca.TimeInForceOPG, alpaca.TimeInForceCLS, alpaca.TimeInForceIOC, alpaca.TimeInForceFOK,
		}, false},
		{"order_class", r.OrderClass, []string{alpaca.ClassSimple, alpaca.ClassBracket, alpaca.ClassOCO, alpaca.ClassOTO}, true},
		{"position_intent", r.PositionIntent, []string{"buy_to_open", "buy_to_close", "sell_to_open", "sell_to_close"}, true},
	}
	for _, f := range fields {
		if f.value == "" && f.optional {
			continue
		}
		if f.value == "" {
			return invalid(f.name, "%s is required: one of %v", f.name, f.allowed)
		}
		if !slices.Contains(f.allowed, f.value) {
			return problem.InvalidRequest.New("%s must be one of %v", f.name, f.allowed).Field(f.name).With("allowed", f.allowed)
		}
	}
	return checkTimeInForce(r)
}

// checkTimeInForce keeps stop orders to day and gtc: the only times in force they have.
func checkTimeInForce(r *order.OrderRequest) error {
	rests := r.TimeInForce == alpaca.TimeInForceDay || r.TimeInForce == alpaca.TimeInForceGTC
	plain := r.Type == alpaca.TypeMarket || r.Type == alpaca.TypeLimit
	if !rests && !plain {
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
	if !amount.IsPos() {
		return invalid(name, "%s must be greater than 0", name)
	}
	if decimal.Digits(amount.Decimal) > maxQuantityDigits {
		return problem.InvalidRequest.New("%s must have at most %d digits after the point", name, maxQuantityDigits).
			Field(name).With("limit", maxQuantityDigits)
	}
	if r.Notional != nil && r.Notional.LessThan(decimal.FromInt(1)) {
		return problem.InvalidRequest.New("notional must be at least 1.00 USD").Field("notional").With("limit", 1)
	}
	return nil
}

// checkPrices wants exactly the prices that the order type has.
func checkPrices(r *order.OrderRequest) error {
	wantsLimit := r.Type == alpaca.TypeLimit || r.Type == alpaca.TypeStopLimit
	wantsStop := r.Type == alpaca.TypeStop || r.Type == alpaca.TypeStopLimit
	// The limit of an OCO order is its take_profit.limit_price; Alpaca's own example gives no other.
	inLeg := r.OrderClass == alpaca.ClassOCO && r.LimitPrice == nil
	if err := checkPrice("limit_price", r.LimitPrice, wantsLimit && !inLeg, r.Type); err != nil {
		return err
	}
	return checkPrice("stop_price", r.StopPrice, wantsStop, r.Type)
}

func checkPrice(name string, price *decimal.Number, wanted bool, orderType string) error {
	if price == nil && wanted {
		return invalid(name, "%s is required for a %s order", name, orderType)
	}
	if price == nil {
		return nil
	}
	if !wanted {
		return invalid(name, "%s does not belong to a %s order", name, orderType)
	}
	return checkTick(name, price)
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

func checkClientOrderID(r *order.OrderRequest) error {
	if len(r.ClientOrderID) > maxClientOrderID {
		return problem.InvalidRequest.New("client_order_id must have at most %d characters", maxClientOrderID).
			Field("client_order_id").With("limit", maxClientOrderID)
	}
	if !printable(r.ClientOrderID) {
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

func toAlpaca(r order.OrderRequest) alpaca.OrderRequest {
	number := func(n *decimal.Number) *decimal.Decimal {
		if n == nil {
			return nil
		}
		return &n.Decimal
	}
	request := alpaca.OrderRequest{
		Symbol: r.Symbol, Qty: number(r.Qty), Notional: number(r.Notional), Side: r.Side, Type: r.Type, TimeInForce: r.TimeInForce,
		LimitPrice: number(r.LimitPrice), StopPrice: number(r.StopPrice), TrailPrice: number(r.TrailPrice),
		TrailPercent: number(r.TrailPercent), ExtendedHours: r.ExtendedHours, ClientOrderID: r.ClientOrderID,
		OrderClass: r.OrderClass, PositionIntent: r.PositionIntent,
	}
	if r.TakeProfit != nil {
		request.TakeProfit = &alpaca.TakeProfit{LimitPrice: number(r.TakeProfit.LimitPrice)}
	}
	if r.StopLoss != nil {
		request.StopLoss = &alpaca.StopLoss{StopPrice: number(r.StopLoss.StopPrice), LimitPrice: number(r.StopLoss.LimitPrice)}
	}
	return request
}
