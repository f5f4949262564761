package outbox

import (
	"context"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/lease"
)

// tenure is the time in which this instance drains a shard. A lease alone is not enough: with its key Redis can lose, in a
// flush, the entries of a batch under way, and whoever takes the shard over has made them anew with larger numbers. Safe
// for concurrent use.
type tenure struct {
	leases *lease.Leases
	held   lease.Lease

	mu      sync.Mutex
	renewed time.Time // when the lease was last asked for with success
	lost    error
}

// hold returns nil if the shard is still this instance's: it is asked before each event, and once more right before the
// event is sent, so that a pause in between is noticed. It asks Redis when the last answer is older than holdEvery. Once
// lost it stays lost.
func (t *tenure) hold(ctx context.Context) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.lost != nil || time.Since(t.renewed) < holdEvery {
		return t.lost
	}
	asked := time.Now()
	if t.lost = t.leases.Renew(ctx, t.held, leaseLife); t.lost == nil {
		t.renewed = asked
	}
	return t.lost
}

// until is when an event that is being published must be given up: before somebody else can have the lease.
func (t *tenure) until() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.renewed.Add(publishLife)
}
