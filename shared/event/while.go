package event

import (
	"context"
	"io"
	"net/http"
	"sync"
)

// whileBody is a request body that asks once more, right before its first byte is sent, whether it may be. That is after
// everything that takes time: waiting for a connection, dialling, and whatever the process slept through meanwhile. A
// request without its body is not an event, so that "no" is in time even when the headers are on their way. Asking any
// earlier leaves a pause between the question and the request. Not for concurrent use.
type whileBody struct {
	io.ReadCloser
	ask func() error
}

func (b *whileBody) Read(p []byte) (int, error) {
	if err := b.ask(); err != nil {
		return 0, err
	}
	return b.ReadCloser.Read(p)
}

// guardBody makes the request depend on holds. Its error ends the request's context as well, so that the request is not
// tried again on another connection.
func guardBody(request *http.Request, cancel context.CancelCauseFunc, holds func(context.Context) error) {
	ctx := request.Context()
	guard := func(body io.ReadCloser) io.ReadCloser {
		return &whileBody{ReadCloser: body, ask: sync.OnceValue(func() error {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err := holds(ctx)
			if err != nil {
				cancel(err)
			}
			return err
		})}
	}
	request.Body = guard(request.Body)
	if again := request.GetBody; again != nil {
		request.GetBody = func() (io.ReadCloser, error) {
			body, err := again()
			if err != nil {
				return nil, err
			}
			return guard(body), nil
		}
	}
}
