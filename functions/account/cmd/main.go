// Command account is the account function; "account updates" is the event source of trade updates.
package main

import (
	"os"

	"github.com/opitios-ai/alpaca-knative/functions/account"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func main() {
	os.Exit(platform.Main("account", os.Args[1:], buildFunction))
}

func buildFunction(cfg account.Config, d platform.Dependencies) (serve.Function, error) {
	return account.New(cfg, d)
}
