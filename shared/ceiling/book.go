// Package ceiling keeps the book of the orders of all accounts: what is open, what was sent today and in the last moments,
// so that ceilings over all of them hold over any number of instances (docs/decisions/0050). Accounts live in different
// slots of a Redis Cluster; the book lives in one of its own.
package ceiling

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

//go:embed grant.lua
var grantLua string

//go:embed release.lua
var releaseLua string

//go:embed adopt.lua
var adoptLua string

//go:embed state.lua
var stateLua string

//go:embed begin.lua
var beginLua string

//go:embed finish.lua
var finishLua string

var (
	// ErrIncomplete means that the book does not say what is open, because it is new, or Redis lost it.
	ErrIncomplete = errors.New("the book of all accounts' orders is not complete")
	// ErrNotReplicated means that too few replicas of Redis have what was written.
	ErrNotReplicated = errors.New("the book of all accounts' orders did not reach enough replicas")
	// ErrOtherCounting means that another instance counts anew by now.
	ErrOtherCounting = errors.New("another instance counts the orders of all accounts")
	// ErrTooLarge means that an order is worth more than the book can count.
	ErrTooLarge = errors.New("the order's value is too large to be counted")
)

const (
	// life is how long the book is kept when no instance of the order function runs: over any holidays.
	life = 14 * 24 * time.Hour
	// maxValue is what one order may be worth in USD; sums stay exact in a script's numbers.
	maxValue = 1_000_000_000_000
	// scanCount is how many orders are read at a time.
	scanCount = 1000
)

// Redis is what a Book needs of a client.
type Redis interface {
	redis.Scripter
	store.Pipeliner
	HScan(ctx context.Context, key string, cursor uint64, match string, count int64) *redis.ScanCmd
}

// Config is how durable what the book lets through must be: as intent.Config says.
type Config struct {
	Replicas       int
	ReplicaTimeout time.Duration
}

// Book is the book in Redis. Safe for concurrent use.
type Book struct {
	client                  Redis
	config                  Config
	grant, release, adopt   *redis.Script
	state, begin, finishing *redis.Script
	drop                    *redis.Script
}

// New returns the book on client.
func New(client Redis, config Config) *Book {
	return &Book{
		client: client, config: config, grant: store.NewScript(grantLua), release: store.NewScript(releaseLua), adopt: store.NewScript(adoptLua),
		state: store.NewScript(stateLua), begin: store.NewScript(beginLua), finishing: store.NewScript(finishLua),
		drop: store.NewScript(`return redis.call('DEL', unpack(KEYS))`),
	}
}

// Order names an order of the book.
type Order struct{ AccountID, ClientOrderID string }

// name has a line break between its parts, which neither can hold.
func (o Order) name() string { return o.AccountID + "\n" + o.ClientOrderID }

// Use is what the book counts.
type Use struct {
	OpenOrders            int64
	OpenValue, DailyValue decimal.Decimal
	WindowOrders          int64
	WindowValue           decimal.Decimal
}

// Verdict is what became of a Grant.
type Verdict struct {
	// Refused is the ceiling that has no room, empty when the order may be sent and counts; Actual is what it would come
	// to, in orders or USD.
	Refused string
	Actual  decimal.Decimal
	// RetryAfter is when there may be room, for the ceilings of the window.
	RetryAfter time.Duration
	Use        Use
}

// Grant lets an order that is worth value USD through, if every ceiling has room for it, and counts it from then on; value
// is nil where no ceiling asks for it. day is today in New York, as 2006-01-02. An order that counts already asks
// only for what it was not granted yet. ErrIncomplete and ErrTooLarge say that nobody knows whether there is room.
func (b *Book) Grant(ctx context.Context, o Order, value *decimal.Decimal, day string, c *risk.Ceilings) (Verdict, error) {
	return b.ask(ctx, o, value, day, c, false)
}

// Peek answers as Grant does and counts nothing.
func (b *Book) Peek(ctx context.Context, o Order, value *decimal.Decimal, day string, c *risk.Ceilings) (Verdict, error) {
	return b.ask(ctx, o, value, day, c, true)
}

