package order

import (
	"context"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// What the tests see of the inside.
const (
	MaxClientOrderID  = maxClientOrderID
	MaxIdempotencyKey = maxIdempotencyKey
	FromKey           = fromKey
	FromEvent         = fromEvent
	FromNone          = fromNone
)

func Validate(assetClass string, r order.OrderRequest, now time.Time) (alpaca.OrderRequest, error) {
	return validate(assetClass, r, now)
}

func ValidateStock(r order.OrderRequest) (alpaca.OrderRequest, error) { return validateStock(r) }

func DerivedID(prefix, accountID string, parts ...string) string {
	return derivedID(prefix, accountID, parts...)
}

func ClientOrderID(accountID, given, key string) string { return clientOrderID(accountID, given, key) }

func Fingerprint(assetClass string, r order.OrderRequest) (string, error) {
	return fingerprint(assetClass, r)
}

func IdempotencyKey(header http.Header) (string, error) { return idempotencyKey(header) }

func IsOrderID(id string) bool { return isOrderID(id) }

// Sweep settles at once what the regular sweep would.
func (f *Function) Sweep(ctx context.Context) error { return f.sweep(ctx) }

// UseRedis puts the order path on client, whose timeouts and hooks are the test's.
func (f *Function) UseRedis(client store.Client) {
	f.intents = intent.NewStore(client, f.intentConfig())
	f.Bucket = bucket.New(client)
	f.ceilings.book = ceiling.New(client, ceiling.Config{})
}

// CountOrders keeps the book of all accounts' orders once, as Start does every second.
func (f *Function) CountOrders(ctx context.Context) error { return f.countOrders(ctx) }

// RefreshKillSwitches reads the switches at once, as the watch does all the time.
func (f *Function) RefreshKillSwitches(ctx context.Context) error { return f.kill.Refresh(ctx) }

// WatchKillSwitches keeps the copy of the switches until ctx ends, as Start does.
func (f *Function) WatchKillSwitches(ctx context.Context) { f.kill.Run(ctx) }

// BookReplicas makes the book of all accounts' orders wait for n replicas, which a Redis without any does not have.
func (f *Function) BookReplicas(client store.Client, n int) {
	f.ceilings.book = ceiling.New(client, ceiling.Config{Replicas: n, ReplicaTimeout: time.Millisecond})
}
