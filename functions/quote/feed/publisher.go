package feed

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

const (
	// maxBatch bounds what waits for Redis in one channel, in bytes. What is beyond it is lost, and the readers see that.
	maxBatch = 4 << 20
	// storeEvery is how often the newest values go into the cache that all reads share, and storeFor how long they stay
	// there without further news.
	storeEvery = 250 * time.Millisecond
	storeFor   = 24 * time.Hour
)

// publisher sends ticks to all instances, and the newest values to the cache. Add may be called concurrently.
type publisher struct {
	redis   store.Client
	shared  *cache.Shared
	token   int64
	every   time.Duration
	logger  *zap.Logger
	metrics *metrics
	wake    chan struct{}

	mu       sync.Mutex
	channels map[channel]*outgoing
	newest   map[string]*cache.Tick
	scratch  []byte
}

type channel struct {
	class tick.Class
	shard int
}

// outgoing is what waits for one channel. sequence counts what was sent or lost.
type outgoing struct {
	batch    tick.Batch
	sequence uint64
}

func newPublisher(f *feed, token int64) *publisher {
	return &publisher{
		redis: f.platform.Redis, shared: f.shared, token: token, every: f.config.FlushInterval, logger: f.platform.Logger,
		metrics: f.metrics, wake: make(chan struct{}, 1), channels: make(map[channel]*outgoing), newest: make(map[string]*cache.Tick),
	}
}

// add takes one event, which is not kept; stored: it goes into the cache, too.
func (p *publisher) add(e *tick.Event, stored bool) {
	p.mu.Lock()
	to := channel{e.Class, tick.Shard(e.Symbol)}
	out := p.channels[to]
	if out == nil {
		out = &outgoing{}
		p.channels[to] = out
	}
	if out.batch.Size() > maxBatch {
		p.metrics.lost.Add(float64(out.batch.Len()))
		out.batch.Reset()
		out.sequence++
	}
	p.scratch = out.batch.Add(e, p.scratch)
	if stored {
		p.note(e)
	}
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// note keeps the newest of each kind.
func (p *publisher) note(e *tick.Event) {
	newest := p.newest[e.Symbol]
	if newest == nil {
		newest = &cache.Tick{Symbol: e.Symbol}
		p.newest[e.Symbol] = newest
	}
	switch e.Kind {
	case tick.Quote:
		newest.Quote = quoteOf(e)
	case tick.Trade:
		newest.Trade = tradeOf(e)
	case tick.Bar:
		newest.MinuteBar = barOf(e)
	default:
	}
}

// run publishes until ctx ends, and then what is left.
func (p *publisher) run(ctx context.Context) {
	stored := time.Now()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.wake:
			pause(ctx, p.every)
		case <-time.After(storeEvery): // what is newest may wait for its turn
		}
		p.publish(ctx)
		if time.Since(stored) >= storeEvery {
			stored = time.Now()
			p.store(ctx)
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	p.publish(last)
	p.store(last)
}

// publish sends what waits, all channels in one round trip.
func (p *publisher) publish(ctx context.Context) {
	messages := p.take()
	if len(messages) == 0 {
		return
	}
	_, err := p.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for to, message := range messages {
			pipe.Publish(ctx, store.TicksChannel(to.class.String(), to.shard), message)
		}
		return nil
	})
	if err != nil { // the readers see the gap by the sequence
		p.metrics.failed(failurePublish)
		p.logger.Debug("ticks not published", zap.Error(err))
		return
	}
	p.metrics.batches.Add(float64(len(messages)))
}

func (p *publisher) take() map[channel][]byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	messages := make(map[channel][]byte, len(p.channels))
	for to, out := range p.channels {
		if out.batch.Len() == 0 {
			continue
		}
		out.sequence++
		messages[to] = out.batch.AppendTo(make([]byte, 0, out.batch.Size()+24), p.token, out.sequence)
		out.batch.Reset()
	}
	return messages
}

// store writes the newest values into the cache. A part of it never replaces one with a later market time, which
// keeps a former owner from doing harm.
func (p *publisher) store(ctx context.Context) {
	p.mu.Lock()
	newest := p.newest
	p.newest = make(map[string]*cache.Tick, len(newest))
	p.mu.Unlock()
	ticks := make([]cache.Tick, 0, len(newest))
	for _, t := range newest {
		ticks = append(ticks, *t)
	}
	if len(ticks) == 0 {
		return
	}
	if err := p.shared.PutTicks(ctx, ticks, storeFor); err != nil {
		p.metrics.failed(failureStore)
		p.logger.Debug("newest values not stored", zap.Error(err))
	}
}

func number(d decimal.Decimal) decimal.Number { return decimal.Number{Decimal: d} }

func quoteOf(e *tick.Event) *alpaca.Quote {
	return &alpaca.Quote{
		Timestamp: e.At, BidPrice: number(e.BidPrice), BidSize: number(e.BidSize), BidExchange: e.BidExchange,
		AskPrice: number(e.AskPrice), AskSize: number(e.AskSize), AskExchange: e.AskExchange, Conditions: e.Conditions,
	}
}

func tradeOf(e *tick.Event) *alpaca.Trade {
	trade := &alpaca.Trade{
		Timestamp: e.At, ID: e.ID, Exchange: e.Exchange, Price: number(e.Price), Size: number(e.Size), Conditions: e.Conditions,
	}
	switch e.TakerSide {
	case "buy":
		trade.TakerSide = "B"
	case "sell":
		trade.TakerSide = "S"
	}
	return trade
}

func barOf(e *tick.Event) *alpaca.Bar {
	return &alpaca.Bar{
		Timestamp: e.At, Open: number(e.Open), High: number(e.High), Low: number(e.Low), Close: number(e.Close),
		Volume: number(e.Volume), TradeCount: e.TradeCount, VWAP: number(e.VWAP),
	}
}
