package auth

import (
	"errors"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics of one Verifier. The counters are resolved once: a label look-up would cost more than the cache hit.
type metrics struct {
	cached, verified, refused           prometheus.Counter
	uncheckedAccepted, uncheckedRefused prometheus.Counter
}

// newMetrics registers the counters, or shares those that another Verifier of this process registered.
func newMetrics(registerer prometheus.Registerer) (metrics, error) {
	verifications, err := register(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "auth_token_verifications_total",
		Help: "Access tokens seen, by result: cached, verified (not in the cache) or refused.",
	}, []string{"result"}))
	if err != nil {
		return metrics{}, err
	}
	unchecked, err := register(registerer, prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "auth_revocation_unchecked_total",
		Help: "Tokens whose revocation could not be checked, by outcome: accepted, or refused because of admin.",
	}, []string{"outcome"}))
	if err != nil {
		return metrics{}, err
	}
	return metrics{
		cached:            verifications.WithLabelValues("cached"),
		verified:          verifications.WithLabelValues("verified"),
		refused:           verifications.WithLabelValues("refused"),
		uncheckedAccepted: unchecked.WithLabelValues("accepted"),
		uncheckedRefused:  unchecked.WithLabelValues("refused"),
	}, nil
}

func register(registerer prometheus.Registerer, counter *prometheus.CounterVec) (*prometheus.CounterVec, error) {
	if registerer == nil {
		return counter, nil
	}
	err := registerer.Register(counter)
	if taken, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if existing, ok := taken.ExistingCollector.(*prometheus.CounterVec); ok {
			return existing, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("register metrics of auth: %w", err)
	}
	return counter, nil
}
