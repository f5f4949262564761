package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// judge compares what Alpaca accepted with what clients and subscribers were told.
func (r *chaos) judge(ctx context.Context) (*Report, error) {
	history, err := r.world.alpaca.history(ctx)
	if err != nil {
		return nil, err
	}
	byTrader, cancels := make(map[string][]*intent), make(map[string][]string)
	r.mu.Lock()
	for _, i := range r.intents {
		byTrader[i.trader.id] = append(byTrader[i.trader.id], i)
	}
	notes := slices.Clone(r.notes)
	for id, orders := range r.cancels {
		cancels[id] = slices.Clone(orders)
	}
	r.mu.Unlock()
	report := &Report{Refusals: make(map[string]int), Kinds: make(map[string]int)}
	everybody := r.world.everybody()
	for n := range everybody {
		t := &everybody[n]
		orders, err := r.world.alpaca.audit(ctx, t.keyID)
		if err != nil {
			return nil, err
		}
		report.Orders += len(orders)
		orders = marked(orders)
		judgeAnswers(report, t, byTrader[t.id], orders, r.world.collector.of(t.id))
		judgeCancels(report, t, orders, cancels[t.id])
		judgeEvents(report, t, orders, history[t.keyID], r.world.collector.of(t.id))
	}
	for _, note := range notes {
		report.take(note.trader.id+" "+note.name, note.known())
	}
	return report, nil
}

// take reports what a client noted.
func (r *Report) take(name string, known knowledge) {
	for _, claim := range known.claims {
		r.Wrong = append(r.Wrong, name+": "+claim)
	}
	for _, surprise := range known.surprises {
		r.Unexpected = append(r.Unexpected, name+": "+surprise)
	}
}

// judgeAnswers looks at what the clients of one account know.
func judgeAnswers(report *Report, t *trader, intents []*intent, orders []accepted, events []told) {
	byID, byMark := make(map[string]*accepted), make(map[string][]*accepted)
	for n := range orders {
		o := &orders[n]
		byID[o.ID] = o
		if o.mark != "" {
			byMark[o.mark] = append(byMark[o.mark], o)
		} else if o.Parent == "" || byID[o.Parent] == nil {
			report.Wrong = append(report.Wrong, fmt.Sprintf("%s: order %s is a leg of nothing", t.id, o.ID))
		}
	}
	rejected := make(map[string]bool)
	for _, e := range events {
		if e.kind == event.TypeOrderRejected {
			rejected[e.cause] = true
		}
	}
	asked := make(map[string]bool)
	for _, i := range intents {
		asked[i.mark] = true
		judgeIntent(report, i, byMark[i.mark], byID, rejected[i.name])
	}
	for mark, found := range byMark {
		if !asked[mark] {
			report.Wrong = append(report.Wrong, fmt.Sprintf("%s: nobody asked for order %s, %s", t.id, found[0].ID, mark))
		}
	}
}

func judgeIntent(report *Report, i *intent, found []*accepted, byID map[string]*accepted, rejected bool) {
	report.Intents++
	report.Kinds[string(i.kind)]++
	name := fmt.Sprintf("%s %s (%s: %s)", i.trader.id, i.name, i.kind, i.mark)
	if len(found) > 1 {
		report.Duplicates = append(report.Duplicates, fmt.Sprintf("%s: orders %s and %s", name, found[0].ID, found[1].ID))
	}
	known := i.known()
	report.take(name, known)
	switch known.outcome {
	case placed:
		report.Placed++
		switch o := byID[known.orderID]; {
		case o == nil:
			report.Lost = append(report.Lost, fmt.Sprintf("%s: was told of order %s, which Alpaca does not have", name, known.orderID))
		case o.mark != i.mark:
			report.Wrong = append(report.Wrong, fmt.Sprintf("%s: was told of order %s, which is %s", name, known.orderID, o.mark))
		}
	case refused, left:
		judgeRefusal(report, i, name, known, found)
	case handled:
		report.Placed += len(found)
		switch {
		case len(found) == 0 && i.kind != hopeless && !rejected:
			report.Lost = append(report.Lost, name+": the command was taken, and there is neither an order nor a refusal")
		case len(found) == 0 && i.kind != hopeless:
			report.Unexpected = append(report.Unexpected, name+": the command was taken, and Alpaca refused it")
		case len(found) > 0 && rejected:
			report.Wrong = append(report.Wrong, name+": an event says that the order was rejected")
		}
	case done:
		report.Placed += len(found)
		if len(found) == 0 {
			report.Lost = append(report.Lost, name+": is said to be done, and Alpaca has no order")
		}
	case gaveUp:
		report.GaveUp++
	case unanswered:
		report.Lost = append(report.Lost, name+": was never answered for good")
	}
}

