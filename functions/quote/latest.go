package quote

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// view is one of the answers that are made of what is newest of a symbol.
type view uint8

const (
	viewQuote view = iota
	viewTrade
	viewBar
	viewSnapshot
	views
)

// latest is what is newest of a symbol. Its answers are encoded when first asked for, and never change.
type latest struct {
	class    *class
	symbol   string
	snapshot *alpaca.Snapshot
	asOf     time.Time
	// etag is the header of the answers. It changes with the market's data, not with as_of.
	etag    []string
	encoded [views]atomic.Pointer[[]byte]
}

func newLatest(c *class, symbol string, record *cache.Record) (*latest, error) {
	snapshot, err := cache.DecodeLatest(record)
	if err != nil {
		return nil, err
	}
	if *snapshot == (alpaca.Snapshot{}) {
		return nil, fmt.Errorf("%w: nothing of %s", cache.ErrPart, symbol)
	}
	return &latest{class: c, symbol: symbol, snapshot: snapshot, asOf: record.AsOf.UTC(), etag: []string{etagOf(record)}}, nil
}

// etagOf is weak, because the envelope around the data is another one each time.
func etagOf(record *cache.Record) string {
	hash := fnv.New64a()
	names := make([]string, 0, len(record.Fields))
	for name := range record.Fields {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		_, _ = hash.Write([]byte(name)) // a hash.Hash never returns an error
		_, _ = hash.Write([]byte(cache.WithoutTimes(record.Fields[name])))
	}
	return `W/"` + strconv.FormatUint(hash.Sum64(), 36) + `"`
}

// view returns the encoded answer, or SYMBOL_NOT_FOUND where Alpaca has no such datum of the symbol.
func (l *latest) view(v view) ([]byte, error) {
	if encoded := l.encoded[v].Load(); encoded != nil {
		return *encoded, nil
	}
	answer := l.answer(v)
	if answer == nil {
		return nil, problem.SymbolNotFound.New("there is no latest %s of the %s %s", viewName(v), l.class.noun, l.symbol).With("symbol", l.symbol)
	}
	encoded, err := json.Marshal(answer)
	if err != nil {
		return nil, problem.Internal.New("internal error").Because(fmt.Errorf("encode the %s of %s: %w", viewName(v), l.symbol, err))
	}
	l.encoded[v].Store(&encoded)
	return encoded, nil
}

func viewName(v view) string {
	return [...]string{"quote", "trade", "bar", "snapshot"}[v]
}

func (l *latest) answer(v view) any {
	origin := Origin{AsOf: l.asOf, Feed: l.class.feed}
	switch {
	case v == viewQuote:
		return l.class.quote(l)
	case v == viewTrade && l.snapshot.LatestTrade != nil:
		return Trade{Symbol: l.symbol, TradeData: tradeData(l.snapshot.LatestTrade), Origin: origin}
	case v == viewBar && l.snapshot.MinuteBar != nil:
		return Bar{Symbol: l.symbol, BarData: barData(l.snapshot.MinuteBar), Origin: origin}
	case v == viewSnapshot:
		return newSnapshot(l, origin)
	}
	return nil
}

// The last field of an encoded answer.
const (
	freshEnd = `"stale":false}`
	staleEnd = `"stale":true}`
)

// markStale returns a copy of an encoded answer that says that it is stale.
func markStale(data []byte) []byte {
	head := bytes.TrimSuffix(data, []byte(freshEnd))
	return slices.Concat(head, []byte(staleEnd))
}
