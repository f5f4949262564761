package account

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

const (
	// maxDeadLetters bounds the stream; the oldest go first.
	maxDeadLetters = 100_000
	// defaultPage and maxPage are how many dead letters one answer has.
	defaultPage = 100
	maxPage     = 500
)

// The extensions that Knative adds to a dead letter (knative/eventing, pkg/kncloudevents/attributes).
const (
	extensionErrorDest = "knativeerrordest"
	extensionErrorCode = "knativeerrorcode"
	extensionErrorData = "knativeerrordata"
)

// DeadLetter is an event that no subscriber would take, or that the broker refused.
type DeadLetter struct {
	// DeadLetterID is its place in the list; EventID, Type and Source are the event's own.
	DeadLetterID string    `json:"dead_letter_id"`
	ReceivedAt   time.Time `json:"received_at"`
	EventID      string    `json:"event_id"`
	Type         string    `json:"type"`
	Source       string    `json:"source"`
	// Destination is who refused it, Code the HTTP status of the refusal, Reason the beginning of its text.
	Destination string `json:"destination"`
	Code        string `json:"code"`
	Reason      string `json:"reason"`
	// Replayable tells whether a replay is possible; the replay itself says why not.
	Replayable bool `json:"replayable"`
	// Event is the whole CloudEvent in its JSON form, without its proof; data that is no JSON is in data_base64.
	Event json.RawMessage `json:"event"`

	proven proven
}

// DeadLetterPage is a part of the dead letters, newest first.
type DeadLetterPage struct {
	DeadLetters []DeadLetter `json:"dead_letters"`
	// NextBefore is the value of before for the next page; null when this is the last.
	NextBefore *string `json:"next_before"`
}

// deadLetterRedis is what the dead letters need of a client.
type deadLetterRedis interface {
	XAdd(ctx context.Context, a *redis.XAddArgs) *redis.StringCmd
	XRevRangeN(ctx context.Context, stream, start, stop string, count int64) *redis.XMessageSliceCmd
	XRangeN(ctx context.Context, stream, start, stop string, count int64) *redis.XMessageSliceCmd
	XDel(ctx context.Context, stream string, ids ...string) *redis.IntCmd
}

// deadLetters keeps them in a stream in Redis. Safe for concurrent use.
type deadLetters struct {
	client deadLetterRedis
	clock  clock.Clock
	logger *zap.Logger
	proofs *auth.ProofVerifier
	issuer *auth.Issuer
}

func newDeadLetters(
	client deadLetterRedis, clk clock.Clock, logger *zap.Logger, proofs *auth.ProofVerifier, issuer *auth.Issuer,
) *deadLetters {
	return &deadLetters{client: client, clock: clk, logger: logger, proofs: proofs, issuer: issuer}
}

// keep stores one event. Its proof is left out: until it expires it is a credential. What is kept is whom it spoke for,
// if it was genuine: only then may a replay give the command a new one.
func (d *deadLetters) keep(ctx context.Context, e event.Event) error {
	proven, err := d.prove(ctx, e)
	if err != nil {
		return err
	}
	kept := e.Clone()
	kept.SetExtension(event.ExtensionProof, nil)
	// What is wrong with it may be its data, which would be written into the JSON as it is: in base64 it stays itself.
	if data := kept.Data(); len(data) > 0 && (!json.Valid(data) || !utf8.Valid(data)) {
		kept.DataBase64 = true
	}
	whole, err := json.Marshal(kept)
	if err != nil {
		return problem.InvalidRequest.New("the event can't be written as JSON").Because(err)
	}
	err = d.client.XAdd(ctx, &redis.XAddArgs{
		Stream: store.DeadLettersKey(), MaxLen: maxDeadLetters, Approx: true,
		Values: map[string]any{
			"id": e.ID(), "type": e.Type(), "source": e.Source(), "received": d.clock.Now().UTC().Format(time.RFC3339Nano),
			"destination": event.Extension(e, extensionErrorDest), "code": event.Extension(e, extensionErrorCode),
			"reason": errorText(event.Extension(e, extensionErrorData)), "event": whole,
			"proven_account": proven.account, "proven_permissions": strings.Join(proven.permissions, " "),
		},
	}).Err()
	if err != nil {
		return problem.Unavailable.New("the dead letter can't be stored right now").Because(err)
	}
	return nil
}

// errorText decodes knativeerrordata, which is base64 of the answer's body since Knative 1.11.
func errorText(data string) string {
	decoded, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return strings.ToValidUTF8(data, "")
	}
	return strings.ToValidUTF8(string(decoded), "")
}

