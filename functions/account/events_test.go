package account

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// deliver posts an event in binary mode, as a broker does, and returns the answer's status.
func (f *fixture) deliver(path string, e event.Event) int {
	f.t.Helper()
	request := httptest.NewRequestWithContext(f.t.Context(), http.MethodPost, path, bytes.NewReader(nil))
	if err := cehttp.WriteRequest(binding.WithForceBinary(f.t.Context()), binding.ToMessage(&e), request); err != nil {
		f.t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, request)
	return recorder.Code
}

func makeEvent(t testing.TB, eventType, accountID string, data any, options ...event.Option) event.Event {
	t.Helper()
	made, err := event.New(eventType, "/test", accountID, data, options...)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestEventsDropTheSnapshots(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, eventType := range []string{
		event.TypeOrderAccepted, event.TypeOrderRejected, event.TypeOrderPartiallyFilled, event.TypeOrderFilled,
		event.TypeOrderCanceled, event.TypeOrderExpired, event.TypeOrderReplaced,
		event.TypePositionOpened, event.TypePositionChanged, event.TypePositionClosed,
	} {
		key := store.SnapshotKey(alice, "account")
		f.redis.HSet(key, "data", "old")
		// A lie about the account's own state changes nothing but that Alpaca is asked again.
		e := makeEvent(t, eventType, bob, map[string]any{"account_id": alice, "filled_qty": 1e9})
		if status := f.deliver("/events", e); status != http.StatusAccepted || f.redis.Exists(key) {
			t.Errorf("%s: %d, snapshot still there: %t", eventType, status, f.redis.Exists(key))
		}
		f.redis.HSet(key, "data", "new")
		if status := f.deliver("/events", e); status != http.StatusAccepted || !f.redis.Exists(key) {
			t.Errorf("%s again: %d, snapshot still there: %t", eventType, status, f.redis.Exists(key))
		}
		f.redis.Del(key)
	}
}

func TestPoison(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, test := range []struct {
		name string
		e    event.Event
	}{
		{"unknown account", makeEvent(t, event.TypeOrderFilled, alice, map[string]any{"account_id": "mallory"})},
		{"no account", makeEvent(t, event.TypeOrderFilled, alice, map[string]any{})},
		{"wrong type of account", makeEvent(t, event.TypeOrderFilled, alice, map[string]any{"account_id": 7})},
		{"a type that is not handled here", makeEvent(t, event.TypeSweepTick, "", event.SweepTick{})},
	} {
		if status := f.deliver("/events", test.e); status != http.StatusBadRequest {
			t.Errorf("%s: %d", test.name, status)
		}
	}
	f.redis.Close()
	if status := f.deliver("/events", makeEvent(t, event.TypeOrderFilled, alice, map[string]any{"account_id": alice})); status != http.StatusServiceUnavailable {
		t.Errorf("without Redis: %d", status)
	}
}

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin := f.token(operator, auth.PermissionAdmin)
	const proof = "eyJhbGciOiJIUzI1NiJ9.short-lived.credential"
	command := makeEvent(t, event.TypeOrderRequested, alice, map[string]any{"account_id": alice}, event.WithID("first"),
		event.WithProof(func(string, string, []byte) (string, error) { return proof, nil }))
	command.SetExtension("knativeerrordest", "http://order/events")
	command.SetExtension("knativeerrorcode", 400)
	command.SetExtension("knativeerrordata", base64.StdEncoding.EncodeToString([]byte("INVALID_REQUEST: symbol is required")))
	strange := makeEvent(t, event.TypeSweepTick, "", event.SweepTick{}, event.WithID("second"))
	strange.SetType("com.example.strange")
	for _, e := range []event.Event{command, strange} {
		if status := f.deliver("/events/dead-letters", e); status != http.StatusAccepted {
			t.Fatalf("%s: %d", e.ID(), status)
		}
		f.pass(time.Second)
	}
	if dump := f.redis.Dump(); strings.Contains(dump, "short-lived") || !strings.Contains(dump, "first") {
		t.Fatal("the proof was stored, or nothing was")
	}
	page := decodeData[DeadLetterPage](t, f.get("/api/v1/admin/dead-letters?limit=1", admin))
	if len(page.DeadLetters) != 1 || page.DeadLetters[0].EventID != "second" || page.NextBefore == nil {
		t.Fatalf("%+v", page)
	}
	page = decodeData[DeadLetterPage](t, f.get("/api/v1/admin/dead-letters?limit=1&before="+*page.NextBefore, admin))
	if len(page.DeadLetters) != 1 || page.NextBefore != nil {
		t.Fatalf("%+v", page)
	}
	letter := page.DeadLetters[0]
	if letter.EventID != "first" || letter.Destination != "http://order/events" || letter.Code != "400" ||
		letter.Reason != "INVALID_REQUEST: symbol is required" || !letter.ReceivedAt.Equal(start()) {
		t.Errorf("%+v", letter)
	}
	var whole event.Event
	if err := json.Unmarshal(letter.Event, &whole); err != nil || string(whole.Data()) != `{"account_id":"alice"}` ||
		event.Extension(whole, event.ExtensionProof) != "" || whole.Type() != event.TypeOrderRequested {
		t.Errorf("%v: %s", err, letter.Event)
	}
}

