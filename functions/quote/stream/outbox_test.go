package stream

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

func newSubscription(symbol string) *subscription {
	return &subscription{topic: &topic{Topic: tick.Topic{Symbol: symbol}}}
}

func bodies(letters []letter) []string {
	all := make([]string, len(letters))
	for i, l := range letters {
		all[i] = string(l.body)
	}
	return all
}

func TestReaderThatKeepsUpGetsEverything(t *testing.T) {
	t.Parallel()
	o, a, b := newOutbox(), newSubscription("A"), newSubscription("B")
	o.grow(2)
	o.put(a, []byte("a1"))
	o.put(b, []byte("b1"))
	o.put(a, []byte("a2"))
	got := o.take(nil)
	if !slices.Equal(bodies(got.letters), []string{"a1", "b1", "a2"}) || got.skipped != nil {
		t.Fatalf("%q %v", bodies(got.letters), got.skipped)
	}
}

func TestSlowReaderGetsTheNewestAndTheCount(t *testing.T) {
	t.Parallel()
	o, a, b := newOutbox(), newSubscription("A"), newSubscription("B")
	o.grow(2)
	o.put(b, []byte("b1"))
	for i := range 10_000 {
		o.put(a, fmt.Append(nil, "a", i))
	}
	if len(o.waiting) > roomy+2 {
		t.Fatalf("%d messages wait", len(o.waiting))
	}
	got := o.take(nil)
	if !slices.Equal(bodies(got.letters), []string{"b1", "a9999"}) || got.skipped[a] != 9999 || got.skipped[b] != 0 {
		t.Fatalf("%q %v", bodies(got.letters), got.skipped)
	}
	o.put(a, []byte("next")) // it is not slow any more
	o.put(a, []byte("after"))
	if got := o.take(nil); !slices.Equal(bodies(got.letters), []string{"next", "after"}) || got.skipped != nil {
		t.Fatalf("%q %v", bodies(got.letters), got.skipped)
	}
}

func TestKnownValueNeverComesAfterANewerOne(t *testing.T) {
	t.Parallel()
	o, a := newOutbox(), newSubscription("A")
	o.put(a, []byte("live"))
	o.putFirst(a, []byte("known"))
	o.take(nil)
	o.putFirst(a, []byte("known"))
	if got := o.take(nil); len(got.letters) != 0 {
		t.Fatalf("%q", bodies(got.letters))
	}
}

func TestUnreadAnswersAreBounded(t *testing.T) {
	t.Parallel()
	o := newOutbox()
	for range maxNotices {
		if !o.notice([]byte("answer")) {
			t.Fatal("refused too early")
		}
	}
	if o.notice([]byte("answer")) {
		t.Fatal("answers have no bound")
	}
}

func TestNothingFollowsTheFarewell(t *testing.T) {
	t.Parallel()
	o, a := newOutbox(), newSubscription("A")
	o.put(a, []byte("a1"))
	o.finish([]byte("farewell"), codeRestart, "come again")
	o.put(a, []byte("a2"))
	o.finish([]byte("another"), codePolicy, "no")
	got := o.take(nil)
	if !slices.Equal(bodies(got.letters), []string{"farewell"}) || got.end == nil || got.end.code != codeRestart {
		t.Fatalf("%q %+v", bodies(got.letters), got.end)
	}
}

// TestOutboxAgainstAModel: whatever happens, what is read of a topic is in order, ends with its newest, and what is
// missing is counted.
func TestOutboxAgainstAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := newOutbox()
		o.room = rapid.IntRange(1, 8).Draw(t, "room")
		subs := []*subscription{newSubscription("A"), newSubscription("B"), newSubscription("C")}
		sent, read, skipped := map[*subscription]int{}, map[*subscription]int{}, map[*subscription]int{}
		got := map[*subscription]int{}
		check := func() {
			taken := o.take(nil)
			for _, l := range taken.letters {
				var n int
				if _, err := fmt.Sscan(string(l.body), &n); err != nil || n <= read[l.from] {
					t.Fatalf("%s read %s after %d", l.from.topic.Symbol, l.body, read[l.from])
				}
				read[l.from] = n
				got[l.from]++
			}
			for s, n := range taken.skipped {
				skipped[s] += n
			}
			for _, s := range subs {
				if read[s] != sent[s] || got[s]+skipped[s] != sent[s] {
					t.Fatalf("%s: %d sent, last read %d, %d read and %d skipped", s.topic.Symbol, sent[s], read[s], got[s], skipped[s])
				}
			}
		}
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			if rapid.IntRange(0, 9).Draw(t, "what") == 0 {
				check()
				continue
			}
			s := rapid.SampledFrom(subs).Draw(t, "topic")
			sent[s]++
			o.put(s, fmt.Append(nil, sent[s]))
			if len(o.waiting) > o.room+len(subs) {
				t.Fatalf("%d wait in room for %d", len(o.waiting), o.room)
			}
		}
		check()
	})
}
