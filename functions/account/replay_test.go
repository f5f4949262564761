package account

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// sink is a broker that keeps what it takes.
type sink struct {
	server *httptest.Server

	mu     sync.Mutex
	status int
	taken  []event.Event
}

func startSink(t testing.TB) *sink {
	t.Helper()
	s := &sink{status: http.StatusAccepted}
	s.server = httptest.NewServer(s)
	t.Cleanup(s.server.Close)
	return s
}

func (s *sink) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, err := event.ReadRequest(w, r, 1<<20)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil && s.status == http.StatusAccepted {
		s.taken = append(s.taken, e)
	}
	w.WriteHeader(s.status)
}

func (s *sink) answer(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status = status
}

func (s *sink) events() []event.Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event.Event(nil), s.taken...)
}

func withSink(s *sink) func(*Config) { return func(c *Config) { c.Sink = s.server.URL } }

// letters are the dead letters as the list has them.
func (f *fixture) letters() []DeadLetter {
	f.t.Helper()
	return decodeData[DeadLetterPage](f.t, f.get("/api/v1/admin/dead-letters", f.token(operator, auth.PermissionAdmin))).DeadLetters
}

// buried delivers an event to the dead letters as Knative does, and returns it as listed.
func (f *fixture) buried(e event.Event) DeadLetter {
	f.t.Helper()
	e.SetExtension(extensionErrorDest, "http://order/events")
	e.SetExtension(extensionErrorCode, 503)
	if status := f.deliver("/events/dead-letters", e); status != http.StatusAccepted {
		f.t.Fatalf("not kept: %d", status)
	}
	return f.letters()[0]
}

func (f *fixture) replay(id string, permissions ...auth.Permission) answer {
	f.t.Helper()
	return f.do(http.MethodPost, "/api/v1/admin/dead-letters/"+id+"/replay", f.token(operator, permissions...), "")
}

// command is an order command of alice's whose proof her own secret signed, as an outside producer does it.
func (f *fixture) command(options ...event.Option) event.Event {
	f.t.Helper()
	prove := event.WithProof(func(id, eventType string, data []byte) (string, error) {
		return auth.SignProofWithSecret(alice, "secret-of-alice", []auth.Permission{auth.PermissionTrade}, id, eventType, data, time.Minute, f.clock)
	})
	data := map[string]any{"account_id": alice, "order": map[string]any{"symbol": "AAPL"}}
	return makeEvent(f.t, event.TypeOrderRequested, alice, data, append([]event.Option{prove}, options...)...)
}

func TestReplayOfACommandGetsANewProof(t *testing.T) {
	t.Parallel()
	broker := startSink(t)
	f := newFixture(t, withSink(broker))
	sent := f.command()
	letter := f.buried(sent)
	if !letter.Replayable {
		t.Fatalf("not replayable: %+v", letter)
	}
	f.pass(time.Hour) // the proof it came with is long out of date
	if got := f.replay(letter.DeadLetterID, auth.PermissionAdmin); got.status != http.StatusOK {
		t.Fatalf("%d %s", got.status, got.text)
	}
	taken := broker.events()
	if len(taken) != 1 {
		t.Fatalf("%d events reached the broker", len(taken))
	}
	e := taken[0]
	if e.ID() != sent.ID() || e.Source() != sent.Source() || string(e.Data()) != string(sent.Data()) || event.Extension(e, extensionErrorDest) != "" {
		t.Errorf("not the same event: %s", e)
	}
	proofs, err := auth.NewProofVerifier(f.platform.Keys, vault.Secrets{Accounts: f.platform.Accounts}, f.clock)
	if err != nil {
		t.Fatal(err)
	}
	proof, err := proofs.Verify(t.Context(), event.Extension(e, event.ExtensionProof), e.ID(), e.Type(), e.Data())
	if err != nil || proof.AccountID != alice || len(proof.Permissions) != 1 || proof.Permissions[0] != auth.PermissionTrade {
		t.Errorf("proof %+v, %v", proof, err)
	}
	if len(f.letters()) != 0 {
		t.Error("a replayed letter is still listed")
	}
	if got := f.replay(letter.DeadLetterID, auth.PermissionAdmin); got.status != http.StatusNotFound || got.Error.Code != "DEAD_LETTER_NOT_FOUND" {
		t.Errorf("replayed again: %d %s", got.status, got.text)
	}
}

func (f *fixture) refusedForItsProof(name string, e event.Event) {
	f.t.Helper()
	letter := f.buried(e)
	got := f.replay(letter.DeadLetterID, auth.PermissionAdmin)
	if letter.Replayable || got.status != http.StatusBadRequest || !strings.Contains(got.Error.Message, "proof") {
		f.t.Errorf("%s: replayable %t, %d %s", name, letter.Replayable, got.status, got.text)
	}
}

