package fault

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"
)

// Distribution is how latencies are spread.
type Distribution string

// The distributions.
const (
	Uniform     Distribution = "uniform"
	Normal      Distribution = "normal"
	Exponential Distribution = "exponential"
)

func (d Distribution) check() error {
	switch d {
	case "", Uniform, Normal, Exponential:
		return nil
	default:
		return fmt.Errorf("%w: distribution must be uniform, normal or exponential", ErrInvalid)
	}
}

// Delay draws the latency of one request; never negative.
func (f Fault) Delay() time.Duration {
	spread := float64(f.JitterMS)
	switch f.Distribution {
	case Normal:
		spread *= rand.NormFloat64()
	case Exponential:
		spread *= rand.ExpFloat64()
	default:
		spread *= rand.Float64()
	}
	return max(0, time.Duration((float64(f.LatencyMS)+spread)*float64(time.Millisecond)))
}

// wait ends early when the client leaves.
func wait(r *http.Request, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-r.Context().Done():
	case <-timer.C:
	}
}
