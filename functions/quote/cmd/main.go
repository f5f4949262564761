// Command quote is the quote function.
package main

import (
	"os"

	"github.com/opitios-ai/alpaca-knative/functions/quote"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func main() {
	os.Exit(platform.Main[quote.Config]("quote", os.Args[1:], func(c quote.Config, d platform.Dependencies) (serve.Function, error) {
		return quote.New(c, d)
	}))
}
