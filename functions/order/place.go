package order

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// retrySoon is what a caller is told to wait when a dependency is away.
const retrySoon = time.Second

// slowCheck is how long after its arrival an order is sent without asking again whether it may be: a kill switch holds
// within a second, and a lease for many.
const slowCheck = 500 * time.Millisecond

// placement is one order on its way, however it came.
type placement struct {
	account        vault.Account
	assetClass     string
	idempotencyKey string
	// request is the order; of a replacement or a close it is known after prepare only.
	request alpaca.OrderRequest
	// replaces is set for a replacement, closes for an order that closes a position.
	replaces    *replacement
	closes      *closing
	fingerprint string
	arrived     time.Time
	// upstream is how long Alpaca took so far, orderID the ID that it gave.
	upstream time.Duration
	orderID  string
	// spent is the request at Alpaca that reserving the intent took, good for a send until paidUntil.
	spent alpaca.Spent
	// breach is the event of the control that refused the order, with its ID; empty otherwise.
	breachID string
	breach   []byte
	// risk is nil for what the risk controls don't apply to.
	risk      *appraisal
	paidUntil time.Time
	// granted says that the order counts under the ceilings over all accounts; checked that this instance found nothing
	// against it; dry that it is not to be placed.
	granted, checked, dry bool
	// given says that the caller chose the client order ID, or an event did.
	given bool
	// causation is the ID of the request or event that asks for the order.
	causation string
}

func (p *placement) id() intent.ID {
	return intent.ID{AccountID: p.account.ID, ClientOrderID: p.request.ClientOrderID}
}

// intent is what is written down of the placement; body is what goes upstream.
func (p *placement) intent(body []byte) intent.Request {
	r := intent.Request{ID: p.id(), IdempotencyKey: p.idempotencyKey, Fingerprint: p.fingerprint, Body: body, Exit: p.closes != nil}
	p.riskRequest(&r)
	return r
}

// newPlacement validates an order and gives it its identity.
func (f *Function) newPlacement(account vault.Account, assetClass, idempotencyKey, causation string, r *order.OrderRequest) (*placement, error) {
	request, err := validate(assetClass, *r, f.Clock.Now())
	if err != nil {
		return nil, err
	}
	identity, err := fingerprint(assetClass, r)
	if err != nil {
		return nil, err
	}
	request.ClientOrderID = clientOrderID(account.ID, r.ClientOrderID, idempotencyKey)
	return &placement{
		account: account, assetClass: assetClass, idempotencyKey: idempotencyKey, request: request, fingerprint: identity,
		arrived: f.Clock.Now(), causation: causation, given: r.ClientOrderID != "",
	}, nil
}

// place takes an order to its answer: the order as Alpaca took it, or why not. The grant tells of the account's order
// limit and is valid in either case.
func (f *Function) place(ctx context.Context, p *placement) (order.Order, bucket.Grant, error) {
	if f.kill.Unknown(p.account.ID) {
		f.observe(p, "unavailable")
		return order.Order{}, bucket.Grant{}, problem.Unavailable.New("orders can't be taken right now").After(retrySoon).
			Because(errors.New("the kill switches could not be read for a second"))
	}
	f.appraise(ctx, p)
	reservation, err := f.reserve(ctx, p)
	if err != nil {
		f.observe(p, "unavailable")
		return order.Order{}, bucket.Grant{}, err
	}
	native, err := f.act(ctx, p, reservation)
	return native, reservation.Orders, err
}

func (f *Function) reserve(ctx context.Context, p *placement) (intent.Reservation, error) {
	return f.find(ctx, p, f.intents.Reserve)
}

