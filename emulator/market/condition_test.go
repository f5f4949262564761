package market

import "testing"

func TestEffects(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, conditions, tape string
		minute, daily          effect
	}{
		{"regular", "@", "C", updatesAll, updatesAll},
		{"odd lot", "@I", "C", updatesVolume, updatesVolume},
		{"sweep", "@F", "A", updatesAll, updatesAll},
		{"extended hours", "@T", "A", updatesAll, updatesVolume},
		{"extended odd lot", "@TI", "A", updatesVolume, updatesVolume},
		{"average price on A", "B", "A", updatesVolume, updatesVolume},
		{"bunched on C", "B", "C", updatesAll, updatesAll},
		{"official close", "M", "C", updatesNothing, updatesNothing},
		{"official open", "Q", "A", updatesNothing, updatesNothing},
		{"corrected close", "9", "A", updatesNothing, updatesEnds | updatesExtremes | updatesEmptyEnds},
		{"prior reference", "P", "A", updatesVolume, updatesExtremes | updatesVolume | updatesEmptyEnds},
		{"derivatively priced", "4", "A", updatesVolume, updatesExtremes | updatesVolume | updatesEmptyEnds},
		{"contingent", "7V", "B", updatesVolume, updatesVolume},
		{"none", "", "A", updatesAll, updatesAll},
	}
	for _, c := range cases {
		if got := effectOf(c.conditions, c.tape, false); got != c.minute {
			t.Errorf("%s: minute %b, want %b", c.name, got, c.minute)
		}
		if got := effectOf(c.conditions, c.tape, true); got != c.daily {
			t.Errorf("%s: daily %b, want %b", c.name, got, c.daily)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	var f fold
	f.add(10, 1, updatesVolume) // an odd lot
	if f.complete() || f.volume != 1 {
		t.Errorf("only volume: %+v", f)
	}
	f.add(20, 2, updatesExtremes|updatesVolume|updatesEmptyEnds) // opens, because nothing has
	f.add(30, 3, updatesAll)
	f.add(5, 4, updatesExtremes|updatesVolume|updatesEmptyEnds) // does not close
	if f.open != 20 || f.high != 30 || f.low != 5 || f.close != 30 || f.volume != 10 || f.trades != 4 || f.weight != 9 {
		t.Errorf("folded %+v", f)
	}
}
