package exchange

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// ExerciseRequest is the body of a request to exercise or not to exercise an option position; without a quantity all
// contracts are meant.
type ExerciseRequest struct {
	Qty        Amount `json:"qty"`
	Commission Amount `json:"commission"` // of exercises, USD
}

// DecodeExercise reads a request body, which may be empty. A *wire.Error when it is not an object of the right shape.
func DecodeExercise(body []byte) (ExerciseRequest, error) {
	var request ExerciseRequest
	if len(body) == 0 {
		return request, nil
	}
	if err := json.Unmarshal(body, &request); err != nil {
		return ExerciseRequest{}, wire.BadBody()
	}
	return request, nil
}

func (r *ExerciseRequest) check() error {
	if qty := r.Qty.Value; qty != nil && !qty.Trunc(0).IsPos() {
		return wire.Unprocessable("qty must be > 0")
	}
	if qty := r.Qty.Value; qty != nil && !qty.Trunc(0).Equal(*qty) {
		return wire.Unprocessable("qty must be integer for options trading")
	}
	return nil
}

// longOption finds a long option position by symbol or contract ID.
func (a *Account) longOption(symbolOrID string) (*holding, error) {
	if strings.TrimSpace(symbolOrID) == "" {
		return nil, wire.Unprocessable("symbol missing")
	}
	listed, ok := a.exchange.catalogue.Find(symbolOrID)
	if ok {
		if held := a.holdings[listed.Symbol]; held != nil && listed.Contract != nil && held.qty.IsPos() {
			return held, nil
		}
	}
	return nil, wire.NotFound("long position not found: %s", symbolOrID)
}

// Exercise exercises contracts of a long option position at once. A *wire.Error when there is no such position or a rule
// refuses it.
func (a *Account) Exercise(symbolOrID string, request ExerciseRequest) error {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	held, err := a.longOption(symbolOrID)
	if err != nil {
		return err
	}
	if err := request.check(); err != nil {
		return err
	}
	if err := a.checkExerciseCommission(request.Commission.Value); err != nil {
		return err
	}
	if held.asset.Contract.European {
		return wire.Forbidden("early exercise is not allowed for European-style options")
	}
	if a.exchange.afterClose(now) {
		return wire.Forbidden("exercise requests are not accepted after market close until midnight")
	}
	qty, err := a.exercisable(held, request.Qty.Value)
	if err != nil {
		return err
	}
	if err := a.checkExercise(held, qty, now); err != nil {
		return err
	}
	a.exercise(held.asset, qty, now)
	if commission := request.Commission.Value; commission != nil && commission.IsPos() {
		a.adjustCash(Commission, held.asset, commission.Neg(), uuid.NewString(), now)
	}
	return nil
}

// afterClose reports whether it is later than the close of a trading day, on the same day.
func (x *Exchange) afterClose(now time.Time) bool {
	day, ok := x.clock.Calendar.DayOf(now)
	return ok && x.clock.Phase(now) != session.Regular && !now.Before(day.Close)
}

// exercisable returns how many contracts are to be exercised: the wanted number, or all that are free.
func (a *Account) exercisable(held *holding, wanted *decimal.Decimal) (decimal.Decimal, error) {
	tied, _ := a.tiedShares(queue{held.asset.Symbol, Sell}, nil)
	available := positive(held.qty.Sub(tied))
	qty := available
	if wanted != nil {
		qty = *wanted
	}
	marked := held.notExercised
	switch {
	case !available.IsPos():
		return qty, wire.Forbidden("no qty available to exercise")
	case marked.Equal(held.qty) && held.dismissed:
		return qty, wire.Forbidden("cannot exercise position marked as do-not-exercise")
	case marked.GreaterThanOrEqual(held.qty):
		return qty, wire.Forbidden("cannot exercise position with dne_qty greater than or equal to position qty "+
			"(dne_qty: %s, position qty: %s)", marked, held.qty)
	case qty.GreaterThan(available):
		return qty, wire.Forbidden("insufficient qty available (requested: %s, available: %s)", qty, available)
	case wanted == nil && !available.GreaterThan(marked):
		return qty, wire.Forbidden("no qty available to exercise")
	case wanted == nil:
		return available.Sub(marked), nil
	case qty.GreaterThan(available.Sub(marked)):
		return qty, wire.Forbidden("insufficient qty available to exercise after accounting for partial do-not-exercise "+
			"(requested: %s, dne_qty: %s, available: %s)", qty, marked, positive(available.Sub(marked)))
	default:
		return qty, nil
	}
}

// checkExercise makes sure that the exercise pays, and that the account has the money or the shares for it.
func (a *Account) checkExercise(held *holding, qty decimal.Decimal, now time.Time) error {
	const attempt = "you are attempting to exercise %s option contract, please contact support@alpaca.markets to complete this request"
	c := held.asset.Contract
	if c.Adjusted {
		return wire.Forbidden(attempt, "a non-standard")
	}
	if !a.gainsAt(c, now) {
		return wire.Forbidden(attempt, "an out of the money")
	}
	book := a.optionBook(c.Cover(), nil)
	after := book.with(contracts{c, -countOf(qty)})
	free := positive(a.freeShares(c.Underlying.Symbol).Sub(a.coveringShares(c.Underlying.Symbol, nil)))
	if c.Type == asset.Put {
		if shares := qty.Mul64(asset.Multiplier); shares.GreaterThan(free) {
			return wire.Forbidden("insufficient underlying qty available for deliverable: %s (requested: %s, available: %s)",
				c.Underlying.Symbol, shares, free)
		}
		return nil
	}
	bought := qty.Mul64(asset.Multiplier)
	// Shares that were sold short take theirs first.
	tied, _ := a.tiedShares(queue{c.Underlying.Symbol, Sell}, nil)
	shares := a.positionQty(c.Underlying.Symbol).Sub(tied).Add(bought)
	if missing := decimal.FromInt(after.shortage() * asset.Multiplier); missing.IsPos() && missing.GreaterThan(shares) {
		return wire.Forbidden("account not eligible to trade uncovered option contracts")
	}
	v := a.value(now)
	cost, power := bought.Mul(c.Strike), a.regulationTPower(v)
	switch {
	case cost.LessThanOrEqual(power):
		return nil
	case a.multiplier(v.equity) == 1:
		return wire.Forbidden("insufficient cash available (required: %s, available: %s)", cost, power.Trunc(2))
	default:
		return wire.Forbidden("insufficient regt buying power (required: %s, available: %s)", cost, power.Trunc(2))
	}
}

// DoNotExercise marks contracts of a long option position, so that they expire even in the money. A *wire.Error when there
// is no such position or a rule refuses it.
func (a *Account) DoNotExercise(symbolOrID string, request ExerciseRequest) error {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	held, err := a.longOption(symbolOrID)
	if err != nil {
		return err
	}
	if err := request.check(); err != nil {
		return err
	}
	c := held.asset.Contract
	if c.European {
		return wire.Forbidden("do-not-exercise is not applicable for European-style options")
	}
	if !c.ExpiresOn(now) {
		return wire.Forbidden("dne requests are only accepted on the expiration day of the option contract")
	}
	// From then on the account's contracts are sold or prepared for exercise. Alpaca does not publish its own moment.
	if last := c.Expiration.Add(-beforeExpiry); !now.Before(last) {
		return wire.Forbidden("dne requests are not accepted after %s", last.Format("15:04 MST"))
	}
	held.notExercised, held.dismissed = held.qty, request.Qty.Value == nil
	if qty := request.Qty.Value; qty != nil {
		held.notExercised = minimum(held.qty, *qty)
	}
	return nil
}
