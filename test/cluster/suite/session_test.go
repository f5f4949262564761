package suite

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func (c *cluster) emulatorAddress(t *testing.T) string {
	t.Helper()
	if address := os.Getenv("EMULATOR_ADMIN_URL"); address != "" {
		return address
	}
	return "http://" + c.k(t, "get", "service", "emulator", "-o", "jsonpath={.spec.clusterIP}") + ":4002"
}

// emulator calls the emulated Alpaca's admin address.
func (c *cluster) emulator(t *testing.T, path, body string) {
	t.Helper()
	response, err := http.Post(c.emulatorAddress(t)+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		t.Fatalf("emulator %s %s: %s", path, body, response.Status)
	}
}

// clearFaults lifts every fault of the emulator.
func (c *cluster) clearFaults(t *testing.T) {
	t.Helper()
	address := c.emulatorAddress(t)
	request, err := http.NewRequest(http.MethodDelete, address+"/emulator/faults", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

// newYork is a time of the exchange on a date.
func newYork(t *testing.T, date, clock string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	moment, err := time.ParseInLocation("2006-01-02 15:04:05", date+" "+clock, zone)
	if err != nil {
		t.Fatal(err)
	}
	return moment
}

// setClock moves the emulator's clock; it goes on from there.
func (c *cluster) setClock(t *testing.T, at time.Time) {
	t.Helper()
	c.emulator(t, "/emulator/clock", fmt.Sprintf(`{"time":%q}`, at.UTC().Format(time.RFC3339)))
}

// marketOpen puts the emulator's clock into a regular session: 11:00 on a Wednesday.
func (c *cluster) marketOpen(t *testing.T) {
	t.Helper()
	c.setClock(t, newYork(t, "2026-12-02", "11:00:00"))
}

// recorder keeps the events that a Trigger delivers to it.
type recorder struct {
	mu  sync.Mutex
	ids []string
}

func (r *recorder) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ids = append(r.ids, request.Header.Get("Ce-Id"))
	w.WriteHeader(http.StatusAccepted)
}

func (r *recorder) times(id string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, got := range r.ids {
		if got == id {
			n++
		}
	}
	return n
}

// record subscribes a recorder of this process to event types. The cluster reaches it at RECORDER_ADDRESS, on the lab the
// node's own.
func (c *cluster) record(t *testing.T, types ...string) *recorder {
	t.Helper()
	host := os.Getenv("RECORDER_ADDRESS")
	if host == "" {
		host = c.k(t, "get", "nodes", "-o", "jsonpath={.items[0].status.addresses[0].address}")
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("the cluster can't reach this machine (set RECORDER_ADDRESS to an address of it): %v", err)
	}
	r := &recorder{}
	server := httptest.NewUnstartedServer(r)
	_ = server.Listener.Close()
	server.Listener = listener
	server.Start()
	t.Cleanup(server.Close)
	var exact []any
	for _, eventType := range types {
		exact = append(exact, map[string]any{"exact": map[string]string{"type": eventType}})
	}
	c.apply(t, map[string]any{
		"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": map[string]string{"name": "suite-recorder"},
		"spec": map[string]any{
			"broker": "opitios", "filters": []any{map[string]any{"any": exact}}, "subscriber": map[string]string{"uri": server.URL},
		},
	})
	t.Cleanup(func() { c.k(t, "delete", "trigger", "suite-recorder") })
	c.k(t, "wait", "--for=condition=Ready", "trigger/suite-recorder", "--timeout=60s")
	return r
}

// TestSessionEvents moves the exchange's clock through a day while a PingSource ticks every two seconds.
func TestSessionEvents(t *testing.T) {
	types := []string{"ai.opitios.market.preopen", "ai.opitios.market.opened", "ai.opitios.market.closing", "ai.opitios.market.closed"}
	recorded := shared.record(t, types...)
	schedule := shared.k(t, "get", "pingsource", "session", "-o", "jsonpath={.spec.schedule}")
	tick := func(schedule string) {
		shared.k(t, "patch", "pingsource", "session", "--type=merge", "-p", fmt.Sprintf(`{"spec":{"schedule":%q}}`, schedule))
	}
	tick("*/2 * * * * *")
	t.Cleanup(func() { tick(schedule) })
	// Another Wednesday each time the suite runs, because what was announced is not announced again. No holiday of 2027
	// and 2028 is a Wednesday.
	date := time.Date(2027, 1, 6, 12, 0, 0, 0, time.UTC).AddDate(0, 0, 7*(int(time.Now().Unix()/60)%100)).Format(time.DateOnly)
	shared.forget(t, "market-session:*")
	for _, step := range []struct{ clock, session string }{
		{"09:20:00", "preopen"}, {"09:31:00", "opened"}, {"15:50:00", "closing"}, {"16:10:00", "closed"},
	} {
		shared.setClock(t, newYork(t, date, step.clock))
		id := "market-" + step.session + "-" + date
		eventually(t, id+" arrives", func() (bool, string) { return recorded.times(id) > 0, fmt.Sprint(recorded.ids) })
	}
	// Ticks go on: three more of them bring nothing new.
	ticks := recorded.times("market-opened-" + date)
	time.Sleep(7 * time.Second)
	for _, session := range []string{"preopen", "opened", "closing", "closed"} {
		if n := recorded.times("market-" + session + "-" + date); n != 1 {
			t.Errorf("%s came %d times", session, n)
		}
	}
	if ticks != 1 || len(recorded.ids) != 4 {
		t.Errorf("got %v", recorded.ids)
	}
	shared.marketOpen(t)
}
