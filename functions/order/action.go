package order

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// written is the body of an intent: the order, and what else it takes to recognise it at Alpaca. An intent of a former
// release is an order alone.
type written struct {
	alpaca.OrderRequest
	AssetClass string       `json:"asset_class,omitempty"`
	Replaces   *replacement `json:"replaces,omitempty"`
	Closes     *closing     `json:"closes,omitempty"`
}

func (p *placement) encode() ([]byte, error) {
	return json.Marshal(written{p.request, p.assetClass, p.replaces, p.closes})
}

func (p *placement) decode(body []byte) error {
	w := written{AssetClass: event.AssetClassUSEquity}
	if err := json.Unmarshal(body, &w); err != nil {
		return err
	}
	p.request, p.assetClass, p.replaces, p.closes = w.OrderRequest, w.AssetClass, w.Replaces, w.Closes
	return nil
}

// prepare reads what a replacement or a close is about, makes the order of it, and holds the intent anew: reading may
// have taken long.
func (f *Function) prepare(ctx context.Context, p *placement, token int64) error {
	var err error
	switch {
	case p.replaces != nil:
		err = f.prepareReplacement(ctx, p)
	case p.closes != nil:
		err = f.prepareClose(ctx, p)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	what := ""
	if p.replaces != nil { // only now is it known what it leads to
		p.risk = f.newAppraisal(ctx, p)
		what = p.reserves()
	}
	return f.hold(ctx, p, token, what)
}

// send asks Alpaca for the order, once.
func (f *Function) send(ctx context.Context, p *placement) (*alpaca.Order, error) {
	defer f.upstreamSince(p, f.Clock.Now())
	if p.replaces != nil {
		return f.Alpaca.ReplaceOrder(ctx, p.account.Credentials, p.replaces.OrderID, p.replaces.Change)
	}
	return f.Alpaca.PlaceOrder(ctx, p.account.Credentials, p.request)
}

func (f *Function) upstreamSince(p *placement, started time.Time) {
	p.upstream += f.Clock.Now().Sub(started)
}

// doubtful reports that Alpaca refused a replacement. The one that it refuses may be in place all the same
// (alpacahq/alpaca-trade-api-python#306), or be our own that arrived before.
func doubtful(p *placement, err error) bool {
	return p.replaces != nil && errors.Is(err, alpaca.ErrRejected)
}

// unprepared reports that a replacement or close can't be, by what was read of Alpaca: nothing was sent.
func unprepared(err error) bool {
	for _, final := range []error{problem.InvalidRequest, problem.OrderNotFound, problem.PositionNotFound, problem.OrderRejected} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

// isMetBy reports whether found is what p asks for. What p leaves to Alpaca is not compared.
func (p *placement) isMetBy(found *alpaca.Order) bool {
	request := &p.request
	switch {
	case p.replaces != nil:
		return p.replaces.isMetBy(found)
	case p.closes != nil:
		return p.closes.isMetBy(found)
	}
	if !sameSymbol(found.Symbol, request.Symbol) || found.Side != request.Side || found.Type != request.Type || found.TimeInForce != request.TimeInForce {
		return false
	}
	return agree(request.Qty, found.Qty) && agree(request.Notional, found.Notional) && agree(request.LimitPrice, found.LimitPrice) &&
		agree(request.StopPrice, found.StopPrice) && agree(request.TrailPrice, found.TrailPrice) &&
		agree(request.TrailPercent, found.TrailPercent) && sameLegs(request.Legs, found)
}

// isMetBy reports whether found replaces the order in the way that was asked for.
func (r *replacement) isMetBy(found *alpaca.Order) bool {
	change := &r.Change
	if found.Replaces == nil || *found.Replaces != r.OrderID || change.TimeInForce != "" && found.TimeInForce != change.TimeInForce {
		return false
	}
	trail := found.TrailPrice
	if found.TrailPercent != nil {
		trail = found.TrailPercent
	}
	return agree(change.Qty, found.Qty) && agree(change.LimitPrice, found.LimitPrice) && agree(change.StopPrice, found.StopPrice) &&
		agree(change.Trail, trail)
}

// isMetBy reports whether found closes the position. How much all of it is, or a part in percent, was decided when it
// was sent.
func (c *closing) isMetBy(found *alpaca.Order) bool {
	opens := found.PositionIntent == alpaca.IntentBuyToOpen || found.PositionIntent == alpaca.IntentSellToOpen
	return sameSymbol(found.Symbol, c.Symbol) && found.Type == alpaca.TypeMarket && !opens && agree(c.Qty, found.Qty)
}

// agree compares a number that was asked for, or nil, with the one that was found.
func agree(asked, found *decimal.Decimal) bool {
	return asked == nil || found != nil && asked.Equal(*found)
}

// sameLegs compares the legs of a multi-leg order in any order; Alpaca may leave them out.
func sameLegs(asked []alpaca.OrderLeg, found *alpaca.Order) bool {
	if found.OrderClass != alpaca.ClassMultileg || len(found.Legs) == 0 {
		return true
	}
	if len(asked) != len(found.Legs) {
		return false
	}
	sides := make(map[string]string, len(asked))
	for _, leg := range asked {
		sides[leg.Symbol] = leg.Side
	}
	for i := range found.Legs {
		if sides[found.Legs[i].Symbol] != found.Legs[i].Side {
			return false
		}
	}
	return true
}

// sameSymbol compares without the slash of a crypto pair, which Alpaca leaves out in places.
func sameSymbol(a, b string) bool {
	return a == b || strings.ReplaceAll(a, "/", "") == strings.ReplaceAll(b, "/", "")
}
