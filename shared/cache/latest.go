package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// The parts of KindLatest. A part's value is its market time in nanoseconds (19 digits), when it was written in
// milliseconds (13 digits), and Alpaca's own JSON object, separated by single spaces.
const (
	partQuote       = "quote"
	partTrade       = "trade"
	partMinuteBar   = "minute_bar"
	partDailyBar    = "daily_bar"
	partPreviousDay = "previous_daily_bar"
	partGreeks      = "greeks" // with the implied volatility
)

// partHead is what stands before a part's JSON.
const partHead = 19 + 1 + 13 + 1

// ErrPart is wrapped for a part that can't be read.
var ErrPart = errors.New("unreadable part")

// EncodeLatest returns the parts of a snapshot.
func EncodeLatest(snapshot *alpaca.Snapshot) (Fields, error) {
	var e partEncoder
	if quote := snapshot.LatestQuote; quote != nil {
		e.add(partQuote, quote.Timestamp, quote)
	}
	if trade := snapshot.LatestTrade; trade != nil {
		e.add(partTrade, trade.Timestamp, trade)
	}
	e.addBar(partMinuteBar, snapshot.MinuteBar)
	e.addBar(partDailyBar, snapshot.DailyBar)
	e.addBar(partPreviousDay, snapshot.PrevDailyBar)
	if snapshot.Greeks != nil || snapshot.ImpliedVolatility != nil {
		// Greeks have no time of their own: that of the quote they were made of has to do.
		moment := time.Unix(0, 1)
		if snapshot.LatestQuote != nil {
			moment = snapshot.LatestQuote.Timestamp
		}
		e.add(partGreeks, moment, &greeksPart{snapshot.Greeks, snapshot.ImpliedVolatility})
	}
	return e.fields, e.err
}

type partEncoder struct {
	fields Fields
	err    error
}

func (e *partEncoder) add(name string, moment time.Time, part any) {
	encoded, err := json.Marshal(part)
	if err != nil {
		e.err = errors.Join(e.err, fmt.Errorf("encode %s: %w", name, err))
		return
	}
	e.fields = append(e.fields, Field{Name: name, Value: string(encoded), Moment: moment})
}

func (e *partEncoder) addBar(name string, bar *alpaca.Bar) {
	if bar != nil {
		e.add(name, bar.Timestamp, bar)
	}
}

type greeksPart struct {
	Greeks            *alpaca.Greeks  `json:"greeks,omitempty"`
	ImpliedVolatility *decimal.Number `json:"impliedVolatility,omitempty"`
}

// DecodeLatest reads the parts of a record back. What is in Redis is not taken on trust: ErrPart.
func DecodeLatest(record *Record) (*alpaca.Snapshot, error) {
	snapshot := &alpaca.Snapshot{}
	var greeks greeksPart
	for name, text := range record.Fields {
		var target any
		switch name {
		case partQuote:
			target = &snapshot.LatestQuote
		case partTrade:
			target = &snapshot.LatestTrade
		case partMinuteBar:
			target = &snapshot.MinuteBar
		case partDailyBar:
			target = &snapshot.DailyBar
		case partPreviousDay:
			target = &snapshot.PrevDailyBar
		case partGreeks:
			target = &greeks
		default:
			continue
		}
		if _, err := decodePart(text, target); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	snapshot.Greeks, snapshot.ImpliedVolatility = greeks.Greeks, greeks.ImpliedVolatility
	return snapshot, nil
}

// decodePart reads one part and returns when it was written.
func decodePart(text string, target any) (seen time.Time, err error) {
	if len(text) <= partHead || text[19] != ' ' || text[partHead-1] != ' ' {
		return time.Time{}, fmt.Errorf("%w: no market time", ErrPart)
	}
	milliseconds, err := strconv.ParseInt(text[20:33], 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrPart, err)
	}
	if err := json.Unmarshal([]byte(text[partHead:]), target); err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrPart, err)
	}
	return time.UnixMilli(milliseconds), nil
}

// Tick is news of one symbol: what is not nil is new. The rest of the record ages as before.
type Tick struct {
	Symbol      string
	Quote       *alpaca.Quote
	Trade       *alpaca.Trade
	MinuteBar   *alpaca.Bar
	DailyBar    *alpaca.Bar
	PreviousDay *alpaca.Bar
}

// PutTicks writes news into Redis, where readers of all instances and Last find it; keep is how long a symbol without
// further news stays there (readers use what is not current only while Alpaca fails). A part does not replace a later
// one. One round trip for any number of ticks; an error wraps ErrAway or names the first part that can't be encoded.
func (s *Shared) PutTicks(ctx context.Context, ticks []Tick, keep time.Duration) error {
	writes := make([]entryWrite, 0, len(ticks))
	for _, tick := range ticks {
		fields, err := EncodeLatest(&alpaca.Snapshot{
			LatestQuote: tick.Quote, LatestTrade: tick.Trade, MinuteBar: tick.MinuteBar, DailyBar: tick.DailyBar, PrevDailyBar: tick.PreviousDay,
		})
		if err != nil {
			return err
		}
		writes = append(writes, entryWrite{key: Latest(tick.Symbol), fields: fields, keep: keep})
	}
	return s.put(ctx, writes)
}

// LastPrices is what Redis has of a symbol: nil without a quote or a trade. A side without a quote has price 0.
type LastPrices struct {
	Quote *alpaca.Quote
	Trade *alpaca.Trade
	// QuoteSeen and TradeSeen are when each was written, by Redis's clock. The market's own times are in Quote and Trade: a
	// quote that was written a moment ago may be hours old where nobody trades.
	QuoteSeen, TradeSeen time.Time
}

// Hash is what Last needs of a Redis client.
type Hash interface {
	HMGet(ctx context.Context, key string, fields ...string) *redis.SliceCmd
}

// Last reads the last quote and trade of a canonical symbol from Redis, whoever put them there; both are nil when
// Redis has nothing of it. One round trip, no upstream call.
func Last(ctx context.Context, client Hash, symbol string) (LastPrices, error) {
	var last LastPrices
	values, err := client.HMGet(ctx, store.QuoteKey(symbol), partQuote, partTrade).Result()
	if err != nil {
		return last, fmt.Errorf("last prices of %s: %w", symbol, err)
	}
	if len(values) != 2 {
		return last, fmt.Errorf("last prices of %s: %w", symbol, ErrPart)
	}
	if text, ok := values[0].(string); ok {
		if last.QuoteSeen, err = decodePart(text, &last.Quote); err != nil {
			return LastPrices{}, fmt.Errorf("last quote of %s: %w", symbol, err)
		}
	}
	if text, ok := values[1].(string); ok {
		if last.TradeSeen, err = decodePart(text, &last.Trade); err != nil {
			return LastPrices{}, fmt.Errorf("last trade of %s: %w", symbol, err)
		}
	}
	return last, nil
}

// WithoutTimes is a field's value without the times that stand before a part: what changes only with the market.
func WithoutTimes(value string) string {
	if len(value) > partHead && value[19] == ' ' && value[partHead-1] == ' ' {
		return value[partHead:]
	}
	return value
}
