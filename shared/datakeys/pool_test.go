package datakeys_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/datakeys"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// keys is a pool of A, B and C whose calls end as answers says, by key ID.
type keys struct {
	*datakeys.Pool
	clock   *clock.Fake
	answers map[string]error
	asked   []string
}

func newKeys(t *testing.T) *keys {
	t.Helper()
	document := `{"accounts":[{"id":"a","key_id":"A","secret_key":"s","market_data":true},{"id":"b","key_id":"B","secret_key":"s","market_data":true},
		{"id":"c","key_id":"C","secret_key":"s","market_data":true},{"id":"d","key_id":"NONE","secret_key":"s"}]}`
	accounts := vault.NewFixed(document)
	if err := accounts.Load(); err != nil {
		t.Fatal(err)
	}
	k := &keys{clock: clock.NewFake(time.Unix(0, 0)), answers: map[string]error{}}
	k.Pool = datakeys.New(accounts, k.clock, zap.NewNop(), prometheus.NewRegistry())
	return k
}

// call makes a call of a class and returns which keys were asked, in order.
func (k *keys) call(class alpaca.Class) (string, error) {
	k.asked = nil
	err := k.Do(context.Background(), class, func(pair alpaca.Credentials) error {
		k.asked = append(k.asked, pair.KeyID)
		return k.answers[pair.KeyID]
	})
	return strings.Join(k.asked, ""), err
}

func TestKeysTakeTurnsWithinAClass(t *testing.T) {
	t.Parallel()
	k := newKeys(t)
	var stocks []string
	for range 6 {
		asked, err := k.call(alpaca.ClassStocks)
		if err != nil {
			t.Fatal(err)
		}
		stocks = append(stocks, asked)
		if _, err := k.call(alpaca.ClassCrypto); err != nil { // has turns of its own
			t.Fatal(err)
		}
	}
	slices.Sort(stocks)
	if got := strings.Join(stocks, ""); got != "AABBCC" {
		t.Fatalf("asked %s", got)
	}
}

func TestWhoIsAskedNext(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		answer error
		// next says whether the other keys are tried; rests and restsElse whether the keys then rest, for this class and for another.
		next, rests, restsElse bool
	}{
		{"unauthorized", alpaca.ErrUnauthorized, true, true, true},
		{"forbidden", alpaca.ErrForbidden, true, true, false},
		{"limited", alpaca.ErrRateLimited, true, false, false},
		{"over budget", fmt.Errorf("budget: %w", alpaca.ErrRateLimited), true, false, false},
		{"not found", alpaca.ErrNotFound, false, false, false},
		{"broken", errors.New("broken"), false, false, false},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k := newKeys(t)
			k.answers = map[string]error{"A": c.answer, "B": c.answer, "C": c.answer}
			asked, err := k.call(alpaca.ClassStocks)
			if !errors.Is(err, c.answer) || (len(asked) == 3) != c.next {
				t.Fatalf("asked %s: %v", asked, err)
			}
			k.answers = nil
			resting := func(class alpaca.Class) bool {
				asked, err := k.call(class)
				if asked == "" && !errors.Is(err, c.answer) {
					t.Errorf("nobody was asked: %v", err)
				}
				return asked == ""
			}
			if got := resting(alpaca.ClassStocks); got != c.rests {
				t.Errorf("resting %t, want %t", got, c.rests)
			}
			if got := resting(alpaca.ClassCrypto); got != c.restsElse {
				t.Errorf("resting for another class %t, want %t", got, c.restsElse)
			}
			k.clock.Advance(time.Minute)
			if resting(alpaca.ClassStocks) {
				t.Error("still resting after a minute")
			}
		})
	}
}

// TestAForbiddenQuestionRestsNobody: it says something about what was asked for. A refused key pair rests all the same.
func TestAForbiddenQuestionRestsNobody(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer error
		rests  bool
	}{{alpaca.ErrForbidden, false}, {alpaca.ErrUnauthorized, true}} {
		k := newKeys(t)
		k.answers = map[string]error{"A": c.answer, "B": c.answer, "C": c.answer}
		asked := 0
		err := k.Ask(t.Context(), alpaca.ClassStocks, func(alpaca.Credentials) error {
			asked++
			return c.answer
		})
		if !errors.Is(err, c.answer) || asked != 3 {
			t.Fatalf("%d asked: %v", asked, err)
		}
		k.answers = nil
		if asked, err := k.call(alpaca.ClassStocks); (asked == "") != c.rests || (err != nil) != c.rests {
			t.Errorf("after %v: asked %q, %v", c.answer, asked, err)
		}
	}
}
