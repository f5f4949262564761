package event

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

// Event is a CloudEvent.
type Event = event.Event

// The extension attributes that the project uses; their names and forms are CloudEvents' documented extensions,
// but for proof and tick, which are ours.
const (
	ExtensionPartitionKey  = "partitionkey"
	ExtensionSequence      = "sequence"
	ExtensionTraceparent   = "traceparent"
	ExtensionCorrelationID = "correlationid"
	ExtensionCausationID   = "causationid"
	ExtensionExpiryTime    = "expirytime"
	ExtensionProof         = "proof"
	// ExtensionTick says what a PingSource's tick is for, one of the Tick constants.
	ExtensionTick = "tick"
)

// What ticks are for.
const (
	TickSession = "session"
	TickSweep   = "sweep"
)

// Prover signs what makes a command genuine: its ID, its type and the exact bytes of its data.
type Prover func(eventID, eventType string, data []byte) (proof string, err error)

// Option adds something to an event that New makes.
type Option func(*draft)

type draft struct {
	event      Event
	extensions map[string]any
	prove      Prover
}

// WithID sets the ID instead of a new ULID: for events whose ID must be the same when they are made again.
func WithID(id string) Option { return func(d *draft) { d.event.SetID(id) } }

// WithSubject sets subject and partitionkey for an event that belongs to no account, for example a symbol.
func WithSubject(subject string) Option {
	return func(d *draft) {
		d.event.SetSubject(subject)
		d.extensions[ExtensionPartitionKey] = subject
	}
}

// WithSequence sets the sequence extension, padded to 20 digits because sequences compare as text.
func WithSequence(n uint64) Option { return with(ExtensionSequence, fmt.Sprintf("%020d", n)) }

// WithCorrelation sets correlationid: the ID of the whole flow that the event is part of.
func WithCorrelation(id string) Option { return with(ExtensionCorrelationID, id) }

// WithCausation sets causationid: the ID of the event or request that led to this one.
func WithCausation(id string) Option { return with(ExtensionCausationID, id) }

// WithExpiry sets expirytime; a handler that gets the event later leaves it alone.
func WithExpiry(at time.Time) Option { return with(ExtensionExpiryTime, at.UTC()) }

// WithTraceparent sets the W3C trace context; an empty one is left out.
func WithTraceparent(traceparent string) Option { return with(ExtensionTraceparent, traceparent) }

// WithProof sets the proof extension to what prove returns for the finished event.
func WithProof(prove Prover) Option { return func(d *draft) { d.prove = prove } }

func with(name string, value any) Option {
	return func(d *draft) { d.extensions[name] = value }
}

// Builder makes events. The zero value uses the machine's clock and random source; it may be used concurrently
// if its Entropy may.
type Builder struct {
	// Clock gives time and ID their time; nil is the machine's.
	Clock clock.Clock
	// Entropy gives the ID its random part; nil is crypto/rand.
	Entropy io.Reader
}

// New makes an event with the zero Builder.
func New(eventType, source, accountID string, data any, options ...Option) (Event, error) {
	return Builder{}.New(eventType, source, accountID, data, options...)
}

// New makes a valid event of a known type about an account (empty for none). Data is marshalled to JSON. The error
// says which attribute is wrong.
func (b Builder) New(eventType, source, accountID string, data any, options ...Option) (Event, error) {
	if !Known(eventType) {
		return Event{}, fmt.Errorf("make event: unknown type %q", eventType)
	}
	now := b.now()
	d := &draft{event: event.New(event.CloudEventsVersionV1), extensions: make(map[string]any, 4)}
	d.event.SetType(eventType)
	d.event.SetSource(source)
	d.event.SetTime(now)
	d.event.SetDataSchema(SchemaURI(eventType))
	if accountID != "" {
		WithSubject(accountID)(d)
	}
	for _, option := range options {
		option(d)
	}
	if err := b.ensureID(d, now); err != nil {
		return Event{}, err
	}
	if err := d.finish(data); err != nil {
		return Event{}, fmt.Errorf("make event %s: %w", eventType, err)
	}
	return d.event, nil
}

func (b Builder) now() time.Time {
	if b.Clock == nil {
		return time.Now().UTC()
	}
	return b.Clock.Now().UTC()
}

func (b Builder) ensureID(d *draft, now time.Time) error {
	if d.event.ID() != "" {
		return nil
	}
	entropy := b.Entropy
	if entropy == nil {
		entropy = rand.Reader
	}
	id, err := ulid.New(ulid.Timestamp(now), entropy)
	if err != nil {
		return fmt.Errorf("make event ID: %w", err)
	}
	d.event.SetID(id.String())
	return nil
}

// finish adds data, extensions and proof, in this order because the proof covers the data's bytes.
func (d *draft) finish(data any) error {
	body, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("marshal data: %w", err)
	}
	if err := d.event.SetData(event.ApplicationJSON, body); err != nil {
		return fmt.Errorf("set data: %w", err)
	}
	if d.prove != nil {
		proof, err := d.prove(d.event.ID(), d.event.Type(), body)
		if err != nil {
			return fmt.Errorf("prove: %w", err)
		}
		d.extensions[ExtensionProof] = proof
	}
	for name, value := range d.extensions {
		if value != "" {
			d.event.SetExtension(name, value)
		}
	}
	if err := d.event.Validate(); err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	return nil
}

// Extension returns an extension attribute's text, or "" when the event has none of that name.
func Extension(e Event, name string) string {
	value, found := e.Extensions()[name]
	if !found {
		return ""
	}
	text, err := formatAttribute(value)
	if err != nil {
		return ""
	}
	return text
}

// Expiry returns the event's expirytime. The error is for one that is no RFC 3339 time.
func Expiry(e Event) (at time.Time, found bool, err error) {
	text := Extension(e, ExtensionExpiryTime)
	if text == "" {
		return time.Time{}, false, nil
	}
	at, err = time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("%s: %w", ExtensionExpiryTime, err)
	}
	return at, true, nil
}
