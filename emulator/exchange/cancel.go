package exchange

import (
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Cancel asks for an order's cancellation; the order may still fill before the venue agrees. A *wire.Error when there
// is no such order or nothing is left to cancel.
func (a *Account) Cancel(id string) error {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	found, err := a.find(id)
	if err != nil {
		return err
	}
	return a.cancel(found, now)
}

func (a *Account) find(id string) (*entry, error) {
	if found, ok := a.orders[id]; ok {
		return found, nil
	}
	if _, err := uuid.Parse(id); err != nil {
		return nil, wire.Shape("order_id is missing")
	}
	return nil, wire.NotFound("order not found for %s", id)
}

func (a *Account) cancel(e *entry, now time.Time) error {
	switch {
	case e.Status == StatusCanceled && a.exchange.settings.Disputed.RepeatedCancels:
		return nil
	case e.parent != nil:
		return e.rejectLeg()
	case e.combo != nil && a.restriction.forbidsMultiLeg(cancelMultiLeg):
		return wire.Forbidden("cancel mleg order is disabled")
	case e.Status.Terminal():
		return wire.Unprocessable("order is already in %q state", e.Status)
	case e.Status == StatusPendingCancel:
		return wire.Unprocessable("order pending cancel")
	case e.Status == StatusPendingReplace:
		return wire.Unprocessable("order pending replace")
	case e.replaces != nil && e.replaces.replacement == e:
		return wire.Unprocessable("order chain not fully replaced")
	}
	e.CancelRequestedAt = now
	if a.exchange.settings.FillLatency < 0 || e.Status == StatusHeld {
		a.end(e, StatusCanceled, now)
		return nil
	}
	e.Status, e.UpdatedAt = StatusPendingCancel, now
	a.emit(string(StatusPendingCancel), e, now)
	a.later(a.acknowledgeDelay(e), e, a.confirmCancel)
	return nil
}

func (a *Account) confirmCancel(e *entry, now time.Time) {
	if e.Status == StatusPendingCancel {
		a.end(e, StatusCanceled, now)
	}
}

// CancelResult is what became of one order of CancelAll: Status is the HTTP status that a single cancel would have.
type CancelResult struct {
	ID     string
	Status int
}

// CancelAll asks for the cancellation of every open order.
func (a *Account) CancelAll() []CancelResult {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	open := a.openOrders()
	results := make([]CancelResult, 0, len(open))
	for _, e := range open {
		result := CancelResult{ID: e.ID, Status: http.StatusOK}
		if err := a.cancel(e, now); err != nil {
			result.Status = http.StatusInternalServerError
		}
		results = append(results, result)
	}
	return results
}
