package feed

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	newsdesk "github.com/opitios-ai/alpaca-knative/emulator/news"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// newsFeed makes the messages of the news stream.
type newsFeed struct {
	bookless
	World
	desk    *newsdesk.Desk
	message wire.Object
}

func (n *newsFeed) symbols() []string { return symbolsOf(n.Catalogue.Underlyings(), asset.Equity) }

func (n *newsFeed) tick(f *feed, from, to time.Time) {
	for at := range steps(from, to, newsdesk.Period) {
		article := n.desk.At(at)
		f.publish(news, n.describe(&article), article.Symbols...)
	}
}

// describe writes an article, field by field as on Alpaca's page "Real-time News".
func (n *newsFeed) describe(a *newsdesk.Article) *wire.Object {
	return n.message.Reset().String("T", "n").Int("id", a.ID).String("headline", a.Headline).String("summary", a.Summary).
		String("author", a.Author).Time("created_at", a.At).Time("updated_at", a.At).String("url", a.URL).
		String("content", a.Content).Strings("symbols", a.Symbols).String("source", a.Source)
}
