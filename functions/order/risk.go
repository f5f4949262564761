package order

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
)

const (
	// staleAfter is how old the snapshot of an account may be that orders are checked by: what was sent since is added to
	// it as holds. From half of that on it is read anew beside the orders.
	staleAfter = time.Minute
	// refuseAfter is how old the snapshot may be that an order is refused by: an older one is read anew first.
	refuseAfter = 5 * time.Second
)

// appraisal is what the risk controls know of one order.
type appraisal struct {
	controls *risk.Controls
	order    risk.Order
	state    risk.State
	// price answers with the last quote, nil when there is none; nil when no control needs it.
	price <-chan *risk.Price
	known *risk.Price
}

// controlled reports whether the risk controls apply to p: closing a position must not be kept from anybody.
func (p *placement) controlled() bool { return p.closes == nil }

// appraise begins to look at a new order before it is reserved: its price is looked up beside that.
func (f *Function) appraise(ctx context.Context, p *placement) {
	if !p.controlled() || p.replaces != nil {
		return // what it leads to is known after prepare only
	}
	p.risk = f.newAppraisal(ctx, p)
}

func (f *Function) newAppraisal(ctx context.Context, p *placement) *appraisal {
	a := &appraisal{
		controls: &f.Controls.Of(p.account.ID).Risk,
		order:    risk.OrderOf(&p.request, p.assetClass == event.AssetClassUSOption, p.assetClass == event.AssetClassCrypto),
	}
	switch {
	case !a.controls.NeedsPrice(&a.order) && !f.Controls.Ceilings().NeedsPrice(&a.order):
	case len(a.order.Legs) > 0:
		a.price = f.prices.lookLegs(ctx, a.order.Symbols)
	case a.order.Symbol != "":
		a.price = f.prices.look(ctx, p.assetClass, a.order.Symbol)
	}
	return a
}

// riskRequest adds to an intent what its script has to read and to write for the risk controls.
func (p *placement) riskRequest(r *intent.Request) {
	if p.risk == nil {
		return
	}
	r.Symbol = risk.Key(p.risk.order.Symbol)
	r.Hold = p.reserves()
	for _, leg := range p.risk.order.LegHolds() {
		r.Legs = append(r.Legs, intent.Leg{Symbol: leg.Symbol, Hold: leg.Encode()})
	}
	if window := p.risk.controls.RepeatWindow.Duration; window > 0 {
		r.Content, r.Repeats = p.content(), window
	}
}

// reserves is what the order may do to its account, before its price is known; empty when no control asks.
func (p *placement) reserves() string {
	if !p.risk.controls.NeedsState(&p.risk.order) && p.risk.controls.MinCash == nil {
		return ""
	}
	hold := risk.HoldOf(&p.risk.order, nil)
	return hold.Encode()
}

// appraised takes over what the reservation read of the account.
func (p *placement) appraised(r intent.Reservation) {
	if p.risk != nil {
		p.risk.state = r.Risk
	}
}

// content identifies what another order has to agree in to be a repeat.
func (p *placement) content() string {
	r := p.request
	r.ClientOrderID = ""
	encoded, err := json.Marshal(r)
	if err != nil {
		return p.fingerprint // it can't fail: the request was encoded before
	}
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8])
}

// holdNow is what the order may do to its account, now that its price is known; empty when nobody asks.
func (p *placement) holdNow() string {
	if p.risk == nil {
		return ""
	}
	hold := risk.HoldOf(&p.risk.order, p.risk.known)
	return hold.Encode()
}

