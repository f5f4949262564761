// Package e2e runs the whole system in one process and uses it as a client would: over HTTP and CloudEvents only.
package e2e

import (
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
