package feed

import (
	"fmt"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// newsFeed makes the messages of the news stream: one article in every period, a function of seed and time.
type newsFeed struct {
	bookless
	World
	message wire.Object
}

// newsPeriod is how often there are news.
const newsPeriod = 15 * time.Second

func (n *newsFeed) symbols() []string { return symbolsOf(n.Catalogue.Underlyings(), asset.Equity) }

func (n *newsFeed) tick(f *feed, from, to time.Time) {
	for at := range steps(from, to, newsPeriod) {
		symbols := n.about(at)
		f.publish(news, n.article(at, symbols), symbols...)
	}
}

// about returns the one or two stocks that the article of a moment is about.
func (n *newsFeed) about(at time.Time) []string {
	stocks := n.symbols()
	dice := mix(n.Seed, uint64(at.Unix()))
	first := stocks[dice%uint64(len(stocks))]
	second := stocks[dice>>32%uint64(len(stocks))]
	if first == second || dice>>16%2 == 0 {
		return []string{first}
	}
	return []string{first, second}
}

// article describes the article, field by field as on Alpaca's page "Real-time News".
func (n *newsFeed) article(at time.Time, symbols []string) *wire.Object {
	name := symbols[0]
	if found, ok := n.Catalogue.Find(symbols[0]); ok {
		name = found.Name
	}
	subjects := [...]string{
		"beats estimates for the quarter", "raises its outlook", "announces a share buyback", "names a new chief financial officer",
		"opens a new plant", "misses revenue estimates", "settles a patent dispute", "is upgraded by analysts",
	}
	headline := name + " " + subjects[mix(n.Seed+1, uint64(at.Unix()))%uint64(len(subjects))]
	id := at.Unix() / int64(newsPeriod/time.Second)
	return n.message.Reset().String("T", "n").Int("id", id).String("headline", headline).
		String("summary", headline+". Made up by the emulator.").String("author", "Emulator Newsdesk").
		Time("created_at", at).Time("updated_at", at).String("url", fmt.Sprintf("https://news.invalid/articles/%d", id)).
		String("content", "<p>"+headline+".</p>").Strings("symbols", symbols).String("source", "emulator")
}
