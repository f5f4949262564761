package crossing

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

//go:embed create.lua
var createLua string

//go:embed delete.lua
var deleteLua string

//go:embed load.lua
var loadLua string

//go:embed change.lua
var changeLua string

const (
	// MaxLife is how long a watch may wait.
	MaxLife = 90 * 24 * time.Hour
	// keyLife outlives every watch.
	keyLife = MaxLife + 24*time.Hour
	// seenLife is how long a crossing is known to be told, and fenceLife how long a feed's token is.
	seenLife  = 48 * time.Hour
	fenceLife = 7 * 24 * time.Hour
	// eventSource is the source attribute of the events.
	eventSource = "/opitios/quote/feed"
)

var (
	// ErrTooMany means that the account has as many watches as it may have.
	ErrTooMany = errors.New("too many watches")
	// ErrNotFound means that the account has no such watch.
	ErrNotFound = errors.New("no such watch")
	// ErrFenced means that another feed evaluates the watches by now.
	ErrFenced = errors.New("another feed evaluates the watches")
)

// Redis is what a Store needs of a client.
type Redis interface {
	redis.Scripter
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// Store keeps watches in Redis. It may be used concurrently.
type Store struct {
	client                         Redis
	create, remove, loading, alter *redis.Script
}

// NewStore returns the store in client.
func NewStore(client Redis) *Store {
	return &Store{
		client: client, create: store.NewScript(createLua), remove: store.NewScript(deleteLua),
		loading: store.NewScript(loadLua), alter: store.NewScript(changeLua),
	}
}

// Create stores a watch unless its account has limit already: ErrTooMany.
func (s *Store) Create(ctx context.Context, w *Watch, limit int) error {
	content, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("encode watch: %w", err)
	}
	shard := store.Shard(w.AccountID)
	held, err := s.create.Run(ctx, s.client,
		[]string{store.WatchesKey(shard), store.AccountWatchesKey(w.AccountID), store.WatchVersionKey(shard)},
		w.ID, content, limit, keyLife.Milliseconds(), store.WatchesChannel(), shard).Int()
	if err != nil {
		return fmt.Errorf("create watch: %w", err)
	}
	if held < 0 {
		return ErrTooMany
	}
	return nil
}

// Delete removes a watch of the account: ErrNotFound.
func (s *Store) Delete(ctx context.Context, accountID, id string) error {
	shard := store.Shard(accountID)
	removed, err := s.remove.Run(ctx, s.client,
		[]string{store.WatchesKey(shard), store.AccountWatchesKey(accountID), store.WatchVersionKey(shard), store.WatchStatesKey(shard)},
		id, store.WatchesChannel(), shard).Int()
	if err != nil {
		return fmt.Errorf("delete watch: %w", err)
	}
	if removed == 0 {
		return ErrNotFound
	}
	return nil
}

// List returns the watches of the account in the order in which they were made.
func (s *Store) List(ctx context.Context, accountID string) ([]Watch, error) {
	var ids *redis.StringSliceCmd
	_, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		ids = pipe.SMembers(ctx, store.AccountWatchesKey(accountID))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list watches: %w", err)
	}
	return s.read(ctx, accountID, ids.Val())
}

// Get returns one watch of the account: ErrNotFound.
func (s *Store) Get(ctx context.Context, accountID, id string) (Watch, error) {
	found, err := s.read(ctx, accountID, []string{id})
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Watch{}, err
	}
	return found[0], nil
}

func (s *Store) read(ctx context.Context, accountID string, ids []string) ([]Watch, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var values *redis.SliceCmd
	_, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		values = pipe.HMGet(ctx, store.WatchesKey(store.Shard(accountID)), ids...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read watches: %w", err)
	}
	var watches []Watch
	for _, value := range values.Val() {
		text, ok := value.(string)
		if !ok {
			continue
		}
		w, err := decode(text)
		if err != nil {
			return nil, err
		}
		if w.AccountID == accountID { // the shard's hash holds those of others too
			watches = append(watches, *w)
		}
	}
	slices.SortFunc(watches, func(a, b Watch) int { return strings.Compare(a.ID, b.ID) })
	return watches, nil
}

func decode(text string) (*Watch, error) {
	var w Watch
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return nil, fmt.Errorf("decode watch: %w", err)
	}
	return &w, nil
}

// Load returns the watches of a shard and their version, and keeps feeds with a smaller token from changing them from
// then on: ErrFenced for one that is such itself.
func (s *Store) Load(ctx context.Context, shard int, token int64) (entries []*Entry, version int64, err error) {
	values, err := s.loading.Run(ctx, s.client,
		[]string{store.WatchesKey(shard), store.WatchStatesKey(shard), store.WatchVersionKey(shard), store.WatchFenceKey(shard)},
		token, fenceLife.Milliseconds()).Slice()
	if err != nil || len(values) != 3 {
		return nil, 0, fmt.Errorf("load watches of shard %d: %w", shard, err)
	}
	if version, _ = values[0].(int64); version < 0 {
		return nil, 0, ErrFenced
	}
	states := pairs(values[2])
	for _, text := range pairs(values[1]) {
		w, err := decode(text)
		if err != nil {
			return nil, 0, err
		}
		entry := &Entry{Watch: w, Armed: true}
		if state, ok := states[w.ID]; ok {
			if entry.Fires, entry.Armed, err = parseState(state); err != nil {
				return nil, 0, err
			}
		}
		entries = append(entries, entry)
	}
	return entries, version, nil
}

