package alpaca

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = "s3cr3t-that-must-not-appear"

var (
	testCredentials = Credentials{KeyID: "PKTEST", SecretKey: testSecret}
	testNow         = time.Date(2026, 9, 28, 14, 30, 0, 0, time.UTC)
)

// upstream is a fake Alpaca that counts what reaches it.
type upstream struct {
	server   *httptest.Server
	requests atomic.Int64
	mu       sync.Mutex
	limits   []RateLimit
	spent    []Spending
	broke    error // what Take answers
}

func startUpstream(t *testing.T, handler http.HandlerFunc) *upstream {
	t.Helper()
	up := &upstream{}
	up.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		up.requests.Add(1)
		handler(w, r)
	}))
	t.Cleanup(up.server.Close)
	return up
}

func (u *upstream) client(t *testing.T, change ...func(*Config)) *Client {
	t.Helper()
	cfg := Config{TradingURL: u.server.URL, DataURL: u.server.URL}
	for _, apply := range change {
		apply(&cfg)
	}
	return newTestClient(t, cfg, Dependencies{
		Clock:  clock.NewFake(testNow),
		Budget: u,
	})
}

// Take pays for every request.
func (u *upstream) Take(_ context.Context, spending Spending) (Spent, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.spent = append(u.spent, spending)
	return Spent{At: 1}, u.broke
}

// Answered notes what an answer said of the limit.
func (u *upstream) Answered(_ context.Context, _ Spending, _ Spent, limit RateLimit, _ int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if limit.Known() {
		u.limits = append(u.limits, limit)
	}
}

func newTestClient(t *testing.T, cfg Config, deps Dependencies) *Client {
	t.Helper()
	client, err := New(cfg, deps)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

// answering returns a handler that always writes the same answer.
func answering(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func testOrder() OrderRequest {
	qty := decimal.MustParse("1.5")
	return OrderRequest{
		Symbol: "AAPL", Qty: &qty, Side: SideBuy, Type: TypeMarket, TimeInForce: TimeInForceDay, ClientOrderID: "c-1",
	}
}

func place(ctx context.Context, c *Client) error {
	_, err := c.PlaceOrder(ctx, testCredentials, testOrder())
	return err
}
