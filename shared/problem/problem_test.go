package problem_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

func TestErrorKeepsKindAndCause(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("place: %w", problem.OrderNotFound.New("no order %s", "x").Because(io.EOF))
	if !errors.Is(err, problem.OrderNotFound) || !errors.Is(err, io.EOF) {
		t.Fatalf("%v lost its kind or its cause", err)
	}
	if errors.Is(err, problem.AccountNotFound) {
		t.Fatal("kinds with the same status must differ")
	}
}

func TestFromHidesWhatIsNotAProblem(t *testing.T) {
	t.Parallel()
	got := problem.From(errors.New("password=hunter2"))
	if got.Kind != problem.Internal || got.Message != "internal error" {
		t.Fatalf("got %+v", got)
	}
}

func TestFromFindsTheWrappedOne(t *testing.T) {
	t.Parallel()
	want := problem.Forbidden.New("no").Field("account_id")
	if got := problem.From(fmt.Errorf("a: %w", want)); got != want || got.Details["field"] != "account_id" {
		t.Fatalf("got %+v", got)
	}
}

func TestEveryKindHasACodeAndAnErrorStatus(t *testing.T) {
	t.Parallel()
	for _, kind := range problem.Kinds() {
		if kind.Code() == "" || kind.Status() < 400 || kind.Status() > 599 {
			t.Errorf("%+v", kind)
		}
	}
}
