package feed

import (
	"maps"
	"slices"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// interest is what one client is subscribed to.
type interest [channelCount]map[string]struct{}

func (i *interest) has(c channel, symbol string) bool {
	_, ok := i[c][symbol]
	return ok
}

// any reports whether the client wants one of the symbols.
func (i *interest) any(c channel, symbols []string) bool {
	return slices.ContainsFunc(symbols, func(symbol string) bool { return i.has(c, symbol) })
}

// with returns the interest after a request; the receiver stays as it is. Trades bring corrections and cancels along.
func (i *interest) with(wanted *request) interest {
	next := *i
	for c, symbols := range wanted.symbols {
		next.change(channel(c), symbols, wanted.action == actionSubscribe)
		if channel(c) == trades {
			next.change(corrections, symbols, wanted.action == actionSubscribe)
			next.change(cancelErrors, symbols, wanted.action == actionSubscribe)
		}
	}
	return next
}

func (i *interest) change(c channel, symbols []string, add bool) {
	if len(symbols) == 0 {
		return
	}
	changed := maps.Clone(i[c])
	if changed == nil {
		changed = make(map[string]struct{}, len(symbols))
	}
	for _, symbol := range symbols {
		if add {
			changed[symbol] = struct{}{}
		} else {
			delete(changed, symbol)
		}
	}
	i[c] = changed
}

// acknowledge describes the whole interest: every channel of the endpoint has its key, because SDKs read them all.
func (i *interest) acknowledge(e *endpoint) *wire.Object {
	answer := new(wire.Object).String("T", "subscription")
	for _, c := range e.channels {
		answer.Strings(c.String(), slices.Sorted(maps.Keys(i[c])))
	}
	return answer
}