// judgeRefusal looks at an intent of which the client was told that there is no order.
func judgeRefusal(report *Report, i *intent, name string, known knowledge, found []*accepted) {
	if known.outcome == left {
		report.Left++
	} else {
		report.Refusals[known.refusal]++
	}
	switch {
	case len(found) > 0:
		report.Wrong = append(report.Wrong, fmt.Sprintf("%s: was told %q, and Alpaca has order %s", name, known.refusal, found[0].ID))
	case known.outcome == refused && !i.expects(known.refusal):
		report.Unexpected = append(report.Unexpected, name+": "+known.refusal)
	}
}

// judgeCancels looks whether the orders whose cancel was taken have come to their end.
func judgeCancels(report *Report, t *trader, orders []accepted, canceled []string) {
	ended := make(map[string]bool, len(orders))
	for n := range orders {
		ended[orders[n].ID] = orders[n].ended()
	}
	for _, id := range canceled {
		if !ended[id] {
			report.Wrong = append(report.Wrong, fmt.Sprintf("%s: order %s was to be canceled, and is open or unknown", t.id, id))
		}
	}
}

// judgeEvents looks at what subscribers were told of one account.
func judgeEvents(report *Report, t *trader, orders []accepted, history []tradeEvent, events []told) {
	place := make(map[string]int, len(events))
	for n, e := range events {
		place[e.id] = n
	}
	wrong := func(format string, args ...any) {
		report.Unordered = append(report.Unordered, t.id+": "+fmt.Sprintf(format, args...))
	}
	miss := func(what, id string) {
		report.missing++
		wrong("no event %s of %s", id, what)
	}
	happened := make(map[string]bool)
	for _, h := range history {
		happened[h.OrderID] = true
	}
	for n := range orders {
		o := &orders[n]
		if o.mark == "" && !happened[o.ID] {
			continue // a leg that is not at the market yet, or of a multi-leg order: its parent's event tells of it
		}
		if _, ok := place[o.ID+":accepted"]; !ok {
			miss(fmt.Sprintf("an accepted order (%s, now %s)", o.mark, o.Status), o.ID+":accepted")
		}
	}
	last := -1
	for _, h := range history {
		for n, id := range eventsOf(h) {
			at, ok := place[id]
			if !ok {
				miss(h.Name, id)
				continue
			}
			if first, ok := place[h.OrderID+":accepted"]; ok && at < first {
				wrong("%s came before the order was accepted", id)
			}
			if n > 0 {
				continue
			}
			if at < last {
				wrong("%s came before what happened earlier", id)
			}
			last = max(last, at)
		}
	}
	sequence := ""
	for _, e := range events {
		if e.kind == event.TypeOrderRejected {
			continue // Alpaca has no record of it: after a flush it stays lost, or comes late
		}
		if e.sequence <= sequence {
			wrong("%s has sequence %s, after %s", e.id, e.sequence, sequence)
		}
		sequence = max(sequence, e.sequence)
	}
}

// eventsOf are the IDs of the events that a trade event must lead to, the order's own first.
func eventsOf(h tradeEvent) []string {
	own := h.OrderID + ":filled"
	switch h.Name {
	case "partial_fill":
		own = h.OrderID + ":" + h.ExecutionID
	case "fill":
	case "canceled", "expired", "replaced", "rejected":
		return []string{h.OrderID + ":" + h.Name}
	default:
		return nil
	}
	events := []string{own}
	for _, leg := range h.Legs {
		events = append(events, leg.OrderID+":"+leg.ExecutionID+":position")
	}
	if len(h.Legs) == 0 {
		events = append(events, h.OrderID+":"+h.ExecutionID+":position")
	}
	return append(events, h.ID+":account")
}