func (b *Book) ask(ctx context.Context, o Order, value *decimal.Decimal, day string, c *risk.Ceilings, dry bool) (Verdict, error) {
	cents, err := centsOf(value)
	if err != nil {
		return Verdict{}, err
	}
	keys := []string{store.CeilingsKey(), store.CeilingsOrdersKey(), store.CeilingsWindowKey()}
	args := []any{
		o.name(), cents, day, life.Milliseconds(), dry, c.Window.Microseconds(),
		count(c.MaxOpenOrders), most(c.MaxOpenValue), most(c.MaxDailyValue), count(c.MaxWindowOrders), most(c.MaxWindowValue),
	}
	var asked *redis.Cmd
	confirmed := b.config.Replicas
	if dry || b.config.Replicas == 0 {
		asked = b.grant.Run(ctx, b.client, keys, args...)
	} else {
		asked, confirmed = store.RunReplicated(ctx, b.client, b.grant, b.config.Replicas, b.config.ReplicaTimeout, keys, args...)
	}
	values, err := asked.Slice()
	if err != nil {
		return Verdict{}, fmt.Errorf("ask the book of all accounts' orders: %w", err)
	}
	v, incomplete := verdictOf(values)
	switch {
	case incomplete:
		return v, ErrIncomplete
	case v.Refused == "" && confirmed < b.config.Replicas:
		return v, ErrNotReplicated
	}
	return v, nil
}

func verdictOf(values []any) (v Verdict, incomplete bool) {
	number := func(i int) int64 { n, _ := values[i].(int64); return n }
	v.Refused, _ = values[0].(string)
	v.RetryAfter = time.Duration(number(2)) * time.Microsecond
	v.Use = Use{
		OpenOrders: number(3), OpenValue: usd(number(4)), DailyValue: usd(number(5)), WindowOrders: number(6), WindowValue: usd(number(7)),
	}
	switch v.Refused {
	case risk.AllOpenOrders, risk.AllWindowOrders:
		v.Actual = decimal.FromInt(number(1))
	default:
		v.Actual = usd(number(1))
	}
	return v, v.Refused == "incomplete"
}

// Release lets an order go that is not open any more; unsent says that it never was, so that it does not count for the day
// either. One that the book does not have is no error.
func (b *Book) Release(ctx context.Context, o Order, unsent bool) error {
	return b.let(ctx, unsent, []any{o.name(), ""})
}

func (b *Book) let(ctx context.Context, unsent bool, orders []any) error {
	keys := []string{store.CeilingsKey(), store.CeilingsOrdersKey()}
	if err := b.release.Run(ctx, b.client, keys, append([]any{unsent}, orders...)...).Err(); err != nil {
		return fmt.Errorf("let orders of the book go: %w", err)
	}
	return nil
}

// Drop forgets the book: it is not kept while there is no ceiling.
func (b *Book) Drop(ctx context.Context) error {
	keys := []string{store.CeilingsKey(), store.CeilingsOrdersKey(), store.CeilingsWindowKey()}
	if err := b.drop.Run(ctx, b.client, keys).Err(); err != nil {
		return fmt.Errorf("drop the book of all accounts' orders: %w", err)
	}
	return nil
}

// centsOf counts a value in cents, rounded up.
func centsOf(value *decimal.Decimal) (int64, error) {
	if value == nil {
		return 0, nil
	}
	if value.IsNeg() || value.GreaterThan(decimal.FromInt(maxValue)) {
		return 0, fmt.Errorf("%w: %s USD", ErrTooLarge, value)
	}
	return value.Mul(decimal.FromInt(100)).Ceil().Int64()
}

func usd(cents int64) decimal.Decimal {
	value, err := decimal.FromInt(cents).Div(decimal.FromInt(100))
	if err != nil {
		return decimal.Decimal{} // not by 100
	}
	return value
}

// most is a ceiling in whole cents, empty for none.
func most(ceiling *decimal.Number) string {
	if ceiling == nil {
		return ""
	}
	return ceiling.Mul(decimal.FromInt(100)).Floor().String()
}

func count(ceiling *int) any {
	if ceiling == nil {
		return ""
	}
	return *ceiling
}

// named reads an order's name.
func named(name string) Order {
	accountID, clientOrderID, _ := strings.Cut(name, "\n")
	return Order{accountID, clientOrderID}
}
