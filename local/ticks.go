package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/uuid"
	"go.uber.org/zap"

	ce "github.com/cloudevents/sdk-go/v2/event"

	"github.com/opitios-ai/alpaca-knative/knative/eventing"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// tickEvery is how often every PingSource ticks here. Its schedule spares functions that are at zero; here nothing is.
const tickEvery = 15 * time.Second

// pingSource is what is read of a PingSource.
type pingSource struct {
	Kind     string `yaml:"kind"`
	Metadata struct {
		Name string `yaml:"name"`
	} `yaml:"metadata"`
	Spec struct {
		Data        string `yaml:"data"`
		CEOverrides struct {
			Extensions map[string]string `yaml:"extensions"`
		} `yaml:"ceOverrides"`
	} `yaml:"spec"`
}

// pingSources reads the cluster's own.
func pingSources() ([]pingSource, error) {
	content, err := eventing.Manifests.ReadFile("ping-sources.yaml")
	if err != nil {
		return nil, err
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	var sources []pingSource
	for {
		var s pingSource
		switch err := decoder.Decode(&s); {
		case errors.Is(err, io.EOF):
			return sources, nil
		case err != nil:
			return nil, fmt.Errorf("ping-sources.yaml: %w", err)
		}
		if s.Kind == "PingSource" {
			sources = append(sources, s)
		}
	}
}

// event is one tick, as Knative's adapter makes it.
func (s pingSource) event(now time.Time) (event.Event, error) {
	e := ce.New(ce.CloudEventsVersionV1)
	e.SetID(uuid.NewString())
	e.SetType(event.TypePing)
	e.SetSource("/apis/v1/namespaces/local/pingsources/" + s.Metadata.Name)
	e.SetTime(now)
	for name, value := range s.Spec.CEOverrides.Extensions {
		e.SetExtension(name, value)
	}
	return e, e.SetData(ce.ApplicationJSON, []byte(s.Spec.Data))
}

// startTicks stands in for Knative's PingSources.
func (s *System) startTicks(context.Context) error { //nolint:contextcheck // ticks end with the system, not with its start
	sources, err := pingSources()
	if err != nil {
		return err
	}
	publisher, err := event.NewPublisher(s.ready.Broker, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.tickRegularly(ctx, publisher, sources) })
	s.onStop(func(context.Context) error {
		cancel()
		running.Wait()
		return nil
	})
	return nil
}

func (s *System) tickRegularly(ctx context.Context, publisher *event.Publisher, sources []pingSource) {
	ticker := time.NewTicker(tickEvery)
	defer ticker.Stop()
	for {
		for _, source := range sources {
			e, err := source.event(time.Now())
			if err == nil {
				err = publisher.Publish(ctx, e)
			}
			if err != nil && ctx.Err() == nil {
				s.logger.Warn("tick not published", zap.String("source", source.Metadata.Name), zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
