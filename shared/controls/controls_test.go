package controls_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/controls"
)

const file = `{"defaults":{"limits":{"orders_per_minute":30},"risk":{"max_open_orders":10,"restricted_symbols":["GME"]}},
"accounts":{"a":{"limits":{"orders_per_minute":90},"risk":{"min_cash":null,"max_open_orders":20,"restricted_symbols":["AMC"]}},"b":{}}}`

func TestAccountsAreLaidOverTheDefaults(t *testing.T) {
	t.Parallel()
	set, err := controls.Parse([]byte(file), 5000)
	if err != nil {
		t.Fatal(err)
	}
	a, b, other := set.Of("a"), set.Of("b"), set.Of("other")
	if a.Limits.OrdersPerMinute != 90 || a.Risk.MinCash != nil || *a.Risk.MaxOpenOrders != 20 || strings.Join(a.Risk.RestrictedSymbols, " ") != "AMC GME" {
		t.Errorf("a: %+v", a)
	}
	for name, account := range map[string]*controls.Account{"b": b, "other": other} {
		if account.Limits.OrdersPerMinute != 30 || account.Risk.MinCash.String() != "5000" || *account.Risk.MaxOpenOrders != 10 || len(account.Risk.RestrictedSymbols) != 1 {
			t.Errorf("%s: %+v", name, account)
		}
	}
}

func TestCeilingsOverAllAccounts(t *testing.T) {
	t.Parallel()
	set, err := controls.Parse([]byte(`{"all_accounts":{"max_open_orders":0,"max_open_value":"1.5","window":"2s","max_window_orders":9}}`), 0)
	if err != nil {
		t.Fatal(err)
	}
	c := set.Ceilings()
	if !c.Any() || !c.NeedsValue() || *c.MaxOpenOrders != 0 || c.MaxOpenValue.String() != "1.5" || c.Window.Duration != 2*time.Second || *c.MaxWindowOrders != 9 {
		t.Errorf("%+v", c)
	}
	if none, err := controls.Parse([]byte(`{}`), 0); err != nil || none.Ceilings().Any() {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestBadFilesAreRefused(t *testing.T) {
	t.Parallel()
	for content, want := range map[string]string{
		``: "EOF", `{"default":{}}`: "unknown field", `{} {}`: "data after", `{"defaults":{"risk":{"max_order_valu":1}}}`: "unknown field",
		`{"defaults":{"risk":{"min_cash":-1}}}`: "risk.min_cash", `{"accounts":{"x":{"risk":{"max_repeats":2}}}}`: `accounts["x"]: risk.max_repeats`,
		`{"defaults":{"limits":{"orders_per_minute":-1}}}`: "limits.orders_per_minute", `{"defaults":{"risk":{"sessions":["night"]}}}`: "risk.sessions",
		`{"defaults":{"risk":{"restricted_symbols":["gme"]}}}`: "risk.restricted_symbols[0]", `{"defaults":{"risk":{"repeat_window":"2h"}}}`: "risk.repeat_window",
		`{"defaults":{"risk":{"max_open_orders":-1}}}`: "risk.max_open_orders", `{"all_accounts":{"max_open_valu":1}}`: "unknown field",
		`{"all_accounts":{"max_open_value":-1}}`: "all_accounts.max_open_value", `{"all_accounts":{"max_daily_value":1e14}}`: "all_accounts.max_daily_value",
		`{"all_accounts":{"max_open_orders":-1}}`: "all_accounts.max_open_orders", `{"all_accounts":{"window":"1s"}}`: "all_accounts.window",
		`{"all_accounts":{"max_window_orders":1}}`: "all_accounts.window", `{"all_accounts":{"window":"2m","max_window_value":1}}`: "all_accounts.window",
	} {
		if _, err := controls.Parse([]byte(content), 0); !errors.Is(err, controls.ErrFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", content, err, want)
		}
	}
}

func TestChangedFileIsTakenOverAndAFaultyOneIsNot(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.ErrorLevel)
	clk, registry := clock.NewFake(time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC)), prometheus.NewRegistry()
	path := filepath.Join(t.TempDir(), "controls.json")
	written := clk.Now()
	write := func(content string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		written = written.Add(time.Second)
		if err := os.Chtimes(path, written, written); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"defaults":{"limits":{"orders_per_minute":1}}}`)
	f := controls.NewFile(path, 0, clk, zap.New(core), registry)
	if err := f.Load(); err != nil {
		t.Fatal(err)
	}
	orders := func() int { return f.Of("a").Limits.OrdersPerMinute }
	write(`{"defaults":{"limits":{"orders_per_minute":2}}}`)
	if orders() != 1 {
		t.Fatal("looked at too soon")
	}
	clk.Advance(time.Second)
	if orders() != 2 || !f.Changed().Equal(written) {
		t.Fatal("not taken over")
	}
	write(`{"defaults":{"limits":{"orders_per_minute":"many"}}}`)
	clk.Advance(time.Second)
	if orders() != 2 || logs.Len() != 1 {
		t.Fatalf("%d orders, %d errors logged", orders(), logs.Len())
	}
	valid := func(want string) {
		t.Helper()
		text := "# HELP controls_file_valid 1 while the controls file is what holds, 0 after a change that can't be taken over.\n" +
			"# TYPE controls_file_valid gauge\ncontrols_file_valid " + want + "\n"
		if err := testutil.GatherAndCompare(registry, strings.NewReader(text), "controls_file_valid"); err != nil {
			t.Fatal(err)
		}
	}
	valid("0")
	write(`{"defaults":{"limits":{"orders_per_minute":3}}}`)
	clk.Advance(time.Second)
	if orders() != 3 {
		t.Fatal("the mended file was not taken over")
	}
	valid("1")
}

func TestMissingFileKeepsAFunctionFromStarting(t *testing.T) {
	t.Parallel()
	f := controls.NewFile("nowhere.json", 0, clock.System{}, zap.NewNop(), prometheus.NewRegistry())
	if err := f.Load(); !errors.Is(err, controls.ErrFile) {
		t.Fatal(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(file))
	f.Fuzz(func(t *testing.T, content []byte) {
		set, err := controls.Parse(content, 5000)
		if err != nil {
			if !errors.Is(err, controls.ErrFile) {
				t.Fatal(err)
			}
			return
		}
		if account := set.Of("a"); account == nil || account.Risk.Validate() != nil {
			t.Fatal("taken over, and not valid")
		}
	})
}
