package store_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// book is an account's holds in Redis, and what they should be.
type book struct {
	t      *testing.T
	client redis.UniversalClient
	keys   []string
	script *redis.Script
	kept   map[string]string // by client order ID: state, then what risk.Hold encodes
}

func newBook(t *testing.T, client redis.UniversalClient) *book {
	return &book{t: t, client: client, kept: map[string]string{}, keys: []string{store.HoldsKey("A"), store.HoldSumsKey("A")}, script: store.NewScript(`
if ARGV[1] == 'put' then return holds_put(KEYS[1], KEYS[2], ARGV[2], ARGV[3], 3600000) end
if ARGV[1] == 'drop' then return holds_drop(KEYS[1], KEYS[2], ARGV[2]) end
if ARGV[1] == 'recount' then return holds_recount(KEYS[1], KEYS[2]) end
return holds_read(KEYS[1], KEYS[2], ARGV[2], ARGV[3])`)}
}

func (b *book) run(args ...any) any {
	b.t.Helper()
	got, err := b.script.Run(b.t.Context(), b.client, b.keys, args...).Result()
	if err != nil && err != redis.Nil { //nolint:errorlint // it is never wrapped
		b.t.Fatal(err)
	}
	return got
}

func (b *book) put(id, state, hold string) {
	b.t.Helper()
	b.run("put", id, state+"|1700000000000|"+hold)
	b.kept[id] = state + "|" + hold
}

func (b *book) drop(id string) {
	b.t.Helper()
	b.run("drop", id)
	delete(b.kept, id)
}

// state is what Redis tells an order in symbol.
func (b *book) state(symbol, without string) risk.State {
	b.t.Helper()
	sums, _ := b.run("read", symbol, without).(string)
	return risk.ParseState("0;0;0;0;0;0;" + sums)
}

// want adds up what is kept, slowly.
func (b *book) want(symbol, without string) (open int, holds []string) {
	sums := map[string]*risk.Hold{}
	for id, kept := range b.kept {
		if id == without {
			continue
		}
		part := strings.Split(kept, "|")
		if part[0] != risk.StateClosed {
			open++
		}
		name := part[2]
		if name != symbol {
			if name = "*"; part[1] != "b" {
				continue
			}
			part[3] = ""
		}
		group := fmt.Sprint(part[1], name, part[3] != "", part[4] != "")
		if sums[group] == nil {
			sums[group] = &risk.Hold{Symbol: name, Buy: part[1] == "b"}
		}
		sums[group].Qty, sums[group].Value = plus(sums[group].Qty, part[3]), plus(sums[group].Value, part[4])
	}
	for _, hold := range sums {
		holds = append(holds, hold.Encode())
	}
	return open, slices.Sorted(slices.Values(holds))
}

func plus(sum *decimal.Decimal, text string) *decimal.Decimal {
	if text == "" {
		return nil
	}
	value := decimal.MustParse(text)
	if sum != nil {
		value = value.Add(*sum)
	}
	return &value
}

func (b *book) check(symbol, without string) {
	b.t.Helper()
	got := b.state(symbol, without)
	var told []string
	for i := range got.Holds {
		told = append(told, got.Holds[i].Encode())
	}
	slices.Sort(told)
	if open, want := b.want(symbol, without); got.Open != open || !slices.Equal(told, want) {
		b.t.Fatalf("%s without %q: %d open and %q, want %d and %q", symbol, without, got.Open, told, open, want)
	}
}

// TestSumsOfHoldsAreThose: whatever came, changed and went, exactly, and also where something else than the scripts did it.
func TestSumsOfHoldsAreThose(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		b := newBook(t, client)
		random := rand.New(rand.NewPCG(3, 5))
		pick := func(of ...string) string { return of[random.IntN(len(of))] }
		for i := range 400 {
			id := fmt.Sprintf("c%d", random.IntN(12))
			switch random.IntN(8) {
			case 0, 1:
				b.drop(id)
			case 2:
				switch random.IntN(6) {
				case 0: // what was summed up is lost
					client.Del(t.Context(), b.keys[1])
				case 1: // a script that knows no sums lets a hold go
					client.HDel(t.Context(), b.keys[0], id)
					delete(b.kept, id)
				case 2:
					b.run("recount")
				case 3: // all is lost
					client.Del(t.Context(), b.keys...)
					clear(b.kept)
				}
			default:
				b.put(id, pick("r", "o", "c"), strings.Join([]string{
					pick("b", "s"), pick("AAPL", "BTCUSD", ""), pick("", "1", "0.000000001", "999999999.999999999", "12.5"),
					pick("", "190.01", "0.000000007", "123456789012.999999999"),
				}, "|"))
			}
			if i%4 == 0 {
				b.check(pick("AAPL", "BTCUSD", ""), pick("", id))
			}
		}
		for id := range maps.Clone(b.kept) {
			b.drop(id)
		}
		if left := client.HGetAll(t.Context(), b.keys[1]).Val(); left["n"] != "0" && len(left) > 0 || len(left) > 2 {
			t.Fatalf("after the last hold went: %v", left)
		}
	})
}

// TestSumsOfHoldsAreNeverTooSmall: an amount with more digits than the sums have is rounded up, one that is too large or is
// no amount counts as not known, and what is no hold counts for nothing.
func TestSumsOfHoldsAreNeverTooSmall(t *testing.T) {
	client, _ := storetest.Embedded(t)
	b := newBook(t, client)
	b.put("a", "o", "b|AAPL|1|0.0000000001")
	b.put("b", "o", "b|AAPL|1|0.9999999999")
	b.put("c", "o", "b|AAPL|1000000000000000|-5")
	b.put("d", "o", "no hold")
	got := b.state("AAPL", "")
	if len(got.Holds) != 2 || got.Holds[0].Encode() != "b|AAPL|2|1.000000001" || got.Holds[1].Encode() != "b|AAPL||" || got.Open != 3 {
		t.Fatalf("%+v", got)
	}
	b.drop("a")
	b.drop("b")
	if got := b.state("AAPL", "c"); len(got.Holds) != 0 || got.Open != 0 {
		t.Fatalf("%+v", got)
	}
}
