package local

import (
	"fmt"
	"io"
)

// Banner prints where everything is, a token, and three commands that work when pasted.
func (s *System) Banner(w io.Writer) {
	r := s.ready
	upstream := "emulated Alpaca " + r.Emulator + " (admin " + r.EmulatorAdmin + ")"
	if r.Emulator == "" {
		upstream = "Alpaca's paper API"
	}
	redis := "embedded"
	if s.config.RedisURL != "" {
		redis = "the one of REDIS_URL"
	}
	account := r.Accounts[0]
	_, _ = fmt.Fprintf(w, `
Opitios Alpaca is ready.

  gateway   %s   (docs: %s/docs)
  broker    %s
  upstream  %s
  redis     %s
  accounts  %d, the first is %s
  metrics   %s/metrics

Token of %s (24 h):
  export TOKEN=%s

Try it:
  curl -s -H "Authorization: Bearer $TOKEN" %s/api/v1/stocks/AAPL/quote
  curl -s -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"day"}' %s/api/v1/stocks/order
  curl -s -H "Authorization: Bearer $TOKEN" %s/api/v1/positions

Ctrl-C stops it.
`, r.Gateway, r.Gateway, r.Broker, upstream, redis, len(r.Accounts), account.ID, r.Functions["account"], account.ID, account.Token, r.Gateway, r.Gateway, r.Gateway)
}