func (f *Function) handleDeadLetters() {
	id := serve.Parameter{
		Name: "dead_letter_id", In: serve.InPath, Required: true, Description: "As the list has it.", Example: "1763890200000-0",
	}
	serve.Handle(f.router, serve.Operation{
		ID: "listDeadLetters", Method: http.MethodGet, Path: "/api/v1/admin/dead-letters", Tag: "admin",
		Summary: "Events that no subscriber would take, newest first", Permission: auth.PermissionAdmin,
		Limit: platform.LimitAccount, Problems: []*problem.Kind{problem.Unavailable},
		Parameters: []serve.Parameter{
			{Name: "limit", In: serve.InQuery, Description: fmt.Sprintf("How many, 1 to %d; %d without it.", maxPage, defaultPage)},
			{Name: "before", In: serve.InQuery, Description: "Only those before this dead_letter_id.", Example: "1763890200000-0"},
		},
	}, f.listDeadLetters)
	serve.Handle(f.router, serve.Operation{
		ID: "replayDeadLetter", Method: http.MethodPost, Path: "/api/v1/admin/dead-letters/{dead_letter_id}/replay", Tag: "admin",
		Summary: "Publish a dead letter's event again", Permission: auth.PermissionAdmin, Limit: platform.LimitAccount,
		Description: "The event goes to the broker with its own id and source, so what has been done already is not done " +
			"twice, and leaves the list. If it is refused again it comes back under another dead_letter_id. A command " +
			"gets a new proof if its own was genuine when it came; otherwise, past its expirytime, or if its data is no JSON, it is not replayed.",
		Parameters: []serve.Parameter{id}, Problems: []*problem.Kind{problem.DeadLetterNotFound, problem.Unavailable},
	}, f.replayDeadLetter)
	serve.Handle(f.router, serve.Operation{
		ID: "deleteDeadLetter", Method: http.MethodDelete, Path: "/api/v1/admin/dead-letters/{dead_letter_id}", Tag: "admin",
		Summary: "Forget a dead letter", Permission: auth.PermissionAdmin, Limit: platform.LimitAccount,
		Parameters: []serve.Parameter{id}, Problems: []*problem.Kind{problem.DeadLetterNotFound, problem.Unavailable},
	}, f.deleteDeadLetter)
}

func (f *Function) listDeadLetters(ctx context.Context, r *serve.Request[serve.None]) (DeadLetterPage, error) {
	query := r.URL.Query()
	limit, err := pageLimit(query.Get("limit"))
	if err != nil {
		return DeadLetterPage{}, err
	}
	before := query.Get("before")
	if before != "" && !validStreamID(before) {
		return DeadLetterPage{}, problem.InvalidRequest.New("before must be a dead_letter_id, such as 1763890200000-0").Field("before")
	}
	page, err := f.deadLetters.list(ctx, limit, before)
	if err != nil {
		return DeadLetterPage{}, problem.Unavailable.New("dead letters can't be read right now").Because(err)
	}
	return page, nil
}

func pageLimit(text string) (int, error) {
	if text == "" {
		return defaultPage, nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxPage {
		return 0, problem.InvalidRequest.New("limit must be a number from 1 to %d", maxPage).Field("limit")
	}
	return limit, nil
}

// validStreamID accepts the ID of an entry of a Redis stream, milliseconds-sequence.
func validStreamID(id string) bool {
	milliseconds, sequence, found := strings.Cut(id, "-")
	_, errMilliseconds := strconv.ParseUint(milliseconds, 10, 64)
	_, errSequence := strconv.ParseUint(sequence, 10, 64)
	return found && errMilliseconds == nil && errSequence == nil
}

// list returns one page; it reads one entry more to know whether there is another.
func (d *deadLetters) list(ctx context.Context, limit int, before string) (DeadLetterPage, error) {
	from := "+"
	if before != "" {
		from = "(" + before
	}
	entries, err := d.client.XRevRangeN(ctx, store.DeadLettersKey(), from, "-", int64(limit)+1).Result()
	if err != nil {
		return DeadLetterPage{}, fmt.Errorf("read dead letters: %w", err)
	}
	page := DeadLetterPage{DeadLetters: make([]DeadLetter, 0, min(limit, len(entries)))}
	if len(entries) > limit {
		entries = entries[:limit]
		page.NextBefore = &entries[limit-1].ID
	}
	for _, entry := range entries {
		page.DeadLetters = append(page.DeadLetters, d.deadLetterOf(entry))
	}
	return page, nil
}

// deadLetterOf reads an entry, also one that the outbox buried, which has the event and the reason only.
func (d *deadLetters) deadLetterOf(entry redis.XMessage) DeadLetter {
	text := func(name string) string { value, _ := entry.Values[name].(string); return value }
	letter := DeadLetter{
		DeadLetterID: entry.ID, EventID: text("id"), Type: text("type"), Source: text("source"),
		Destination: text("destination"), Code: text("code"), Reason: text("reason"), Event: json.RawMessage("null"),
	}
	if received, err := time.Parse(time.RFC3339Nano, text("received")); err == nil {
		letter.ReceivedAt = received
	} else {
		milliseconds, _, _ := strings.Cut(entry.ID, "-")
		number, _ := strconv.ParseInt(milliseconds, 10, 64) // Redis itself wrote it
		letter.ReceivedAt = time.UnixMilli(number).UTC()
	}
	if whole := text("event"); json.Valid([]byte(whole)) {
		letter.Event = json.RawMessage(whole)
	}
	if letter.EventID == "" {
		letter.nameEvent()
	}
	letter.proven = proven{account: text("proven_account"), permissions: strings.Fields(text("proven_permissions"))}
	_, err := d.replayable(letter)
	letter.Replayable = err == nil
	return letter
}

// nameEvent fills in what the entry itself does not say.
func (l *DeadLetter) nameEvent() {
	var attributes struct{ ID, Type, Source string }
	if json.Unmarshal(l.Event, &attributes) == nil {
		l.EventID, l.Type, l.Source = attributes.ID, attributes.Type, attributes.Source
	}
}
