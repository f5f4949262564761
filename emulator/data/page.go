package data

import (
	"encoding/base64"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Pages of the historical endpoints.
const (
	usualLimit = 1000
	maxLimit   = 10_000
)

// cursor is where a page ended: after so many items of a moment of a symbol. Clients see it as an opaque token.
type cursor struct {
	symbol string
	letter string // of the endpoint and the timeframe
	at     time.Time
	passed int
}

func (c cursor) token() string {
	text := c.symbol + "|" + c.letter + "|" + strconv.FormatInt(c.at.UnixNano(), 10) + "|" + strconv.Itoa(c.passed)
	return base64.StdEncoding.EncodeToString([]byte(text))
}

// cursor reads the page token, which must be one of an endpoint with this letter. It is nil without a token.
func (q *query) cursor(letter string) *cursor {
	token := q.text("page_token")
	if token == "" {
		return nil
	}
	text, err := base64.StdEncoding.DecodeString(token)
	parts := strings.Split(string(text), "|")
	if err != nil || len(parts) != 4 || parts[1] != letter {
		q.refuse("invalid page_token: %s", token)
		return nil
	}
	nanoseconds, err := strconv.ParseInt(parts[2], 10, 64)
	if err != nil {
		q.refuse("invalid page_token: %s", token)
		return nil
	}
	passed, err := strconv.Atoi(parts[3])
	if err != nil || passed < 0 {
		q.refuse("invalid page_token: %s", token)
		return nil
	}
	return &cursor{parts[0], letter, time.Unix(0, nanoseconds).UTC(), passed}
}

// pageRequest is what a page of history is made of.
type pageRequest struct {
	symbols []string
	assets  func(symbol string) (*asset.Asset, bool)
	span    market.Span
	limit   int
	letter  string
	after   *cursor
}

// section is the items of one symbol, without the brackets.
type section struct {
	symbol string
	items  []byte
}

// page is a part of the history of some symbols.
type page struct {
	sections []section
	next     *cursor
}

// kind is how items of a type are read and written.
type kind[T any] struct {
	items  func(a *asset.Asset, span market.Span) iter.Seq[T]
	stamp  func(item *T) time.Time
	append func(dst []byte, a *asset.Asset, item *T) []byte
}

// collect fills a page: the symbols in order, of each the items in the order of time, up to the limit over all of them.
func (k kind[T]) collect(request pageRequest) page {
	var result page
	var last cursor
	left := request.limit
	for _, symbol := range request.symbols {
		if request.after != nil && symbol < request.after.symbol {
			continue
		}
		a, ok := request.assets(symbol)
		if !ok {
			continue
		}
		span, skip := request.resume(symbol)
		current := section{symbol: symbol}
		for item := range k.items(a, span) {
			at := k.stamp(&item)
			if skip.passed > 0 && at.Equal(skip.at) {
				skip.passed--
				last.count(symbol, at)
				continue
			}
			if left == 0 {
				last.letter = request.letter
				result.next = &last
				break
			}
			left--
			last.count(symbol, at)
			if current.items != nil {
				current.items = append(current.items, ',')
			}
			current.items = k.append(current.items, a, &item)
		}
		if current.items != nil {
			result.sections = append(result.sections, current)
		}
		if result.next != nil {
			return result
		}
	}
	return result
}

// resume returns what is left of the span for a symbol, and how many items of its first moment were on the page before.
func (r *pageRequest) resume(symbol string) (market.Span, cursor) {
	span := r.span
	if r.after == nil || symbol != r.after.symbol {
		return span, cursor{}
	}
	if span.Descending {
		span.To = earlier(span.To, r.after.at)
	} else if span.From.Before(r.after.at) {
		span.From = r.after.at
	}
	return span, *r.after
}

// count moves the cursor behind an item.
func (c *cursor) count(symbol string, at time.Time) {
	if c.symbol != symbol || !c.at.Equal(at) {
		c.symbol, c.at, c.passed = symbol, at, 0
	}
	c.passed++
}

// appendMany appends the body of a page of several symbols.
func (p page) appendMany(dst []byte, name, currency string) []byte {
	dst = append(dst, `{"`+name+`":{`...)
	for i, current := range p.sections {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.String(dst, current.symbol), `:[`...)
		dst = append(append(dst, current.items...), ']')
	}
	return p.appendEnd(append(dst, '}'), currency)
}

// appendOne appends the body of a page of one symbol.
func (p page) appendOne(dst []byte, name, symbol, currency string) []byte {
	dst = append(dst, `{"`+name+`":`...)
	if len(p.sections) == 0 {
		dst = append(dst, "null"...)
	} else {
		dst = append(append(append(dst, '['), p.sections[0].items...), ']')
	}
	dst = wire.String(append(dst, `,"symbol":`...), symbol)
	return p.appendEnd(dst, currency)
}

func (p page) appendEnd(dst []byte, currency string) []byte {
	if currency != "" {
		dst = wire.String(append(dst, `,"currency":`...), currency)
	}
	dst = append(dst, `,"next_page_token":`...)
	if p.next == nil {
		return append(dst, "null}"...)
	}
	return append(wire.String(dst, p.next.token()), '}')
}

// size is how many bytes the body will have, about.
func (p page) size() int {
	const envelope = 256
	total := envelope
	for _, current := range p.sections {
		total += len(current.items) + len(current.symbol) + 8
	}
	return total
}
