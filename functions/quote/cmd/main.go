// Command quote is the quote function; "quote feed" is the event source that holds the market-data streams.
package main

import (
	"os"

	"github.com/opitios-ai/alpaca-knative/functions/quote"
	"github.com/opitios-ai/alpaca-knative/functions/quote/feed"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func main() { os.Exit(run(os.Args[1:])) }

// run picks the mode by the first argument and returns the exit status.
func run(arguments []string) int {
	if len(arguments) > 0 && arguments[0] == "feed" {
		return platform.Main("quote-feed", arguments[1:], buildFeed)
	}
	return platform.Main("quote", arguments, buildFunction)
}

func buildFunction(cfg quote.Config, d platform.Dependencies) (serve.Function, error) {
	return quote.New(cfg, d)
}

func buildFeed(cfg feed.Config, d platform.Dependencies) (serve.Function, error) {
	return feed.New(cfg, d)
}
