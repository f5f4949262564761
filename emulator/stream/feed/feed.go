package feed

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// feed is one endpoint with those who listen to it. It may be used concurrently.
type feed struct {
	endpoint
	source source

	mu        sync.Mutex
	listeners map[*client]struct{} // those with any subscription
	topics    [channelCount]topic
	watched   []*watch  // what the source walks: every symbol that somebody wants, in order
	stale     bool      // watched must be made anew
	last      time.Time // up to when the listeners know what happened
	mark      int       // the record's last entry before the symbols that watched lacks were wanted
}

// topic is who listens to a channel, by symbol and to all.
type topic struct {
	bySymbol map[string]map[*client]struct{}
	all      map[*client]struct{}
}

func newFeed(e endpoint, s source) *feed {
	f := &feed{endpoint: e, source: s, listeners: make(map[*client]struct{})}
	for c := range f.topics {
		f.topics[c] = topic{bySymbol: make(map[string]map[*client]struct{}), all: make(map[*client]struct{})}
	}
	return f
}

// tick tells the listeners what happened since the last tick; false when there are none.
func (f *feed) tick(now time.Time) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.listeners) == 0 {
		f.watched, f.stale = nil, true
		return false
	}
	f.refresh()
	to := now.Add(-f.delay)
	from := f.last
	if to.Before(from) { // the clock was set back
		from = to
	}
	f.last = to
	f.source.tick(f, from, to)
	f.flush()
	return true
}

// change makes next the client's interest and acknowledges it, before any data that follows from it. mark is the last
// entry of the record that it is not told.
func (f *feed) change(s *client, next interest, now time.Time, mark int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.stale || len(f.listeners) == 0 {
		f.mark = mark
	}
	for c := range channelCount {
		f.diff(c, s, s.interest[c], next[c])
	}
	if len(f.listeners) == 0 { // what happens from now on is told
		f.last = now.Add(-f.delay)
	}
	before := s.interest
	s.interest = next
	f.enlist(s)
	s.control(encode(next.acknowledge(&f.endpoint), s.socket.Codec))
	f.openBooks(s, &before, now)
	s.outbox.flush()
}

// openBooks sends the whole content of each order book that the client begins to follow. f.mu is held.
func (f *feed) openBooks(s *client, before *interest, now time.Time) {
	if len(s.interest[orderbooks]) == 0 {
		return
	}
	f.refresh()
	followed := func(i *interest, symbol string) bool { return i.has(orderbooks, symbol) || i.has(orderbooks, star) }
	for _, w := range f.watched {
		if !followed(&s.interest, w.symbol) || followed(before, w.symbol) {
			continue
		}
		if o, ok := f.source.book(w, now.Add(-f.delay)); ok {
			s.data(encode(o, s.socket.Codec))
		}
	}
}

// leave forgets the client.
func (f *feed) leave(s *client) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for c := range channelCount {
		f.diff(c, s, s.interest[c], nil)
	}
	s.interest = interest{}
	f.enlist(s)
}

func (f *feed) enlist(s *client) {
	for c := range channelCount {
		if len(s.interest[c]) > 0 {
			f.listeners[s] = struct{}{}
			return
		}
	}
	delete(f.listeners, s)
}

func (f *feed) diff(c channel, s *client, before, after map[string]struct{}) {
	for symbol := range before {
		if _, kept := after[symbol]; !kept {
			f.remove(c, symbol, s)
		}
	}
	for symbol := range after {
		if _, had := before[symbol]; !had {
			f.add(c, symbol, s)
		}
	}
}

func (f *feed) add(c channel, symbol string, s *client) {
	f.stale = true
	t := &f.topics[c]
	if symbol == star {
		t.all[s] = struct{}{}
		return
	}
	if t.bySymbol[symbol] == nil {
		t.bySymbol[symbol] = make(map[*client]struct{})
	}
	t.bySymbol[symbol][s] = struct{}{}
}

func (f *feed) remove(c channel, symbol string, s *client) {
	f.stale = true
	t := &f.topics[c]
	if symbol == star {
		delete(t.all, s)
		return
	}
	delete(t.bySymbol[symbol], s)
	if len(t.bySymbol[symbol]) == 0 {
		delete(t.bySymbol, symbol)
	}
}

// wants reports whether anybody listens to a symbol on a channel.
func (f *feed) wants(c channel, symbol string) bool {
	t := &f.topics[c]
	return len(t.all) > 0 || len(t.bySymbol[symbol]) > 0
}

// publish hands a message about symbols to everybody who wants it, once, written once in each codec. f.mu is held.
func (f *feed) publish(c channel, o *wire.Object, symbols ...string) {
	t := &f.topics[c]
	var written [socket.Codecs][]byte
	hand := func(s *client) {
		if written[s.socket.Codec] == nil {
			written[s.socket.Codec] = encode(o, s.socket.Codec)
		}
		s.data(written[s.socket.Codec])
	}
	for s := range t.all {
		hand(s)
	}
	for i, symbol := range symbols {
		for s := range t.bySymbol[symbol] {
			if !s.interest.has(c, star) && !s.interest.any(c, symbols[:i]) {
				hand(s)
			}
		}
	}
}

// flush wakes the writers of those who got something. f.mu is held.
func (f *feed) flush() {
	for s := range f.listeners {
		if !s.outbox.empty() {
			s.outbox.flush()
		}
	}
}

// refresh brings watched up to date with the subscriptions; what is known of a symbol is kept. f.mu is held.
func (f *feed) refresh() {
	if !f.stale {
		return
	}
	f.stale = false
	known := make(map[string]*watch, len(f.watched))
	for _, w := range f.watched {
		known[w.symbol] = w
	}
	wanted := make(map[string]*watch)
	want := func(symbol string) {
		if known[symbol] == nil {
			known[symbol] = &watch{symbol: symbol, mark: f.mark}
		}
		wanted[symbol] = known[symbol]
	}
	for c := range f.topics {
		for symbol := range f.topics[c].bySymbol {
			want(symbol)
		}
		if len(f.topics[c].all) > 0 {
			for _, symbol := range f.source.symbols() {
				want(symbol)
			}
		}
	}
	f.watched = f.watched[:0]
	for _, w := range wanted {
		f.watched = append(f.watched, w)
	}
	slices.SortFunc(f.watched, func(a, b *watch) int { return strings.Compare(a.symbol, b.symbol) })
}
