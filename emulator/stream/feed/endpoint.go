package feed

import (
	"slices"
	"time"
)

// channel is a kind of market data that a client subscribes to.
type channel uint8

const (
	trades channel = iota
	quotes
	bars
	updatedBars
	dailyBars
	statuses
	lulds
	corrections
	cancelErrors
	imbalances
	orderbooks
	news
	pricing
	channelCount
)

// String returns the channel's key in subscribe messages and their answers.
func (c channel) String() string {
	return [channelCount]string{
		"trades", "quotes", "bars", "updatedBars", "dailyBars", "statuses", "lulds", "corrections", "cancelErrors",
		"imbalances", "orderbooks", "news", "pricing",
	}[c]
}

// Class is a kind of feed. Connections are counted by account and class.
type Class string

// The classes.
const (
	Stocks  Class = "stocks"
	Test    Class = "test"
	Crypto  Class = "crypto"
	Options Class = "options"
	News    Class = "news"
)

// endpoint is one address.
type endpoint struct {
	path     string
	class    Class
	channels []channel // in the order in which subscriptions are acknowledged
	plus     bool      // only in Algo Trader Plus
	packed   bool      // speaks MessagePack only
	delay    time.Duration
	venue    string // the only exchange whose quotes and trades it carries
	night    bool   // has quotes in the overnight session, too
}

// delayed is by how much the feeds lag that cost nothing.
const delayed = 15 * time.Minute

func endpoints() []endpoint {
	stockChannels := []channel{
		trades, quotes, bars, updatedBars, dailyBars, statuses, lulds, corrections, cancelErrors, imbalances,
	}
	list := []endpoint{
		{path: "/v2/iex", class: Stocks, channels: stockChannels, venue: "V"},
		{path: "/v2/sip", class: Stocks, channels: stockChannels, plus: true},
		{path: "/v2/delayed_sip", class: Stocks, channels: stockChannels, delay: delayed},
		{path: "/v1beta1/boats", class: Stocks, channels: stockChannels, plus: true, night: true},
		{path: "/v1beta1/overnight", class: Stocks, channels: stockChannels, delay: delayed, night: true},
		{path: "/v2/test", class: Test, channels: []channel{trades, quotes, bars}},
		{path: "/v1beta1/opra", class: Options, channels: []channel{trades, quotes}, plus: true, packed: true},
		{path: "/v1beta1/indicative", class: Options, channels: []channel{trades, quotes}, packed: true, delay: delayed},
		{path: "/v1beta1/news", class: News, channels: []channel{news}},
	}
	cryptoChannels := []channel{trades, quotes, orderbooks, bars, updatedBars, dailyBars}
	for _, location := range []string{"us", "us-1", "us-2", "eu-1", "bs-1"} {
		list = append(list, endpoint{path: "/v1beta3/crypto/" + location, class: Crypto, channels: cryptoChannels})
	}
	perpetualChannels := slices.Concat(cryptoChannels, []channel{pricing})
	return append(list, endpoint{path: "/v1beta1/crypto-perps/global", class: Crypto, channels: perpetualChannels})
}

func (e *endpoint) has(wanted channel) bool { return slices.Contains(e.channels, wanted) }
