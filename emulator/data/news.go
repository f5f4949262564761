package data

import (
	"net/http"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/news"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Pages of news.
const (
	usualArticles = 10
	maxArticles   = 50
)

// firstNews is when the archive begins.
func firstNews() time.Time { return time.Date(2015, time.January, 1, 0, 0, 0, 0, time.UTC) }

// newsRequest is what a page of news is made of: the articles with these IDs, both included.
type newsRequest struct {
	first, last int64
	descending  bool
	limit       int
	content     bool
	symbols     map[string]bool // nil: all
	known       bool            // whether any of the symbols exists
	after       *cursor
}

// news answers with articles, the latest first unless asked otherwise.
func (api *API) news() access.Handler {
	desk := news.NewDesk(api.Seed, api.Catalogue)
	return func(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
		q := newQuery(r)
		request := api.readNews(q)
		if q.err != nil {
			wire.WriteError(w, q.err)
			return
		}
		wire.Write(w, http.StatusOK, request.appendArticles(nil, desk))
	}
}

func (api *API) readNews(q *query) newsRequest {
	now := api.Clock.Now()
	start, found := q.moment("start", time.UTC, false)
	if !found || start.Before(firstNews()) {
		start = firstNews()
	}
	end, found := q.moment("end", time.UTC, true)
	if !found || end.After(now) {
		end = now
	}
	if start.After(end) && start.Before(now) {
		q.refuse("end should not be before start")
	}
	const seconds = int64(news.Period / time.Second)
	request := newsRequest{
		first: (start.Unix() + seconds - 1) / seconds, last: end.Unix() / seconds, descending: q.descending(true),
		limit: q.limit(usualArticles, maxArticles), content: q.flag("include_content", false), after: q.cursor("N"), known: true,
	}
	q.flag("exclude_contentless", false) // all have content
	if text := q.text("symbols"); text != "" {
		request.symbols, request.known = map[string]bool{}, false
		for _, symbol := range q.newsSymbols(text) {
			request.symbols[symbol] = true
			if _, ok := api.stock(symbol); ok {
				request.known = true
			}
		}
	}
	if after := request.after; after != nil && request.descending {
		request.last = min(request.last, after.at.Unix()/seconds-1)
	} else if after != nil {
		request.first = max(request.first, after.at.Unix()/seconds+1)
	}
	return request
}

// newsSymbols reads stocks and crypto pairs, which news write without the slash.
func (q *query) newsSymbols(text string) []string {
	wanted := stockForm
	wanted.refusal = "invalid symbol: %s"
	return q.list(text, wanted)
}

func (n *newsRequest) appendArticles(dst []byte, desk *news.Desk) []byte {
	dst = append(dst, `{"news":[`...)
	id, step, count := n.first, int64(1), 0
	if n.descending {
		id, step = n.last, -1
	}
	var next *cursor
	var last time.Time
	for ; n.known && id >= n.first && id <= n.last; id += step {
		if n.symbols != nil && !desk.IsAbout(id, n.symbols) {
			continue
		}
		if count == n.limit {
			next = &cursor{letter: "N", at: last}
			break
		}
		article := desk.Article(id)
		if count > 0 {
			dst = append(dst, ',')
		}
		count, last = count+1, article.At
		dst = n.appendArticle(dst, &article)
	}
	return page{next: next}.appendEnd(append(dst, ']'), "")
}

func (n *newsRequest) appendArticle(dst []byte, article *news.Article) []byte {
	content := ""
	if n.content {
		content = article.Content
	}
	dst = strconv.AppendInt(append(dst, `{"id":`...), article.ID, 10)
	dst = wire.String(append(dst, `,"author":`...), article.Author)
	dst = wire.String(append(dst, `,"headline":`...), article.Headline)
	dst = wire.String(append(dst, `,"summary":`...), article.Summary)
	dst = wire.String(append(dst, `,"content":`...), content)
	dst = wire.Time(append(dst, `,"created_at":`...), article.At)
	dst = wire.Time(append(dst, `,"updated_at":`...), article.At)
	dst = wire.String(append(dst, `,"url":`...), article.URL)
	dst = append(appendImages(append(dst, `,"images":[`...), article), `],"symbols":[`...)
	for i, symbol := range article.Symbols {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.String(dst, symbol)
	}
	return append(wire.String(append(dst, `],"source":`...), article.Source), '}')
}

// appendImages appends the three sizes of a picture that one article in three has.
func appendImages(dst []byte, article *news.Article) []byte {
	const often = 3
	if article.ID%often != 0 {
		return dst
	}
	for i, size := range [...]string{"large", "small", "thumb"} {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.String(append(dst, `{"size":`...), size)
		dst = append(wire.String(append(dst, `,"url":`...), article.URL+"/"+size+".jpg"), '}')
	}
	return dst
}