// checkRisk decides whether a new order may be sent. Its error is a *riskError, or that of an instance that knows of a
// kill switch of which Redis does not.
func (f *Function) checkRisk(ctx context.Context, p *placement) error {
	if err := f.stopped(p); err != nil || !p.controlled() {
		return err
	}
	if p.risk == nil {
		p.risk = f.newAppraisal(ctx, p)
		if p.risk.controls.NeedsState(&p.risk.order) {
			f.readAnew(ctx, p)
		}
	}
	a := p.risk
	if a.price != nil {
		a.known = <-a.price
		a.order.Buy = a.order.Pays(a.known)
	}
	fresh := a.state.Known && a.state.Age <= staleAfter
	if a.controls.NeedsState(&a.order) && !fresh {
		fresh = f.readAnew(ctx, p)
	}
	refusal := risk.Decide(a.controls, a.inputs(f, fresh))
	if refusal != nil && refusal.Stateful && a.state.Age > refuseAfter && f.readAnew(ctx, p) {
		refusal = risk.Decide(a.controls, a.inputs(f, true)) // by what is true now
	}
	if refusal != nil && refusal.Unknown && a.known == nil && f.unknownSymbol(ctx, p) {
		return noSuchSymbol(p)
	}
	if refusal != nil {
		return f.refused(p, refusal)
	}
	if a.state.Known && a.state.Age > staleAfter/2 {
		f.ledger.refreshLater(p.account)
	}
	return f.checkCeilings(ctx, p)
}

// unknownSymbol reports that Alpaca has no such symbol: that, and not a control, is what is wrong with an order without a
// price.
func (f *Function) unknownSymbol(ctx context.Context, p *placement) bool {
	var err error
	switch {
	case p.request.Symbol == "":
		return false
	case p.assetClass == event.AssetClassUSOption:
		_, err = f.Alpaca.OptionContract(ctx, p.account.Credentials, p.request.Symbol)
	default:
		_, err = f.Alpaca.Asset(ctx, p.account.Credentials, p.request.Symbol)
	}
	return errors.Is(err, alpaca.ErrNotFound)
}

// noSuchSymbol refuses an order for a symbol that Alpaca does not have, for good.
func noSuchSymbol(p *placement) *riskError {
	return &riskError{refusal: &risk.Refusal{}, why: problem.InvalidSymbol.New("asset %q not found", p.request.Symbol).Field("symbol")}
}

func (a *appraisal) inputs(f *Function, fresh bool) *risk.Inputs {
	in := &risk.Inputs{Order: a.order, Price: a.known, State: a.state, StateFresh: fresh}
	if len(a.controls.Sessions) > 0 {
		in.Phase = f.Hours.Now().Phase
	}
	return in
}

// readAnew reads the account of Alpaca and reports whether that could be done.
func (f *Function) readAnew(ctx context.Context, p *placement) bool {
	repeats := p.risk.state.Repeats
	former := ""
	if p.replaces != nil { // what the replaced order holds is let go of
		former = p.replaces.former
	}
	state, err := f.ledger.refresh(ctx, p.account, &p.risk.order, p.request.ClientOrderID, former)
	if err != nil {
		f.Logger.Warn("account not read for its risk controls", zap.String("account_id", p.account.ID), zap.Error(err))
		return false
	}
	p.risk.state, p.risk.state.Repeats = state, repeats
	return state.Known
}

// riskError is an order that was not sent because of a control.
type riskError struct {
	why     *problem.Error
	refusal *risk.Refusal // nil for a kill switch
}

// Error returns the text for logs.
func (e *riskError) Error() string { return e.why.Error() }

// Unwrap lets errors.As find the problem.
func (e *riskError) Unwrap() error { return e.why }

// refused counts a refusal and words it: RISK_LIMIT for an order over a limit, 503 for one that can't be checked now.
func (f *Function) refused(p *placement, refusal *risk.Refusal) error {
	f.countRefusal(p, refusal)
	if refusal.Unknown {
		return &riskError{refusal: refusal, why: problem.Unavailable.New("the risk control %s can't be checked right now: %s", refusal.Control, refusal.Message).
			With("control", refusal.Control).After(retrySoon)}
	}
	why := problem.RiskLimit.New("%s: %s", refusal.Control, refusal.Message).With("control", refusal.Control)
	if refusal.Limit != nil {
		why = why.With("limit", decimal.Number{Decimal: *refusal.Limit}).With("actual", decimal.Number{Decimal: *refusal.Actual})
	}
	return &riskError{refusal: refusal, why: why}
}