// TestNoReplayMakesACommandGenuine: whoever can reach the broker can bury a forged command; replaying everything must
// not turn it into an order.
func TestNoReplayMakesACommandGenuine(t *testing.T) {
	t.Parallel()
	broker := startSink(t)
	f := newFixture(t, withSink(broker))
	forged := f.command()
	forged.SetExtension(event.ExtensionProof, "eyJhbGciOiJIUzI1NiJ9.e30.x")
	unproven := f.command()
	unproven.SetExtension(event.ExtensionProof, nil)
	changed := f.command()
	if err := changed.SetData("application/json", []byte(`{"account_id":"alice","order":{"symbol":"TSLA"}}`)); err != nil {
		t.Fatal(err)
	}
	late := f.command()
	for name, e := range map[string]event.Event{"forged": forged, "without proof": unproven, "other data": changed} {
		f.refusedForItsProof(name, e)
	}
	f.pass(2 * time.Minute)
	f.refusedForItsProof("out of date", late)
	if n := len(broker.events()); n != 0 {
		t.Errorf("%d events reached the broker", n)
	}
}

// TestNoReplayOfACommandThatNobodyCanRead: not even with a genuine proof: it would be refused and come back for good.
func TestNoReplayOfACommandThatNobodyCanRead(t *testing.T) {
	t.Parallel()
	broker := startSink(t)
	f := newFixture(t, withSink(broker))
	e := f.command()
	e.DataEncoded = []byte(`{"account_id":"alice","order":{"qty":1,}}`)
	proof, err := auth.SignProofWithSecret(alice, "secret-of-alice", []auth.Permission{auth.PermissionTrade}, e.ID(), e.Type(), e.Data(), time.Minute, f.clock)
	if err != nil {
		t.Fatal(err)
	}
	e.SetExtension(event.ExtensionProof, proof)
	letter := f.buried(e)
	if letter.Replayable {
		t.Errorf("replayable: %+v", letter)
	}
	if got := f.replay(letter.DeadLetterID, auth.PermissionAdmin); got.status != http.StatusBadRequest || !strings.Contains(got.text, "JSON") {
		t.Errorf("%d %s", got.status, got.text)
	}
	if taken := broker.events(); len(taken) != 0 {
		t.Errorf("%d events reached the broker", len(taken))
	}
}

func TestReplayRefusals(t *testing.T) {
	t.Parallel()
	broker := startSink(t)
	f := newFixture(t, withSink(broker))
	tick := func(options ...event.Option) event.Event {
		return makeEvent(t, event.TypeSweepTick, "", event.SweepTick{}, options...)
	}
	letter := f.buried(tick())
	if got := f.replay(letter.DeadLetterID, auth.PermissionTrade); got.status != http.StatusForbidden {
		t.Errorf("without admin: %d", got.status)
	}
	for id, status := range map[string]int{"x": http.StatusBadRequest, "1-1": http.StatusNotFound} {
		if got := f.replay(id, auth.PermissionAdmin); got.status != status {
			t.Errorf("%s: %d %s", id, got.status, got.text)
		}
	}
	for status, want := range map[int]int{http.StatusBadRequest: http.StatusBadRequest, http.StatusServiceUnavailable: http.StatusServiceUnavailable} {
		broker.answer(status)
		if got := f.replay(letter.DeadLetterID, auth.PermissionAdmin); got.status != want || len(f.letters()) != 1 {
			t.Errorf("the broker says %d: %d, %d letters", status, got.status, len(f.letters()))
		}
	}
	broker.answer(http.StatusAccepted)
	expired := f.buried(tick(event.WithExpiry(f.clock.Now().Add(time.Minute))))
	f.pass(2 * time.Minute)
	if got := f.replay(expired.DeadLetterID, auth.PermissionAdmin); got.status != http.StatusBadRequest || !strings.Contains(got.Error.Message, "expirytime") {
		t.Errorf("expired: %d %s", got.status, got.text)
	}
	if got := f.replay(letter.DeadLetterID, auth.PermissionAdmin); got.status != http.StatusOK || len(broker.events()) != 1 {
		t.Errorf("in the end: %d %s", got.status, got.text)
	}
}

func TestReplayWithoutABroker(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	letter := f.buried(makeEvent(t, event.TypeSweepTick, "", event.SweepTick{}))
	if got := f.replay(letter.DeadLetterID, auth.PermissionAdmin); got.status != http.StatusServiceUnavailable || len(f.letters()) != 1 {
		t.Errorf("%d %s", got.status, got.text)
	}
}

func TestDeleteDeadLetter(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	letter := f.buried(makeEvent(t, event.TypeSweepTick, "", event.SweepTick{}, event.WithID("gone")))
	path := "/api/v1/admin/dead-letters/" + letter.DeadLetterID
	if got := f.do(http.MethodDelete, path, f.token(alice, auth.PermissionTrade), ""); got.status != http.StatusForbidden {
		t.Errorf("without admin: %d", got.status)
	}
	got := f.do(http.MethodDelete, path, f.token(operator, auth.PermissionAdmin), "")
	var deleted DeadLetterID
	if err := json.Unmarshal(got.Data, &deleted); err != nil || got.status != http.StatusOK || deleted.EventID != "gone" || len(f.letters()) != 0 {
		t.Errorf("%d %s", got.status, got.text)
	}
	if got := f.do(http.MethodDelete, path, f.token(operator, auth.PermissionAdmin), ""); got.status != http.StatusNotFound {
		t.Errorf("again: %d", got.status)
	}
}
