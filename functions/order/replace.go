package order

import (
	"context"
	"errors"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// replacement is what makes a placement the replacement of an open order.
type replacement struct {
	OrderID string                `json:"order_id"`
	Change  alpaca.ReplaceRequest `json:"change"`
	// former is the client order ID of the order that is replaced, known after prepare.
	former string
}

// replacesID is the ID of the order that p replaces, or empty.
func (p *placement) replacesID() string {
	if p.replaces == nil {
		return ""
	}
	return p.replaces.OrderID
}

func (f *Function) replaceOrder(ctx context.Context, r *serve.Request[order.ReplaceRequest]) (order.Order, error) {
	id := r.PathValue("order_id")
	if !isOrderID(id) {
		return order.Order{}, orderNotFound(id)
	}
	if err := checkChange(&r.Body); err != nil {
		return order.Order{}, err
	}
	p, err := f.newRequest(ctx, r.Claims.AccountID, r.Request, r.Answer, "replace "+id, r.Body)
	if err != nil {
		return order.Order{}, err
	}
	p.request.ClientOrderID = clientOrderID(p.account.ID, r.Body.ClientOrderID, p.idempotencyKey)
	p.given = r.Body.ClientOrderID != ""
	p.replaces = &replacement{OrderID: id, Change: changeToAlpaca(&r.Body, p.request.ClientOrderID)}
	return f.placeLimited(ctx, r.Answer, p)
}

// newRequest is a placement for a request that is no new order: kind and asked identify what it asks for.
func (f *Function) newRequest(ctx context.Context, accountID string, r *http.Request, answer http.Header, kind string, asked any) (*placement, error) {
	key, err := idempotencyKey(r.Header)
	if err != nil {
		return nil, err
	}
	account, err := f.account(ctx, accountID)
	if err != nil {
		return nil, err
	}
	identity, err := fingerprint(kind, asked)
	if err != nil {
		return nil, err
	}
	return &placement{
		account: account, idempotencyKey: key, fingerprint: identity, arrived: f.Clock.Now(), causation: answer.Get(serve.RequestIDHeader),
	}, nil
}

func changeToAlpaca(r *order.ReplaceRequest, clientOrderID string) alpaca.ReplaceRequest {
	return alpaca.ReplaceRequest{
		Qty: plain(r.Qty), TimeInForce: r.TimeInForce, LimitPrice: plain(r.LimitPrice), StopPrice: plain(r.StopPrice),
		Trail: plain(r.Trail), ClientOrderID: clientOrderID,
	}
}

// checkChange refuses what is wrong with any order.
func checkChange(r *order.ReplaceRequest) error {
	if !r.Changes() {
		return invalid("body", "body: one of qty, time_in_force, limit_price, stop_price and trail is required")
	}
	if r.Qty != nil {
		if err := checkQuantity("qty", r.Qty); err != nil {
			return err
		}
	}
	for _, price := range []struct {
		name  string
		value *decimal.Number
	}{{"stop_price", r.StopPrice}, {"trail", r.Trail}} {
		if price.value != nil && !price.value.IsPos() {
			return invalid(price.name, "%s must be greater than 0", price.name)
		}
	}
	if r.TimeInForce != "" {
		if err := oneOf("time_in_force", r.TimeInForce, timesInForce()); err != nil {
			return err
		}
	}
	return checkClientOrderID(r.ClientOrderID)
}

// prepareReplacement reads the order that is to be replaced, refuses what Alpaca would refuse, and makes p the order that
// the change leads to, which the checks of new orders apply to.
func (f *Function) prepareReplacement(ctx context.Context, p *placement) error {
	started := f.Clock.Now()
	old, err := f.Alpaca.OrderByID(alpaca.WithPriority(ctx, alpaca.PriorityOrder), p.account.Credentials, p.replaces.OrderID, true)
	f.upstreamSince(p, started)
	if errors.Is(err, alpaca.ErrNotFound) {
		return orderNotFound(p.replaces.OrderID)
	}
	if err != nil {
		return err
	}
	p.assetClass, p.replaces.former = old.AssetClass, old.ClientOrderID
	p.request = merge(old, &p.replaces.Change)
	if err := checkReplaceable(old, &p.replaces.Change); err != nil {
		return err
	}
	return checkMerged(p.assetClass, p.request, &p.replaces.Change)
}

// merge is the order that the change makes of old.
func merge(old *alpaca.Order, change *alpaca.ReplaceRequest) alpaca.OrderRequest {
	merged := alpaca.OrderRequest{
		Symbol: old.Symbol, Qty: old.Qty, Notional: old.Notional, Side: old.Side, Type: old.Type, TimeInForce: old.TimeInForce,
		LimitPrice: old.LimitPrice, StopPrice: old.StopPrice, TrailPrice: old.TrailPrice, TrailPercent: old.TrailPercent,
		ExtendedHours: old.ExtendedHours, OrderClass: old.OrderClass, PositionIntent: old.PositionIntent,
		ClientOrderID: change.ClientOrderID,
	}
	if old.OrderClass == alpaca.ClassMultileg {
		merged.Legs = legsOf(old)
	}
	if old.Type == alpaca.TypeTrailingStop {
		merged.StopPrice = nil // Alpaca reports where the stop is by now
	}
	for _, field := range []struct {
		to   **decimal.Decimal
		from *decimal.Decimal
	}{{&merged.Qty, change.Qty}, {&merged.LimitPrice, change.LimitPrice}, {&merged.StopPrice, change.StopPrice}} {
		if field.from != nil {
			*field.to = field.from
		}
	}
	switch {
	case change.Trail != nil && old.TrailPercent != nil:
		merged.TrailPercent = change.Trail
	case change.Trail != nil:
		merged.TrailPrice = change.Trail
	}
	if change.TimeInForce != "" {
		merged.TimeInForce = change.TimeInForce
	}
	return merged
}

// checkReplaceable applies the rules of Alpaca's "Replacing orders" that no new order has. Which of the states before an
// order's end allow a replacement is left to Alpaca: they pass while we ask.
func checkReplaceable(old *alpaca.Order, change *alpaca.ReplaceRequest) error {
	refused := func(format string, args ...any) *problem.Error {
		return problem.OrderRejected.New(format, args...).With("order_id", old.ID)
	}
	switch {
	case alpaca.Terminal(old.Status):
		return refused("cannot replace an order that is %s", old.Status).With("status", old.Status)
	case old.Notional != nil:
		return refused("an order by notional can't be replaced")
	case old.OrderClass == alpaca.ClassOTO:
		return refused("an oto order can't be replaced")
	case change.Trail != nil && old.Type != alpaca.TypeTrailingStop:
		return invalid("trail", "trail does not belong to a %s order", old.Type)
	case change.Qty == nil || old.Qty == nil || change.Qty.Equal(*old.Qty):
		return nil
	case old.OrderClass == alpaca.ClassBracket || old.OrderClass == alpaca.ClassOCO:
		return invalid("qty", "qty of a %s order can't be changed", old.OrderClass)
	case !change.Qty.GreaterThan(old.FilledQty):
		return problem.InvalidRequest.New("qty must be greater than the %s that are filled", old.FilledQty).
			Field("qty").With("filled_qty", decimal.Number{Decimal: old.FilledQty})
	case old.AssetClass == event.AssetClassCrypto:
		return nil
	case decimal.Digits(*old.Qty) > 0:
		return invalid("qty", "qty of a fractional order can't be changed")
	case decimal.Digits(*change.Qty) > 0:
		return invalid("qty", "qty must be whole")
	}
	return nil
}

// checkMerged applies the rules of new orders to what the change leads to. What they have against a field that does not
// change is no reason to refuse: the order exists with it.
func checkMerged(assetClass string, merged alpaca.OrderRequest, change *alpaca.ReplaceRequest) error {
	check := checkStock
	switch {
	case assetClass == event.AssetClassUSOption && merged.OrderClass == alpaca.ClassMultileg:
		check = checkMultilegTerms
	case assetClass == event.AssetClassUSOption:
		check = checkOption
	case assetClass == event.AssetClassCrypto:
		check = checkCrypto
	}
	native := fromAlpaca(&merged)
	if merged.OrderClass != alpaca.ClassMultileg {
		native.OrderClass = alpaca.ClassSimple // the legs of a bracket are orders of their own
	}
	err := check(&native)
	var refused *problem.Error
	if !errors.As(err, &refused) {
		return nil
	}
	changed := map[any]bool{
		"qty": change.Qty != nil, "time_in_force": change.TimeInForce != "", "limit_price": change.LimitPrice != nil,
		"stop_price": change.StopPrice != nil, "trail_price": change.Trail != nil, "trail_percent": change.Trail != nil,
	}
	if !changed[refused.Details["field"]] {
		return nil
	}
	return err
}