// find asks the intents, by Reserve or by Peek, what they have to p.
func (f *Function) find(ctx context.Context, p *placement, by func(context.Context, intent.Request) (intent.Reservation, error)) (intent.Reservation, error) {
	body, err := p.encode()
	if err != nil {
		return intent.Reservation{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, f.config.RedisTimeout)
	defer cancel()
	reservation, err := by(ctx, p.intent(body))
	if err != nil {
		return intent.Reservation{}, problem.Unavailable.New("orders can't be taken right now").After(retrySoon).Because(err)
	}
	return reservation, nil
}

// act does what the reservation calls for.
func (f *Function) act(ctx context.Context, p *placement, r intent.Reservation) (order.Order, error) {
	switch r.Outcome {
	case intent.New:
		p.spent, p.paidUntil = r.Upstream, f.Clock.Now().Add(bucket.PrepaidLife)
		p.appraised(r)
		return f.begin(ctx, p, r.Token)
	case intent.Resume:
		return f.resume(ctx, p, r.Token)
	case intent.Replay:
		return replay(r)
	case intent.OrderLimit, intent.UpstreamLimit:
		f.observe(p, "limited")
		return order.Order{}, f.standing(p, r)
	default:
		return order.Order{}, f.standing(p, r)
	}
}

// standing is why a reservation was not given.
func (f *Function) standing(p *placement, r intent.Reservation) error {
	switch r.Outcome {
	case intent.InProgress:
		return problem.IdempotencyInProgress.New("this order is being placed").
			With("client_order_id", p.request.ClientOrderID).After(min(r.RetryAfter, retrySoon))
	case intent.Mismatch:
		return problem.IdempotencyMismatch.New("this Idempotency-Key or client_order_id was used for another order").
			With("client_order_id", p.request.ClientOrderID)
	case intent.Killed:
		state, err := killswitch.Parse(r.Killed)
		if err != nil {
			f.Logger.Error("kill switch", zap.Error(err)) // engaged it is all the same
		}
		return f.killed(p, state).With("client_order_id", p.request.ClientOrderID)
	case intent.OrderLimit:
		return problem.RateLimitExceeded.New("order limit of %d a minute exceeded", f.ordersPerMinute(p.account.ID)).
			With("limit", "orders").With("allowed", f.ordersPerMinute(p.account.ID)).After(r.RetryAfter)
	case intent.UpstreamLimit:
		return problem.RateLimitExceeded.New("what Alpaca allows the account, %d requests a minute, is used up", r.Upstream.Limit).
			With("limit", "alpaca").With("allowed", r.Upstream.Limit).After(r.RetryAfter)
	default:
		return problem.Internal.New("internal error").Because(errors.New("unknown outcome " + string(r.Outcome)))
	}
}

// begin prepares a new order and sends it.
func (f *Function) begin(ctx context.Context, p *placement, token int64) (order.Order, error) {
	err := f.prepare(ctx, p, token)
	if err == nil {
		err = f.checkRisk(ctx, p)
	}
	if err == nil {
		err = f.stillOurs(ctx, p, token)
	}
	refused, turnedAway := isRisk(err)
	switch {
	case turnedAway:
		return f.turnAway(ctx, p, token, refused)
	case err == nil:
		p.checked = true
		return f.submit(ctx, p, token)
	case unprepared(err) && p.repeatable(), errors.Is(err, errNotHeld):
		return f.confirm(ctx, p, token, err)
	}
	return f.conclude(ctx, p, token, nil, err)
}

// stillOurs asks again what the reservation asked, when preparing and checking took long: whether the intent is still this
// owner's, and whether a kill switch stops it. The instance's own copy of the switches is asked in any case.
func (f *Function) stillOurs(ctx context.Context, p *placement, token int64) error {
	if err := f.stopped(p); err != nil || f.Clock.Now().Sub(p.arrived) <= slowCheck {
		return err
	}
	err := f.hold(ctx, p, token, "")
	if errors.Is(err, intent.ErrKilled) && f.kill.Refresh(ctx) == nil {
		if stopped := f.stopped(p); stopped != nil {
			return stopped
		}
	}
	return err
}

// stopped is the *riskError of a kill switch that this instance knows of, nil when there is none.
func (f *Function) stopped(p *placement) error {
	if state, stopped := f.kill.Stops(p.account.ID, p.closes != nil); stopped {
		return &riskError{why: f.killed(p, state)}
	}
	return nil
}

// submit sends a new order, once.
func (f *Function) submit(ctx context.Context, p *placement, token int64) (order.Order, error) {
	// A client that hangs up must not leave the order half-done: it is finished, and a repeat gets the answer.
	ctx = context.WithoutCancel(ctx)
	placed, err := f.send(alpaca.Prepaid(ctx, p.spent, p.paidUntil), p)
	switch {
	case errors.Is(err, alpaca.ErrOutcomeUnknown), errors.Is(err, alpaca.ErrDuplicateClientOrderID):
		// A duplicate proves that an order with this ID exists: ours, if we lost all memory of having sent it.
		return f.resume(ctx, p, token)
	case doubtful(p, err), rejection(err) && p.repeatable():
		return f.confirm(ctx, p, token, err)
	}
	return f.conclude(ctx, p, token, placed, err)
}

// conclude settles what Alpaca said for certain.
func (f *Function) conclude(ctx context.Context, p *placement, token int64, placed *alpaca.Order, err error) (order.Order, error) {
	switch {
	case err == nil:
		return f.acknowledge(ctx, p, token, placed)
	case unprepared(err):
		return order.Order{}, f.decline(ctx, p, token, problem.From(err))
	case rejection(err):
		return order.Order{}, f.reject(ctx, p, token, alpaca.Problem(err))
	default: // certainly not taken: a repeat starts anew
		f.giveBack(p, true)
		f.forget(ctx, p, token)
		f.observe(p, "unavailable")
		return order.Order{}, alpaca.Problem(err).With("client_order_id", p.request.ClientOrderID)
	}
}

// rejection reports whether Alpaca's answer is its last word on this order.
func rejection(err error) bool {
	for _, final := range []error{alpaca.ErrRejected, alpaca.ErrInsufficientFunds, alpaca.ErrInvalid, alpaca.ErrForbidden} {
		if errors.Is(err, final) {
			return true
		}
	}
	return false
}

// forget removes the intent of an order that certainly did not reach Alpaca. Failing to is harmless: its lease ends by
// itself, and whoever comes next looks it up first.
func (f *Function) forget(ctx context.Context, p *placement, token int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.config.RedisTimeout)
	defer cancel()
	if err := f.intents.Forget(ctx, p.id(), token); err != nil {
		f.Logger.Warn("intent keeps its lease", zap.String("account_id", p.account.ID),
			zap.String("client_order_id", p.request.ClientOrderID), zap.Error(err))
	}
}

// yield leaves an intent to whoever comes next. Failing to is harmless: its lease ends by itself.
func (f *Function) yield(ctx context.Context, p *placement, token int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.config.RedisTimeout)
	defer cancel()
	if err := f.intents.Yield(ctx, p.id(), token); err != nil {
		f.Logger.Warn("intent keeps its lease", zap.String("account_id", p.account.ID),
			zap.String("client_order_id", p.request.ClientOrderID), zap.Error(err))
	}
}
