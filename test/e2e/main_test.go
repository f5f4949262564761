// Package e2e runs the whole system in one process and uses it as a client would: over HTTP and CloudEvents only.
package e2e

import (
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }
