// Command account is the account function; "account updates" is the event source of trade updates.
package main

import (
	"os"

	"github.com/opitios-ai/alpaca-knative/functions/account"
	"github.com/opitios-ai/alpaca-knative/functions/account/updates"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func main() { os.Exit(run(os.Args[1:])) }

// run picks the mode by the first argument and returns the exit status.
func run(arguments []string) int {
	if len(arguments) > 0 && arguments[0] == "updates" {
		return platform.Main("account-updates", arguments[1:], buildUpdates)
	}
	return platform.Main("account", arguments, buildFunction)
}

func buildFunction(cfg account.Config, d platform.Dependencies) (serve.Function, error) {
	return account.New(cfg, d)
}

func buildUpdates(cfg updates.Config, d platform.Dependencies) (serve.Function, error) {
	return updates.New(cfg, d)
}
