// Command order is the order function: it places, lists and cancels orders, by HTTP and by CloudEvent.
package main

import (
	"os"

	"github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func main() {
	os.Exit(platform.Main("order", os.Args[1:], func(cfg order.Config, d platform.Dependencies) (serve.Function, error) {
		return order.New(cfg, d)
	}))
}
