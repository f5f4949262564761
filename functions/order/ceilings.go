package order

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
)

// allAccounts names the ceilings together, when none of them can be checked.
const allAccounts = "all_accounts"

// ceilings are the limits over all accounts together. Safe for concurrent use.
type ceilings struct {
	book *ceiling.Book
	used *prometheus.GaugeVec
	// count compares the book with Alpaca; by one goroutine only.
	count counting
}

func newCeilings(p *platform.Platform, cfg *Config, registerer prometheus.Registerer) *ceilings {
	c := &ceilings{
		book: ceiling.New(p.Redis, ceiling.Config{Replicas: cfg.IntentReplicas, ReplicaTimeout: cfg.IntentReplicaTimeout}),
		used: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "risk_ceiling_used", Help: "What this instance last saw used of a ceiling over all accounts: orders or USD.",
		}, []string{"ceiling"}),
	}
	registerer.MustRegister(c.used)
	return c
}

func (c *ceilings) show(use *ceiling.Use, windowed bool) {
	c.used.WithLabelValues(risk.AllOpenOrders).Set(float64(use.OpenOrders))
	c.used.WithLabelValues(risk.AllOpenValue).Set(use.OpenValue.InexactFloat64())
	c.used.WithLabelValues(risk.AllDailyValue).Set(use.DailyValue.InexactFloat64())
	if windowed {
		c.used.WithLabelValues(risk.AllWindowOrders).Set(float64(use.WindowOrders))
		c.used.WithLabelValues(risk.AllWindowValue).Set(use.WindowValue.InexactFloat64())
	}
}

// today is the day of the daily ceiling: New York's.
func (f *Function) today() string {
	return f.Clock.Now().In(f.Hours.Calendar().Location()).Format(time.DateOnly)
}

// checkCeilings asks for room under the ceilings over all accounts, if there are any: one round trip to Redis. The order
// counts from then on, unless it is a dry run.
func (f *Function) checkCeilings(ctx context.Context, p *placement) error {
	limits := f.Controls.Ceilings()
	if !limits.Any() {
		return nil
	}
	var value *decimal.Decimal
	if limits.NeedsValue() {
		value = risk.HoldOf(&p.risk.order, p.risk.known).Value
		switch {
		case value == nil && p.risk.known == nil && f.unknownSymbol(ctx, p):
			return noSuchSymbol(p)
		case value == nil:
			return f.refused(p, &risk.Refusal{Control: allAccounts, Unknown: true, Message: "what the order is worth is not known: there is no price"})
		}
	}
	ctx, cancel := context.WithTimeout(ctx, f.config.RedisTimeout)
	defer cancel()
	ask := f.ceilings.book.Grant
	if p.dry {
		ask = f.ceilings.book.Peek
	}
	verdict, err := ask(ctx, p.counted(), value, f.today(), limits)
	switch {
	case errors.Is(err, ceiling.ErrTooLarge):
		return f.refused(p, &risk.Refusal{Control: allAccounts, Message: "the order's value is beyond what can be counted"})
	case err != nil:
		// The script may have run: what was not sent must not count, least of all for the whole day. An order that may have been
		// sent before keeps its place.
		if p.granted = !p.dry && !p.paidUntil.IsZero() && !errors.Is(err, ceiling.ErrIncomplete); p.granted {
			f.giveBack(p, true)
		}
		f.Logger.Warn("ceilings over all accounts not checked", zap.Error(err))
		return f.refused(p, &risk.Refusal{Control: allAccounts, Unknown: true, Message: "what all accounts have open is not known"})
	}
	f.ceilings.show(&verdict.Use, limits.Window.Duration > 0)
	if verdict.Refused != "" {
		return f.overCeiling(p, &verdict, limits, value)
	}
	p.granted = !p.dry
	return nil
}

// overCeiling words the refusal of a ceiling. One of the window is like a rate limit: the order may pass soon, unless it
// alone is too much.
func (f *Function) overCeiling(p *placement, v *ceiling.Verdict, limits *risk.Ceilings, value *decimal.Decimal) error {
	limit := limitOf(v.Refused, limits)
	refusal := &risk.Refusal{
		Control: v.Refused, Limit: &limit, Actual: &v.Actual,
		Message: "with this order all accounts come to " + v.Actual.String() + ", the limit is " + limit.String(),
	}
	alone := decimal.FromInt(1)
	if v.Refused == risk.AllWindowValue {
		alone = *value
	}
	if v.RetryAfter == 0 || alone.GreaterThan(limit) {
		return f.refused(p, refusal)
	}
	refusal.Unknown = true // nothing of it is remembered
	f.countRefusal(p, refusal)
	return &riskError{refusal: refusal, why: problem.RateLimitExceeded.New("%s: %s within %s", v.Refused, refusal.Message, limits.Window.Duration).
		With("control", v.Refused).With("limit", decimal.Number{Decimal: limit}).With("actual", decimal.Number{Decimal: v.Actual}).After(v.RetryAfter)}
}

func limitOf(name string, c *risk.Ceilings) decimal.Decimal {
	switch name {
	case risk.AllOpenOrders:
		return decimal.FromInt(int64(*c.MaxOpenOrders))
	case risk.AllWindowOrders:
		return decimal.FromInt(int64(*c.MaxWindowOrders))
	case risk.AllOpenValue:
		return c.MaxOpenValue.Decimal
	case risk.AllDailyValue:
		return c.MaxDailyValue.Decimal
	default:
		return c.MaxWindowValue.Decimal
	}
}

// counted is the order as the book of all accounts names it.
func (p *placement) counted() ceiling.Order {
	return ceiling.Order{AccountID: p.account.ID, ClientOrderID: p.request.ClientOrderID}
}

// giveBack lets go of what an order was granted, beside the answer: what is not given back, the next comparison with Alpaca
// finds. unsent says that it did not reach the market.
func (f *Function) giveBack(p *placement, unsent bool) {
	if !p.granted {
		return
	}
	p.granted = false
	order := p.counted()
	f.Go(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, f.config.UpstreamTimeout) // nobody waits for it, and Redis may just be slow
		defer cancel()
		if err := f.ceilings.book.Release(ctx, order, unsent); err != nil {
			f.Logger.Info("order counts until the next comparison with Alpaca", zap.String("account_id", order.AccountID),
				zap.String("client_order_id", order.ClientOrderID), zap.Error(err))
		}
	})
}

// worth is what an order that Alpaca shows counts for.
func (f *Function) worth(ctx context.Context, o *alpaca.Order) (decimal.Decimal, error) {
	order := knownOrder(o)
	if order.LimitPrice == nil && len(order.Legs) > 0 {
		order.LimitPrice = o.FilledAvgPrice // the legs' net
	}
	if value := risk.HoldOf(&order, &risk.Price{Last: o.FilledAvgPrice}).Value; value != nil {
		return *value, nil
	}
	var price *risk.Price
	switch {
	case len(order.Legs) > 0:
		price = <-f.prices.lookLegs(ctx, order.Symbols)
	case o.Symbol != "":
		price = <-f.prices.look(ctx, o.AssetClass, o.Symbol)
	}
	if value := risk.HoldOf(&order, price).Value; value != nil {
		return *value, nil
	}
	return decimal.Decimal{}, errNoPrice
}
