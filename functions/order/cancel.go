package order

import (
	"context"
	"errors"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func (f *Function) cancelOrder(ctx context.Context, r *serve.Request[serve.None]) (order.Order, error) {
	id := r.PathValue("order_id")
	if !isOrderID(id) {
		return order.Order{}, orderNotFound(id)
	}
	account, err := f.account(ctx, r.Claims.AccountID)
	if err != nil {
		return order.Order{}, err
	}
	if err := f.Alpaca.CancelOrder(ctx, account.Credentials, id); err != nil {
		if errors.Is(err, alpaca.ErrNotFound) {
			return order.Order{}, orderNotFound(id)
		}
		return order.Order{}, alpaca.Problem(err).With("order_id", id)
	}
	canceled := order.Order{OrderID: id, Status: alpaca.StatusPendingCancel}
	found, err := f.Alpaca.OrderByID(ctx, account.Credentials, id, false)
	if err != nil {
		return canceled, nil //nolint:nilerr // a failed read, or one that the budget does not allow, doesn't undo an accepted cancel
	}
	return order.FromAlpaca(found), nil
}

// Canceled is what became of one order of a cancel-all.
type Canceled struct {
	OrderID string `json:"order_id"`
	// Status is the HTTP status that Alpaca gave the order: 200 when its cancel was accepted.
	Status int `json:"status"`
}

// CanceledAll is the answer to a cancel-all.
type CanceledAll struct {
	Orders []Canceled `json:"orders"`
}

func (f *Function) cancelAllOrders(ctx context.Context, r *serve.Request[serve.None]) (CanceledAll, error) {
	account, err := f.account(ctx, r.Claims.AccountID)
	if err != nil {
		return CanceledAll{}, err
	}
	results, err := f.Alpaca.CancelAllOrders(ctx, account.Credentials)
	if err != nil {
		return CanceledAll{}, alpaca.Problem(err)
	}
	all := CanceledAll{Orders: make([]Canceled, 0, len(results))}
	for _, result := range results {
		all.Orders = append(all.Orders, Canceled{OrderID: result.ID, Status: result.Status})
	}
	return all, nil
}
