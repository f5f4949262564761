package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// proven is whom a command's proof spoke for when the command came; the zero value when it had no genuine one.
type proven struct {
	account     string
	permissions []string
}

// prove checks the proof of a command. A wrong or missing one is no error: the event is kept all the same.
func (d *deadLetters) prove(ctx context.Context, e event.Event) (proven, error) {
	if !event.IsCommand(e.Type()) {
		return proven{}, nil
	}
	proof, err := d.proofs.Verify(ctx, event.Extension(e, event.ExtensionProof), e.ID(), e.Type(), e.Data())
	if errors.Is(err, problem.Unavailable) {
		return proven{}, err
	}
	if err != nil {
		return proven{}, nil //nolint:nilerr // the verdict is what is kept
	}
	result := proven{account: proof.AccountID}
	for _, permission := range proof.Permissions {
		result.permissions = append(result.permissions, string(permission))
	}
	return result, nil
}

// DeadLetterID is what became of one dead letter.
type DeadLetterID struct {
	DeadLetterID string `json:"dead_letter_id"`
	// EventID and Type are the event's own.
	EventID string `json:"event_id"`
	Type    string `json:"type"`
}

func (f *Function) replayDeadLetter(ctx context.Context, r *serve.Request[serve.None]) (DeadLetterID, error) {
	letter, err := f.deadLetters.find(ctx, r.PathValue("dead_letter_id"))
	if err != nil {
		return DeadLetterID{}, err
	}
	if f.platform.Publisher == nil {
		return DeadLetterID{}, problem.Unavailable.New("no broker is configured: K_SINK is empty")
	}
	e, err := f.deadLetters.renewed(letter)
	if err != nil {
		return DeadLetterID{}, err
	}
	switch err := f.platform.Publisher.Publish(ctx, e); {
	case errors.Is(err, event.ErrRefused):
		return DeadLetterID{}, problem.InvalidRequest.New("the broker refuses this event").Field("dead_letter_id").Because(err)
	case err != nil:
		return DeadLetterID{}, problem.Unavailable.New("the broker does not take the event right now").Because(err)
	}
	f.platform.Logger.Info("dead letter replayed", zap.String("dead_letter_id", letter.DeadLetterID),
		zap.String("event_id", letter.EventID), zap.String("event_type", letter.Type), zap.String("by", r.Claims.Subject))
	// After the publish: a letter that could not be taken out is replayed twice, which subscribers stand; one that was
	// taken out too early would be lost.
	if err := f.deadLetters.remove(context.WithoutCancel(ctx), letter.DeadLetterID); err != nil && !errors.Is(err, problem.DeadLetterNotFound) {
		return DeadLetterID{}, err
	}
	return DeadLetterID{DeadLetterID: letter.DeadLetterID, EventID: letter.EventID, Type: letter.Type}, nil
}

func (f *Function) deleteDeadLetter(ctx context.Context, r *serve.Request[serve.None]) (DeadLetterID, error) {
	letter, err := f.deadLetters.find(ctx, r.PathValue("dead_letter_id"))
	if err != nil {
		return DeadLetterID{}, err
	}
	if err := f.deadLetters.remove(ctx, letter.DeadLetterID); err != nil {
		return DeadLetterID{}, err
	}
	f.platform.Logger.Info("dead letter deleted", zap.String("dead_letter_id", letter.DeadLetterID),
		zap.String("event_id", letter.EventID), zap.String("event_type", letter.Type), zap.String("by", r.Claims.Subject))
	return DeadLetterID{DeadLetterID: letter.DeadLetterID, EventID: letter.EventID, Type: letter.Type}, nil
}

// find returns the dead letter with this ID.
func (d *deadLetters) find(ctx context.Context, id string) (DeadLetter, error) {
	if !validStreamID(id) {
		return DeadLetter{}, problem.InvalidRequest.New("dead_letter_id must be one of the list, such as 1763890200000-0").
			Field("dead_letter_id")
	}
	entries, err := d.client.XRangeN(ctx, store.DeadLettersKey(), id, id, 1).Result()
	if err != nil {
		return DeadLetter{}, problem.Unavailable.New("dead letters can't be read right now").Because(err)
	}
	if len(entries) == 0 {
		return DeadLetter{}, problem.DeadLetterNotFound.New("no dead letter has this ID: it was replayed or deleted, or never was")
	}
	return d.deadLetterOf(entries[0]), nil
}

func (d *deadLetters) remove(ctx context.Context, id string) error {
	removed, err := d.client.XDel(ctx, store.DeadLettersKey(), id).Result()
	if err != nil {
		return problem.Unavailable.New("the dead letter can't be removed right now").Because(err)
	}
	if removed == 0 {
		return problem.DeadLetterNotFound.New("the dead letter was replayed or deleted in the meantime")
	}
	return nil
}

// replayable returns the event of a letter, or why it must not be published again.
func (d *deadLetters) replayable(letter DeadLetter) (event.Event, error) {
	refuse := func(why string) (event.Event, error) {
		return event.Event{}, problem.InvalidRequest.New("%s", why).Field("dead_letter_id")
	}
	var e event.Event
	if err := json.Unmarshal(letter.Event, &e); err != nil || e.Context == nil || e.Validate() != nil {
		return refuse("it is no valid CloudEvent")
	}
	if at, expires, err := event.Expiry(e); err != nil || (expires && d.clock.Now().After(at)) {
		return refuse("its expirytime has passed: no subscriber would act on it")
	}
	if event.IsCommand(e.Type()) && letter.proven.account == "" {
		return refuse("its proof was missing, wrong or out of date when it came: nobody is known to have been entitled to it")
	}
	if event.IsCommand(e.Type()) && !json.Valid(e.Data()) {
		return refuse("its data is not JSON: it would be refused again")
	}
	return e, nil
}

// renewed returns the event as it is published again: without what the broker added, and a command with a new proof for
// whom the old one spoke.
func (d *deadLetters) renewed(letter DeadLetter) (event.Event, error) {
	e, err := d.replayable(letter)
	if err != nil {
		return event.Event{}, err
	}
	for _, name := range []string{extensionErrorDest, extensionErrorCode, extensionErrorData} {
		e.SetExtension(name, nil)
	}
	if !event.IsCommand(e.Type()) {
		return e, nil
	}
	permissions := make([]auth.Permission, len(letter.proven.permissions))
	for i, name := range letter.proven.permissions {
		permissions[i] = auth.Permission(name)
	}
	proof, err := d.issuer.SignProof(letter.proven.account, permissions, e.ID(), e.Type(), e.Data(), auth.MaximumProofTTL)
	if err != nil {
		return event.Event{}, fmt.Errorf("sign proof of a replay: %w", err)
	}
	e.SetExtension(event.ExtensionProof, proof)
	return e, nil
}