func (f *Function) countRefusal(p *placement, refusal *risk.Refusal) {
	f.refusals.WithLabelValues(refusal.Control).Inc()
	f.Logger.Info("order refused by a risk control", zap.String("account_id", p.account.ID), zap.String("control", refusal.Control),
		zap.String("client_order_id", p.request.ClientOrderID), zap.String("symbol", p.request.Symbol), zap.String("reason", refusal.Message))
}

// killed words the refusal of a kill switch.
func (f *Function) killed(p *placement, state killswitch.State) *problem.Error {
	f.refusals.WithLabelValues(risk.KillSwitch).Inc()
	f.Logger.Info("order refused by a kill switch", zap.String("account_id", p.account.ID), zap.String("client_order_id", p.request.ClientOrderID))
	return problem.RiskLimit.New("%s: no new orders are taken: %s", risk.KillSwitch, state.Reason).
		With("control", risk.KillSwitch).With("since", state.At.UTC())
}

// turnAway ends an order that a control refused. A refusal over a limit is the order's last word, told by its events; one
// that may go better later leaves nothing behind. Like a refusal of Alpaca's, the last word of an order that can be a repeat
// is looked up first: Redis may have lost the intent of an order that is at Alpaca, and that counts against its own repeat.
func (f *Function) turnAway(ctx context.Context, p *placement, token int64, refused *riskError) (order.Order, error) {
	final := refused.refusal != nil && !refused.refusal.Unknown
	if final && p.repeatable() {
		found, err := f.lookup(alpaca.Prepaid(context.WithoutCancel(ctx), p.spent, p.paidUntil), p)
		if err == nil {
			return f.adopt(ctx, p, token, found)
		}
		if !errors.Is(err, alpaca.ErrNotFound) {
			return f.unknown(ctx, p, token, err)
		}
	} else if err := f.Upstream.Refund(ctx, p.account.ID, alpaca.APITrading, p.spent.At); err != nil {
		f.Logger.Debug("request not refunded", zap.Error(err))
	}
	if !final {
		f.forget(ctx, p, token)
		f.observe(p, "refused")
		return order.Order{}, refused.why.With("client_order_id", p.request.ClientOrderID)
	}
	p.breachID, p.breach = f.breached(p, refused.why)
	return order.Order{}, f.reject(ctx, p, token, refused.why)
}

// breached is the event of an order that a control refused, for those who watch over the accounts.
func (f *Function) breached(p *placement, why *problem.Error) (string, []byte) {
	if why.Kind != problem.RiskLimit {
		return "", nil
	}
	control, _ := why.Details["control"].(string)
	breached := event.RiskBreached{
		AccountID: p.account.ID, Rule: control, Action: "refused", Message: why.Message, OccurredAt: f.Clock.Now().UTC(),
	}
	if limit, ok := why.Details["limit"].(decimal.Number); ok {
		breached.Limit = &limit
	}
	if actual, ok := why.Details["actual"].(decimal.Number); ok {
		breached.Observed = &actual
	}
	id := p.request.ClientOrderID + ":risk"
	encoded, err := f.encodeEvent(event.TypeRiskBreached, id, p, breached)
	if err != nil {
		f.Logger.Error("risk event not made", zap.Error(err))
		return "", nil
	}
	return id, encoded
}

// cancelPlaced cancels an order that reached Alpaca when a kill switch had been tripped already.
func (f *Function) cancelPlaced(ctx context.Context, p *placement, orderID string) {
	err := f.Alpaca.CancelOrder(context.WithoutCancel(ctx), p.account.Credentials, orderID)
	f.Logger.Warn("order canceled by a kill switch", zap.String("account_id", p.account.ID), zap.String("order_id", orderID), zap.Error(err))
}

// isRisk returns the refusal of a control in err.
func isRisk(err error) (*riskError, bool) {
	var refused *riskError
	ok := errors.As(err, &refused)
	return refused, ok
}
