package order

import (
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// observe counts and logs one order with its time: how much of it Alpaca took, and how much the rest. status is
// accepted, rejected, declined, limited, unavailable or unknown.
func (f *Function) observe(p *placement, status string) {
	gateway := f.Clock.Now().Sub(p.arrived) - p.upstream
	f.metrics.Observe(telemetry.OrderSample{
		AccountID: p.account.ID, AccountType: p.account.Type, Side: p.request.Side, Status: status, Gateway: gateway, Upstream: p.upstream,
	})
	f.Logger.Info("order",
		zap.String("outcome", status), zap.String("account_id", p.account.ID), zap.String("client_order_id", p.request.ClientOrderID),
		zap.String("order_id", p.orderID), zap.String("symbol", p.request.Symbol), zap.String("asset_class", p.assetClass),
		zap.Int64("gateway_microseconds", gateway.Microseconds()), zap.Int64("upstream_microseconds", p.upstream.Microseconds()))
}
