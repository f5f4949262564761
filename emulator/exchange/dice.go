package exchange

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// entropy reads random bytes from an account's own source.
type entropy struct{ source rand.Source }

func readerOf(source rand.Source) io.Reader { return entropy{source} }

// Read fills p; it never fails.
func (e entropy) Read(p []byte) (int, error) {
	var word [8]byte
	for n := 0; n < len(p); n += len(word) {
		binary.LittleEndian.PutUint64(word[:], e.source.Uint64())
		copy(p[n:], word[:])
	}
	return len(p), nil
}

// between draws a duration from low to high.
func (a *Account) between(low, high time.Duration) time.Duration {
	return low + time.Duration(a.dice.Int64N(int64(high-low)))
}

// acknowledgeDelay is how long the venue takes to answer, as measured on a paper account; crypto is quicker.
func (a *Account) acknowledgeDelay(e *entry) time.Duration {
	delay := a.between(5*time.Millisecond, 30*time.Millisecond)
	if e.Asset.Class == asset.Crypto {
		delay = time.Millisecond
	}
	if fill := a.exchange.settings.FillLatency; fill > 0 {
		return min(delay, fill)
	}
	return delay
}

// fillDelay is how long after its submission an order is first looked at; crypto was seen to fill within 1 to 3 ms.
func (a *Account) fillDelay(e *entry) time.Duration {
	if fill := a.exchange.settings.FillLatency; fill > 0 {
		return fill
	}
	if e.Asset.Class == asset.Crypto {
		return a.between(time.Millisecond, 3*time.Millisecond)
	}
	return a.between(30*time.Millisecond, 800*time.Millisecond)
}

// fillSize draws how much of an order is filled now: usually all, sometimes a part from one share to all but one;
// an order in dollars is never split.
func (a *Account) fillSize(e *entry, remaining decimal.Decimal) decimal.Decimal {
	if e.Notional != nil || e.TimeInForce == FillOrKill || a.dice.Float64() >= a.exchange.settings.PartialFillProbability {
		return remaining
	}
	whole, err := remaining.Trunc(0).Int64()
	if err != nil || whole < 2 {
		return remaining
	}
	return decimal.FromInt(1 + a.dice.Int64N(whole-1))
}
