package measure

import (
	"fmt"
	"slices"
	"time"
)

// Figures are durations of the same thing.
type Figures []time.Duration

// Quantile returns the value that a part of the figures does not exceed, 0.5 for the median.
func (f Figures) Quantile(part float64) time.Duration {
	if len(f) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(f))
	return sorted[min(int(part*float64(len(sorted))), len(sorted)-1)]
}

// String is the median and the 95th percentile.
func (f Figures) String() string {
	return fmt.Sprintf("%s | %s", round(f.Quantile(0.5)), round(f.Quantile(0.95)))
}

// round leaves three digits.
func round(d time.Duration) time.Duration {
	switch {
	case d >= time.Second:
		return d.Round(10 * time.Millisecond)
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond)
	default:
		return d.Round(time.Microsecond)
	}
}
