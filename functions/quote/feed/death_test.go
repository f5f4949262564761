package feed_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// wire leads to Redis until it is cut, for good.
func (w *world) wire() (address string, cut func()) {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var mu sync.Mutex
	var open []net.Conn
	var copying sync.WaitGroup
	copying.Go(func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", w.redis.Addr())
			if err != nil {
				_ = near.Close()
				continue
			}
			mu.Lock()
			open = append(open, near, far)
			mu.Unlock()
			copying.Go(func() { _, _ = io.Copy(far, near); _ = far.Close() })
			copying.Go(func() { _, _ = io.Copy(near, far); _ = near.Close() })
		}
	})
	cut = sync.OnceFunc(func() {
		_ = listener.Close()
		mu.Lock()
		for _, conn := range open {
			_ = conn.Close()
		}
		mu.Unlock()
	})
	w.t.Cleanup(func() { cut(); copying.Wait() })
	return listener.Addr().String(), cut
}

// A leader that is gone from one moment to the next gives nothing back: its lease has to run out.
func TestLeaderThatDiesIsReplaced(t *testing.T) {
	t.Parallel()
	w := newWorld(t, access.AlgoTraderPlus)
	address, cut := w.wire()
	w.start("REDIS_URL", "redis://"+address)
	h := w.listen()
	stock := topic(tick.Stock, tick.Quote, "AAPL")
	w.watch(stock)
	eventually(t, "ticks", func() bool { return h.count(stock) > 2 })
	w.start()
	cut()
	eventually(t, "ticks of the next leader", func() bool { return h.leaders() == 2 })
	eventually(t, "the gap is told", func() bool { return w.status(tick.Stock).Gaps == 1 })
}
