package quote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"strconv"

	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// document is an encoded answer that is cached as a whole. It never changes.
type document struct {
	data []byte
	etag []string
}

// Size is how many bytes it holds.
func (d *document) Size() int { return len(d.data) }

// errNoDocument is wrapped for what Redis holds in the place of a document.
var errNoDocument = errors.New("not a document")

// buildDocument reads a document back. What is in Redis is not taken on trust.
func buildDocument(key cache.Key, record *cache.Record) (any, error) {
	data, ok := record.Document()
	if !ok || !bytes.HasSuffix(data, []byte(freshEnd)) || !json.Valid(data) {
		return nil, fmt.Errorf("%w: %s of %s", errNoDocument, key.Kind, key.Symbol)
	}
	hash := fnv.New64a()
	_, _ = hash.Write(data) // a hash.Hash never returns an error
	return &document{data: data, etag: []string{`W/"` + strconv.FormatUint(hash.Sum64(), 36) + `"`}}, nil
}

// encodeDocument makes the fields of an answer, which must end with an Origin.
func encodeDocument(answer any) (cache.Fields, error) {
	data, err := json.Marshal(answer)
	if err != nil {
		return nil, problem.Internal.New("internal error").Because(fmt.Errorf("encode a document: %w", err))
	}
	return cache.Document(data), nil
}

// document answers with a document, errors of the request's own put in front of those of the document.
func (o *operations) document(ctx context.Context, r *serve.Request[serve.None], group *cache.Group, key cache.Key, public bool, failures []SymbolError) (serve.Raw, error) {
	answer, err := group.Get(ctx, key)
	if err != nil {
		return nil, err
	}
	found, ok := answer.Value.(*document)
	if !ok {
		return nil, problem.Internal.New("internal error")
	}
	data := found.data
	if answer.Stale {
		data = markStale(data)
	}
	if len(failures) > 0 {
		return withErrors(data, failures)
	}
	return data, o.caching.set(r.Request, r.Answer, answer, public, found.etag)
}

// errorsBegin is how a document that lists errors begins.
const errorsBegin = `{"errors":[`

func withErrors(data []byte, failures []SymbolError) ([]byte, error) {
	rest, ok := bytes.CutPrefix(data, []byte(errorsBegin))
	if !ok {
		return nil, problem.Internal.New("internal error").Because(errNoDocument)
	}
	encoded, err := encodeErrors(failures)
	if err != nil {
		return nil, err
	}
	joined := append(make([]byte, 0, len(data)+len(encoded)), errorsBegin...)
	joined = append(joined, encoded[1:len(encoded)-1]...)
	if rest[0] != ']' {
		joined = append(joined, ',')
	}
	return append(joined, rest...), nil
}

// encodeRules encodes what stands in for a document while Alpaca does not answer. It is not cached.
func encodeRules(answer any) (serve.Raw, error) {
	data, err := json.Marshal(answer)
	if err != nil {
		return nil, problem.Internal.New("internal error").Because(err)
	}
	return data, nil
}

func isNotModified(err error) bool { return errors.Is(err, serve.ErrNotModified) }
