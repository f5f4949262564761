package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// Report is what one run found. Each of the four lists must be empty.
type Report struct {
	Seed uint64
	// Replicas is INTENT_REPLICAS of the run.
	Replicas string
	Took     time.Duration
	// Orders is what Alpaca accepted, Faults how many attacks were carried out, Hits how many requests Alpaca's faults
	// among them struck; Skipped attacks met a cluster that was not whole.
	Orders, Faults, Hits, Skipped int
	Attacks                       map[string]int
	// Intents is what clients asked for: Placed were told of their order, GaveUp left without an answer, Left when they were
	// told to come back later. Refusals says how the others were refused, Kinds what they were.
	Intents, Placed, GaveUp, Left int
	Refusals, Kinds               map[string]int
	// Limited are answers with 429, by the limit that they name: clients came back when they were told to.
	Limited map[string]int
	// Events arrived, each counted once; Repeated are further copies.
	Events, Repeated int
	// Unexpected are answers that may be true, and that nobody should get: refusals of orders that there is nothing wrong
	// with, 500s, a limit that is far away.
	Unexpected []string

	Duplicates, Lost, Wrong, Unordered []string

	missing int // events, a part of Unordered
}

// Clean reports whether nothing was found.
func (r *Report) Clean() bool {
	return len(r.Unexpected)+len(r.Duplicates)+len(r.Lost)+len(r.Wrong)+len(r.Unordered) == 0
}

// examples is how many findings of each kind are printed.
const examples = 20

// Write prints the report; its last line is the one that scripts read.
func (r *Report) Write(to io.Writer) {
	say(to, "seed %d, INTENT_REPLICAS=%s, %s: %d intents, %d placed, %d given up, %d left after 429, %d refused %s", r.Seed, r.Replicas,
		r.Took.Round(time.Second), r.Intents, r.Placed, r.GaveUp, r.Left, sum(r.Refusals), listed(r.Refusals))
	say(to, "asked for %s", listed(r.Kinds))
	say(to, "%d answers with 429, by limit %s", sum(r.Limited), listed(r.Limited))
	say(to, "%d events, %d repeated; %d requests struck at Alpaca; attacks %s, %d skipped", r.Events, r.Repeated, r.Hits, listed(r.Attacks), r.Skipped)
	say(to, "unexpected=%d", len(r.Unexpected))
	for _, finding := range []struct {
		name string
		all  []string
	}{
		{"unexpected", r.Unexpected}, {"duplicate", r.Duplicates}, {"lost", r.Lost}, {"wrong", r.Wrong}, {"unordered", r.Unordered},
	} {
		for n, text := range finding.all {
			if n == examples {
				say(to, "... and %d more", len(finding.all)-examples)
				break
			}
			say(to, "%s: %s", finding.name, text)
		}
	}
	say(to, "chaos: orders=%d faults=%d duplicates=%d lost=%d wrong=%d unordered=%d",
		r.Orders, r.Faults, len(r.Duplicates), len(r.Lost), len(r.Wrong), len(r.Unordered))
}

func listed(counts map[string]int) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", name, counts[name]))
	}
	return "(" + strings.Join(parts, ", ") + ")"
}

func sum(counts map[string]int) (total int) {
	for _, n := range counts {
		total += n
	}
	return total
}
