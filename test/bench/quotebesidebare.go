package main

import "context"

// quoteBesideBare is a quote function and, as its peer, a bare handler that writes as many bytes.
type quoteBesideBare struct {
	*backing

	quote *served
	// bare is the peer's address.
	bare string
	ends []func()
}

// startQuoteBesideBare starts both; stop ends them.
func startQuoteBesideBare(ctx context.Context, bin string) (*quoteBesideBare, error) {
	b, err := startBacking(ctx, bin)
	if err != nil {
		return nil, err
	}
	q := &quoteBesideBare{backing: b, ends: []func(){b.stop}}
	if err := q.start(ctx, bin); err != nil {
		q.stop()
		return nil, err
	}
	return q, nil
}

func (q *quoteBesideBare) start(ctx context.Context, bin string) error {
	quote, err := q.serveQuote(ctx, bin)
	if err != nil {
		return err
	}
	q.quote, q.ends = quote, append(q.ends, quote.stop)
	size, err := bodySize(ctx, "http://"+quote.address+quotePath, q.token)
	if err != nil {
		return err
	}
	bare, stopBare, err := startPeer(ctx, size)
	if err != nil {
		return err
	}
	q.bare, q.ends = bare, append(q.ends, stopBare)
	return nil
}

// stop ends what was started, the last first.
func (q *quoteBesideBare) stop() {
	for i := len(q.ends) - 1; i >= 0; i-- {
		q.ends[i]()
	}
}
