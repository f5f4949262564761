package serve

import (
	"errors"
	"net/http"
	"reflect"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Operation describes one method and path: what routing, authentication, limits and OpenAPI need.
type Operation struct {
	// ID is the OpenAPI operationId, for example "getStockQuote".
	ID string
	// Method and Path are those of a net/http ServeMux pattern, for example "/api/v1/stocks/{symbol}/quote".
	Method, Path string
	// Summary is one line, Description as much as needed.
	Summary, Description string
	// Tag groups the operation in the documentation.
	Tag string
	// Permission is what the token must hold; empty means that no token is needed.
	Permission auth.Permission
	// Limit names the rate limit that one request takes from; empty means none, or one that the handler takes itself.
	Limit string
	// Status is the status of success; 0 means 200.
	Status int
	// Parameters are the path, query and header parameters. A query parameter that is not named here is refused.
	Parameters []Parameter
	// Data is a value whose type documents the answer's data where the handler returns Raw; nil documents the
	// handler's own type.
	Data any
	// Also documents the other ways to succeed, whose answers the handler returns as Answered.
	Also []Answered
	// Problems are the ways to fail beyond those that every operation has.
	Problems []*problem.Kind

	body, data reflect.Type
	stream     bool // registered with HandleStream
}

// Parameter is one path, query or header parameter.
type Parameter struct {
	Name        string
	In          string // InPath, InQuery or InHeader
	Description string
	Example     string
	Required    bool
	// Enum lists the allowed values, if they are few.
	Enum []string
}

// Where a Parameter stands.
const (
	InPath   = "path"
	InQuery  = "query"
	InHeader = "header"
)

// Request is one authenticated and decoded request.
type Request[Body any] struct {
	*http.Request
	// Claims are the verified token's; nil for an operation without a permission.
	Claims *auth.Claims
	// Body is the decoded body.
	Body Body
	// Answer is the header of the answer, for what goes beyond the envelope (Retry-After, ETag).
	Answer http.Header
}

// ErrNotModified answers 304: the caller has what it asks for, by the ETag that the handler put into Answer.
var ErrNotModified = errors.New("not modified")

// None is the body of a request or the data of an answer that has none.
type None struct{}

// Raw is data that is JSON already: it goes into the envelope as it is.
type Raw []byte

// Answered is data with a status of its own, for an operation that has more than one way to succeed.
type Answered struct {
	Status int
	Data   any
}

// success is the status that operation answers with when all is well.
func (o *Operation) success() int {
	if o.Status == 0 {
		return http.StatusOK
	}
	return o.Status
}
