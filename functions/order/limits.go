package order

import (
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
)

// intentConfig are the limits of the order path.
func (f *Function) intentConfig() intent.Config {
	return intent.Config{
		Limits: f.limits, Window: f.Upstream.Window(), Lease: f.config.IntentLease,
		Replicas: f.config.IntentReplicas, ReplicaTimeout: f.config.IntentReplicaTimeout,
	}
}

// limits are what the account may do.
func (f *Function) limits(accountID string) intent.Limits {
	return intent.Limits{Orders: f.OrderRate(accountID), Upstream: f.Allowance(accountID, alpaca.APITrading)}
}

func (f *Function) ordersPerMinute(accountID string) int { return f.OrderRate(accountID).Limit }
