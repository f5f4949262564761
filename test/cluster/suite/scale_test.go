package suite

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestScaleFromZeroByRequest(t *testing.T) {
	token := shared.token(t, accountNumber(1))
	shared.toZero(t, "quote")
	begun := time.Now()
	shared.call(t, http.StatusOK, http.MethodGet, "/api/v1/stocks/AAPL/quote", token, "")
	t.Logf("answered %s after it was asked", time.Since(begun).Round(time.Millisecond))
}

func TestScaleFromZeroByEvent(t *testing.T) {
	shared.marketOpen(t)
	own := accountNumber(5)
	token := shared.token(t, own)
	shared.toZero(t, "order")
	id := "from-zero-" + random()
	begun := time.Now()
	shared.publish(t, orderCommand(t, own, id))
	t.Logf("handled %s after it was published", time.Since(begun).Round(time.Millisecond))
	if n := shared.ordersOf(t, token, id); n != 1 {
		t.Errorf("%d orders", n)
	}
}

// TestScaleUpAndDown keeps sixty requests in flight where ten are what a pod is made for: the emulated Alpaca takes a
// second for each answer, and every worker asks for another symbol.
func TestScaleUpAndDown(t *testing.T) {
	token := shared.token(t, accountNumber(1))
	shared.emulator(t, "/emulator/faults", `{"route":"GET /v2/stocks*","kind":"latency","latency_ms":1000}`)
	t.Cleanup(func() { shared.clearFaults(t) })
	paths := make([]string, 0, 60)
	for symbol := range strings.FieldsSeq(`AAPL MSFT NVDA AMZN GOOGL GOOG META TSLA AVGO COST NFLX AMD ADBE CSCO PEP TMUS INTC QCOM TXN AMGN
		INTU HON AMAT BKNG ISRG SBUX GILD ADP MDLZ VRTX REGN LRCX MU PANW KLAC SNPS CDNS MELI CRWD MAR ORLY CTAS MRVL FTNT ABNB DASH
		WDAY TEAM PYPL ROST MNST KDP KHC CSX PCAR ODFL FAST PAYX CPRT EA`) {
		paths = append(paths, "/api/v1/stocks/"+symbol+"/quote")
	}
	load := shared.startLoad(t, len(paths), 0, token, paths...)
	most := 0
	eventually(t, "a burst makes pods", func() (bool, string) {
		ready := 0
		for _, p := range shared.pods(t, "quote") {
			if p.ready() {
				ready++
			}
		}
		most = max(most, ready)
		return most >= 3, fmt.Sprintf("%d ready", most)
	})
	requests, failed := load.stop()
	t.Logf("%d requests, %d pods", requests, most)
	if len(failed) > 0 {
		t.Errorf("%d of %d requests failed: %s", len(failed), requests, failed[0])
	}
	shared.toZero(t, "quote")
}

// TestNoRequestFails rolls out, kills pods and lets the function shrink under a steady stream of requests.
func TestNoRequestFails(t *testing.T) {
	shared.marketOpen(t)
	token := shared.token(t, accountNumber(6))
	for _, service := range []struct{ name, path string }{
		{"quote", "/api/v1/stocks/MSFT/quote"}, {"account", "/api/v1/account"}, {"order", "/api/v1/orders"},
	} {
		t.Run(service.name, func(t *testing.T) {
			// Two workers at a time ask ten times a second each: an account may read 120 times a minute.
			pause := 100 * time.Millisecond
			if service.name != "quote" {
				pause = 1200 * time.Millisecond
			}
			load := shared.startLoad(t, 2, pause, token, service.path)
			eventually(t, "it runs", func() (bool, string) { return len(shared.pods(t, service.name)) > 0, "no pod" })
			shared.roll(t, service.name)
			// A second pod, so that one can go.
			shared.scaleTo(t, service.name, "2")
			eventually(t, "two pods are ready", func() (bool, string) {
				pods := shared.pods(t, service.name)
				return len(pods) >= 2 && pods[0].ready() && pods[1].ready(), fmt.Sprintf("%d pods", len(pods))
			})
			shared.k(t, "delete", "pod", shared.pods(t, service.name)[0].Metadata.Name, "--wait=false")
			eventually(t, "the killed pod is replaced", func() (bool, string) {
				pods := shared.pods(t, service.name)
				return len(pods) >= 2 && pods[0].ready() && pods[1].ready(), fmt.Sprintf("%d pods", len(pods))
			})
			shared.scaleTo(t, service.name, "")
			eventually(t, "it shrinks", func() (bool, string) {
				n := len(shared.pods(t, service.name))
				return n == 1, fmt.Sprintf("%d pods", n)
			})
			requests, failed := load.stop()
			if len(failed) > 0 {
				t.Errorf("%d of %d requests failed: %s", len(failed), requests, strings.Join(failed[:min(3, len(failed))], "; "))
			}
			t.Logf("%d requests, none lost", requests)
		})
	}
}

// scaleTo sets min-scale of the Revision that serves, as the warm-up does; empty takes it away.
func (c *cluster) scaleTo(t *testing.T, service, pods string) {
	t.Helper()
	value := "null"
	if pods != "" {
		value = `"` + pods + `"`
	}
	c.k(t, "patch", "revision", c.revision(t, service), "--type=merge", "-p",
		`{"metadata":{"annotations":{"autoscaling.knative.dev/min-scale":`+value+`}}}`)
}

// load is requests without end.
type load struct {
	done     chan struct{}
	once     sync.Once
	workers  sync.WaitGroup
	requests atomic.Int64
	mu       sync.Mutex
	failed   []string
}

// startLoad keeps workers asking, each for one of the paths and with a pause between two requests. 429 is an answer like any other:
// the limit is the account's.
func (c *cluster) startLoad(t *testing.T, workers int, pause time.Duration, token string, paths ...string) *load {
	l := &load{done: make(chan struct{})}
	t.Cleanup(func() { l.stop() }) // also when the test ends early: a load that goes on would be everybody's
	client := httpClient()
	for i := range workers {
		path := paths[i%len(paths)]
		l.workers.Go(func() {
			for {
				select {
				case <-l.done:
					return
				case <-time.After(pause):
				}
				a, err := c.send(client, routeHost, http.MethodGet, path, token, "")
				l.requests.Add(1)
				if err == nil && (a.status == http.StatusOK || a.status == http.StatusTooManyRequests) {
					continue
				}
				l.mu.Lock()
				l.failed = append(l.failed, fmt.Sprintf("%s: %d %.200s %v", time.Now().Format(time.TimeOnly), a.status, a.text, err))
				l.mu.Unlock()
			}
		})
	}
	return l
}

func (l *load) stop() (requests int64, failed []string) {
	l.once.Do(func() { close(l.done) })
	l.workers.Wait()
	return l.requests.Load(), l.failed
}