// pairs reads the flat list of a hash.
func pairs(value any) map[string]string {
	flat, _ := value.([]any)
	read := make(map[string]string, len(flat)/2)
	for i := 0; i+1 < len(flat); i += 2 {
		name, _ := flat[i].(string)
		text, _ := flat[i+1].(string)
		read[name] = text
	}
	return read
}

// formatState is a state as Redis has it: how often it fired, and 1 when it may fire.
func formatState(fires int64, armed bool) string {
	if armed {
		return strconv.FormatInt(fires, 10) + ":1"
	}
	return strconv.FormatInt(fires, 10) + ":0"
}

func parseState(text string) (fires int64, armed bool, err error) {
	number, flag, _ := strings.Cut(text, ":")
	if fires, err = strconv.ParseInt(number, 10, 64); err != nil {
		return 0, false, fmt.Errorf("state of a watch: %w", err)
	}
	return fires, flag == "1", nil
}

// Apply writes a change down, and with one that fired its event: both or neither, and once, whoever tries how often. It
// reports whether this call did it. ErrFenced: another feed has taken over.
func (s *Store) Apply(ctx context.Context, c *Change, token int64) (bool, error) {
	w := c.Entry.Watch
	shard := store.Shard(w.AccountID)
	eventID, content, err := c.event()
	if err != nil {
		return false, err
	}
	next := ""
	switch {
	case !c.Fired:
		next = formatState(c.Fires, true)
	case w.Repeat:
		next = formatState(c.Fires+1, false)
	}
	done, err := s.alter.Run(ctx, s.client, []string{
		store.WatchesKey(shard), store.WatchStatesKey(shard), store.AccountWatchesKey(w.AccountID), store.WatchVersionKey(shard),
		store.WatchFenceKey(shard), store.OutboxKey(shard), store.SequenceKey(w.AccountID), store.SeenKey(w.AccountID, eventID),
	}, w.ID, formatState(c.Fires, c.Armed), next, token, w.AccountID, content, seenLife.Milliseconds(), intent.OutboxBound,
		store.WatchesChannel(), shard, keyLife.Milliseconds()).Int()
	if err != nil {
		return false, fmt.Errorf("change watch %s: %w", w.ID, err)
	}
	if done < 0 {
		return false, ErrFenced
	}
	return done == 1, nil
}

// event is the CloudEvent of a change that fired; its ID is the same whoever makes it.
func (c *Change) event() (id string, content []byte, err error) {
	w := c.Entry.Watch
	id = w.ID + ":" + strconv.FormatInt(c.Fires+1, 10)
	if !c.Fired {
		return id, nil, nil
	}
	made, err := event.New(event.TypeQuoteCrossed, eventSource, w.AccountID, event.QuoteCrossed{
		AccountID: w.AccountID, WatchID: w.ID, RuleID: w.RuleID, Symbol: w.Symbol, AssetClass: w.AssetClass, Source: w.Source,
		Direction: w.Direction, Level: &w.Level, Price: &decimal.Number{Decimal: c.Price}, OccurredAt: c.At.UTC(),
	}, event.WithID(id))
	if err != nil {
		return "", nil, fmt.Errorf("make the event of watch %s: %w", w.ID, err)
	}
	if content, err = json.Marshal(made); err != nil {
		return "", nil, fmt.Errorf("encode the event of watch %s: %w", w.ID, err)
	}
	return id, content, nil
}

// Notice is a change of the watches as the store announces it.
type Notice struct {
	Shard   int
	Version int64
	// Added is the new watch; nil when the one with the ID Removed is gone.
	Added   *Watch
	Removed string
}

// ParseNotice reads a message of store.WatchesChannel.
func ParseNotice(text string) (Notice, error) {
	parts := strings.SplitN(text, " ", 4)
	if len(parts) != 4 {
		return Notice{}, fmt.Errorf("notice of a watch: %d parts", len(parts))
	}
	shard, err := strconv.Atoi(parts[0])
	if err != nil || shard < 0 || shard >= store.Shards {
		return Notice{}, fmt.Errorf("notice of a watch: shard %.10q", parts[0])
	}
	version, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil {
		return Notice{}, fmt.Errorf("notice of a watch: %w", err)
	}
	n := Notice{Shard: shard, Version: version}
	if parts[2] == "-" {
		n.Removed = parts[3]
		return n, nil
	}
	n.Added, err = decode(parts[3])
	return n, err
}

// Versions returns the version of each shard's watches.
func (s *Store) Versions(ctx context.Context) ([]int64, error) {
	replies := make([]*redis.StringCmd, store.Shards)
	_, err := s.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard := range replies {
			replies[shard] = pipe.Get(ctx, store.WatchVersionKey(shard))
		}
		return nil
	})
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, fmt.Errorf("versions of watches: %w", err)
	}
	versions := make([]int64, store.Shards)
	for shard, reply := range replies {
		if versions[shard], err = reply.Int64(); err != nil && !errors.Is(err, redis.Nil) {
			return nil, fmt.Errorf("versions of watches: %w", err)
		}
	}
	return versions, nil
}
