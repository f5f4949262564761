package main

import (
	"context"
	"fmt"

	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// judge compares what Alpaca accepted with what clients and subscribers were told.
func (r *chaos) judge(ctx context.Context) (*Report, error) {
	history, err := r.world.alpaca.history(ctx)
	if err != nil {
		return nil, err
	}
	byTrader := make(map[string][]*intent)
	r.mu.Lock()
	for _, i := range r.intents {
		byTrader[i.trader.id] = append(byTrader[i.trader.id], i)
	}
	r.mu.Unlock()
	report := &Report{Refusals: make(map[string]int)}
	for n := range r.world.traders {
		t := &r.world.traders[n]
		orders, err := r.world.alpaca.audit(ctx, t.keyID)
		if err != nil {
			return nil, err
		}
		report.Orders += len(orders)
		judgeAnswers(report, t, byTrader[t.id], orders, r.world.collector.of(t.id))
		judgeEvents(report, t, orders, history[t.keyID], r.world.collector.of(t.id))
	}
	return report, nil
}

// judgeAnswers looks at what the clients of one account know.
func judgeAnswers(report *Report, t *trader, intents []*intent, orders []accepted, events []told) {
	byID, byIdentity := make(map[string]*accepted), make(map[string][]*accepted)
	for n := range orders {
		o := &orders[n]
		byID[o.ID] = o
		byIdentity[identityOf(o)] = append(byIdentity[identityOf(o)], o)
	}
	rejected := make(map[string]bool)
	for _, e := range events {
		if e.kind == event.TypeOrderRejected && e.order.Qty != nil {
			rejected[e.order.Symbol+" "+e.order.Qty.String()] = true
		}
	}
	asked := make(map[string]bool)
	for _, i := range intents {
		asked[i.identity()] = true
		judgeIntent(report, i, byIdentity[i.identity()], byID, rejected[i.identity()])
	}
	for identity, found := range byIdentity {
		if !asked[identity] {
			report.Wrong = append(report.Wrong, fmt.Sprintf("%s: nobody asked for order %s, %s", t.id, found[0].ID, identity))
		}
	}
}

func judgeIntent(report *Report, i *intent, found []*accepted, byID map[string]*accepted, rejected bool) {
	report.Intents++
	name := fmt.Sprintf("%s %s (%s)", i.trader.id, i.name, i.identity())
	if len(found) > 1 {
		report.Duplicates = append(report.Duplicates, fmt.Sprintf("%s: orders %s and %s", name, found[0].ID, found[1].ID))
	}
	what, orderID, refusal, claims := i.known()
	for _, claim := range claims {
		report.Wrong = append(report.Wrong, name+": "+claim)
	}
	switch what {
	case placed:
		report.Placed++
		switch o := byID[orderID]; {
		case o == nil:
			report.Lost = append(report.Lost, fmt.Sprintf("%s: was told of order %s, which Alpaca does not have", name, orderID))
		case !i.same(o):
			report.Wrong = append(report.Wrong, fmt.Sprintf("%s: was told of order %s, which is %s", name, orderID, identityOf(o)))
		}
	case refused:
		report.Refusals[refusal]++
		if len(found) > 0 {
			report.Wrong = append(report.Wrong, fmt.Sprintf("%s: was told %q, and Alpaca has order %s", name, refusal, found[0].ID))
		} else if i.purpose != hopeless {
			report.Unexpected = append(report.Unexpected, name+": "+refusal)
		}
	case handled:
		report.Placed += len(found)
		if len(found) == 0 && i.purpose != hopeless && !rejected {
			report.Lost = append(report.Lost, name+": the command was taken, and there is neither an order nor a refusal")
		}
		if len(found) > 0 && rejected {
			report.Wrong = append(report.Wrong, name+": an event says that the order was rejected")
		}
	case gaveUp:
		report.GaveUp++
	case unanswered:
		report.Lost = append(report.Lost, name+": was never answered for good")
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
	for n := range orders {
		if _, ok := place[orders[n].ID+":accepted"]; !ok {
			miss("an accepted order", orders[n].ID+":accepted")
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
	switch h.Name {
	case "partial_fill":
		return []string{h.OrderID + ":" + h.ExecutionID, h.OrderID + ":" + h.ExecutionID + ":position", h.ID + ":account"}
	case "fill":
		return []string{h.OrderID + ":filled", h.OrderID + ":" + h.ExecutionID + ":position", h.ID + ":account"}
	case "canceled", "expired", "replaced", "rejected":
		return []string{h.OrderID + ":" + h.Name}
	default:
		return nil
	}
}
