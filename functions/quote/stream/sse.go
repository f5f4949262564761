package stream

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// eventStream is the transport of server-sent events: each message is an event whose name is its type.
type eventStream struct {
	writer     http.ResponseWriter
	controller *http.ResponseController
	timeout    time.Duration
	end        context.CancelFunc
	once       sync.Once
}

// messageType is the type of a message: every one begins with it.
func messageType(body []byte) []byte {
	_, rest, _ := bytes.Cut(body, []byte(`"type":"`))
	name, _, _ := bytes.Cut(rest, []byte(`"`))
	return name
}

func (s *eventStream) encode(frame []byte, bodies []letter) []byte {
	for _, b := range bodies {
		frame = append(frame, "event: "...)
		frame = append(frame, messageType(b.body)...)
		frame = append(frame, "\ndata: "...)
		frame = append(frame, b.body...) // JSON of ours has no line breaks
		frame = append(frame, "\n\n"...)
	}
	return frame
}

func (s *eventStream) send(frame []byte) error {
	if err := s.controller.SetWriteDeadline(time.Now().Add(s.timeout)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if _, err := s.writer.Write(frame); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	if err := s.controller.Flush(); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}

func (s *eventStream) finish(int, string) { s.abort() }

// ping has nothing to do: who writes to a peer that is gone finds out.
func (s *eventStream) ping(context.Context) error { return nil }

func (s *eventStream) abort() { s.once.Do(s.end) }

// ServeEvents answers with an event stream of the topics in the query.
func (s *Service) ServeEvents(w http.ResponseWriter, r *serve.Request[serve.None]) error {
	claims, err := s.claimsOf(r.Request)
	if err != nil {
		return err
	}
	if claims == nil {
		return problem.InvalidToken.New("send the token in the Authorization header, or a ticket as ?ticket=")
	}
	class, ids, err := s.queried(r.Request)
	if err != nil {
		return err
	}
	const name = "sse"
	if err := s.begin(name); err != nil {
		return err
	}
	defer s.leave(name)
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	c := s.newClient(newConnectionID(), &eventStream{
		writer: w, controller: http.NewResponseController(w), timeout: s.config.WriteTimeout, end: cancel,
	})
	if err := c.authenticate(ctx, claims); err != nil {
		return err
	}
	defer c.depart(ctx)
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("Cache-Control", "no-store")
	header.Set("X-Accel-Buffering", "no") // nginx would hold events back
	w.WriteHeader(http.StatusOK)
	s.hub.join(c)
	c.subscribe(class, ids)
	go func() {
		<-ctx.Done()
		close(c.done)
	}()
	c.write()
	return nil
}

// queried returns the topics of ?symbols=, ?channels= and ?asset_class=.
func (s *Service) queried(r *http.Request) (tick.Class, []tick.Topic, error) {
	query := r.URL.Query()
	list := func(name, fallback string) []string {
		text := query.Get(name)
		if text == "" {
			text = fallback
		}
		if text == "" {
			return nil
		}
		return strings.SplitN(text, ",", s.config.Topics+2)
	}
	symbols := list("symbols", "")
	if len(symbols) == 0 {
		return 0, nil, problem.InvalidRequest.New("symbols must name at least one symbol").Field("symbols")
	}
	wanted := Request{AssetClass: query.Get("asset_class")}
	for _, channel := range list("channels", "quotes") {
		switch channel {
		case "quotes":
			wanted.Quotes = symbols
		case "trades":
			wanted.Trades = symbols
		case "bars":
			wanted.Bars = symbols
		default:
			return 0, nil, problem.InvalidRequest.New("channels are quotes, trades and bars, not %.20q", channel).Field("channels")
		}
	}
	return wanted.topics(s.config.Topics)
}