// TestDeadLettersKeepWhatIsNoJSON: the broker drops what is answered 400, so an event is kept whatever its data is.
func TestDeadLettersKeepWhatIsNoJSON(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, contentType, data string
		plain                   bool // listed as it is, not in base64
	}{
		{"JSON", "application/json", `{"account_id":"alice"}`, true},
		{"no data", "application/json", ``, true},
		{"lone surrogate", "application/json", `{"a":"\ud800"}`, true},
		{"syntax error", "application/json", `{"account_id":"alice","order":{"qty":1,}}`, false},
		{"trailing text", "application/json", `{"a":1} trailing`, false},
		{"trailing attribute", "application/json", `{"a":1},"subject":"mallory"`, false},
		{"syntax error in a JSON suffix", "application/cloud+json", `{`, false},
		{"not UTF-8", "application/json", "{\"a\":\"\xff\"}", false},
		{"binary", "application/octet-stream", "\x00\xff\xfe", false},
		{"JSON text", "text/plain", `"a"`, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			e := makeEvent(t, event.TypeOrderRequested, alice, map[string]any{}, event.WithID("poison"))
			e.SetDataContentType(test.contentType)
			e.DataEncoded, e.DataBase64 = []byte(test.data), false
			if status := f.deliver("/events/dead-letters", e); status != http.StatusAccepted {
				t.Fatalf("%d", status)
			}
			letters := f.letters()
			if len(letters) != 1 || letters[0].EventID != "poison" || letters[0].Replayable {
				t.Fatalf("%+v", letters)
			}
			var whole event.Event
			if err := json.Unmarshal(letters[0].Event, &whole); err != nil {
				t.Fatalf("%v in %s", err, letters[0].Event)
			}
			if string(whole.Data()) != test.data || whole.Subject() != alice || whole.DataContentType() != test.contentType {
				t.Errorf("got %q of %s", whole.Data(), letters[0].Event)
			}
			if plain := !strings.Contains(string(letters[0].Event), "data_base64"); plain != test.plain {
				t.Errorf("listed as %s", letters[0].Event)
			}
		})
	}
}

func TestDeadLettersOfTheOutbox(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	content, err := json.Marshal(makeEvent(t, event.TypeSweepTick, "", event.SweepTick{}, event.WithID("buried")))
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(content), "no event"} {
		if _, err := f.redis.XAdd(store.DeadLettersKey(), "*", []string{"event", text, "reason", "refused", "destination", "broker"}); err != nil {
			t.Fatal(err)
		}
	}
	page := decodeData[DeadLetterPage](t, f.get("/api/v1/admin/dead-letters", f.token(operator, auth.PermissionAdmin)))
	if len(page.DeadLetters) != 2 || string(page.DeadLetters[0].Event) != "null" || page.DeadLetters[1].EventID != "buried" ||
		page.DeadLetters[1].Type != event.TypeSweepTick || page.DeadLetters[1].Reason != "refused" {
		t.Fatalf("%+v", page)
	}
}

func TestDeadLetterQuery(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	admin := f.token(operator, auth.PermissionAdmin)
	for query, field := range map[string]string{
		"limit=0": "limit", "limit=501": "limit", "limit=x": "limit", "before=x": "before", "before=1": "before",
		"before=-1-0": "before", "after=1-0": "after",
	} {
		got := f.get("/api/v1/admin/dead-letters?"+query, admin)
		if got.status != 400 || got.Error.Details["field"] != field {
			t.Errorf("%s: %d %s", query, got.status, got.text)
		}
	}
	f.redis.SetError("LOADING")
	if status := f.deliver("/events/dead-letters", makeEvent(t, event.TypeSweepTick, "", event.SweepTick{})); status != 503 {
		t.Errorf("without Redis: %d", status)
	}
}
