package lease

import (
	"context"
	"errors"
	"time"
)

// Hold keeps the lease renewed and returns a context that ends with ctx, with the cause ErrLost when the lease is no
// longer surely ours, or when stop is called. stop waits for the renewals to end and gives the lease back, within a
// second.
func (l *Leases) Hold(ctx context.Context, held Lease, ttl time.Duration) (own context.Context, stop func()) {
	own, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.keep(own, cancel, held, ttl)
	}()
	return own, func() {
		cancel(context.Canceled)
		<-ended
		released, done := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer done()
		_ = l.Release(released, held) // it ends by itself otherwise
	}
}

func (l *Leases) keep(ctx context.Context, lost context.CancelCauseFunc, held Lease, ttl time.Duration) {
	ticker := time.NewTicker(ttl * 3 / 10)
	defer ticker.Stop()
	good := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked := time.Now()
		err := l.Renew(ctx, held, ttl)
		if err == nil {
			good = asked
			continue
		}
		// Another owner may have it from the moment on at which it could have run out.
		if errors.Is(err, ErrLost) || time.Since(good) >= ttl*6/10 {
			lost(ErrLost)
			return
		}
	}
}
