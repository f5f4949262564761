package order

import (
	"context"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// validateParameter is the query parameter that asks for a dry run.
const validateParameter = "validate"

// What placing the order would do.
const (
	wouldSubmit = "submit"
	wouldReplay = "replay"
	wouldResume = "look_up"
)

// DryRun is what placing an order would do; nothing was sent, taken or written down.
type DryRun struct {
	// Would is "submit" (the order would be sent), "replay" (the answer of the first request would be given again, with
	// nothing sent) or "look_up" (an earlier submit whose outcome is unknown would be looked up before anything is sent).
	Would string `json:"would"`
	// AssetClass and Request are the order as it would be sent, defaults filled in, with the client order ID.
	AssetClass string             `json:"asset_class"`
	Request    order.OrderRequest `json:"request"`
	// Order is the answer that would be given again; null unless Would is "replay".
	Order *order.Order `json:"order"`
	// OrdersRemaining is how many orders the account could place after this one.
	OrdersRemaining int `json:"orders_remaining"`
}

// dryRun does every check that placing p would do, and fails as it would.
func (f *Function) dryRun(ctx context.Context, answer http.Header, p *placement) (any, error) {
	p.dry = true
	f.appraise(ctx, p)
	found, err := f.find(ctx, p, f.intents.Peek)
	if err != nil {
		return nil, err
	}
	f.setOrderLimit(answer, p.account.ID, found.Orders)
	result := DryRun{
		Would: wouldSubmit, AssetClass: p.assetClass, Request: fromAlpaca(&p.request), OrdersRemaining: found.Orders.Remaining,
	}
	switch found.Outcome {
	case intent.New:
		p.appraised(found)
		if refused, ok := isRisk(f.checkRisk(ctx, p)); ok {
			return nil, refused.why.With("client_order_id", p.request.ClientOrderID)
		}
	case intent.Resume:
		result.Would = wouldResume
	case intent.Replay:
		former, err := replay(found)
		if err != nil {
			return nil, err
		}
		result.Would, result.Order = wouldReplay, &former
	default:
		return nil, f.standing(p, found)
	}
	return serve.Answered{Status: http.StatusOK, Data: result}, nil
}
