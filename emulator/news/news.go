// Package news makes up the emulator's news: one article in every Period, a function of seed and time.
package news

import (
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
)

// Period is the time between two articles.
const Period = 15 * time.Second

// Article is one piece of news.
type Article struct {
	ID                                              int64
	Headline, Summary, Author, URL, Content, Source string
	At                                              time.Time // created and updated
	Symbols                                         []string  // one or two stocks
}

// Desk writes articles. It may be used concurrently.
type Desk struct {
	seed   uint64
	stocks []*asset.Asset
}

// NewDesk returns a desk that writes about the stocks of a catalogue.
func NewDesk(seed uint64, catalogue *asset.Catalogue) *Desk {
	return &Desk{seed: seed, stocks: catalogue.Underlyings()}
}

// At returns the last article at or before a time.
func (d *Desk) At(at time.Time) Article {
	const seconds = int64(Period / time.Second)
	return d.Article(at.Unix() / seconds)
}

// Article returns the article with an ID.
func (d *Desk) Article(id int64) Article {
	at := time.Unix(id*int64(Period/time.Second), 0).UTC()
	first, second := d.about(at)
	symbols := []string{first.Symbol}
	if second != nil {
		symbols = append(symbols, second.Symbol)
	}
	subjects := [...]string{
		"beats estimates for the quarter", "raises its outlook", "announces a share buyback", "names a new chief financial officer",
		"opens a new plant", "misses revenue estimates", "settles a patent dispute", "is upgraded by analysts",
	}
	headline := first.Name + " " + subjects[mix(d.seed+1, uint64(at.Unix()))%uint64(len(subjects))]
	return Article{
		ID: id, Headline: headline, Summary: headline + ". Made up by the emulator.", Author: "Emulator Newsdesk",
		URL: "https://news.invalid/articles/" + strconv.FormatInt(id, 10), Content: "<p>" + headline + ".</p>",
		Source: "emulator", At: at, Symbols: symbols,
	}
}

// IsAbout reports whether the article with an ID is about one of some stocks, without writing it.
func (d *Desk) IsAbout(id int64, symbols map[string]bool) bool {
	first, second := d.about(time.Unix(id*int64(Period/time.Second), 0))
	return symbols[first.Symbol] || second != nil && symbols[second.Symbol]
}

// about returns the one or two stocks that the article of a moment is about.
func (d *Desk) about(at time.Time) (first, second *asset.Asset) {
	dice := mix(d.seed, uint64(at.Unix()))
	first = d.stocks[dice%uint64(len(d.stocks))]
	second = d.stocks[dice>>32%uint64(len(d.stocks))]
	if first == second || dice>>16%2 == 0 {
		return first, nil
	}
	return first, second
}

// mix hashes two words into one (splitmix64's finalizer).
func mix(a, b uint64) uint64 {
	x := a ^ b*0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
