package exchange

import (
	"encoding/json"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

const maxWatchlistName = 64

// Watchlist is a named list of symbols that belongs to an account.
type Watchlist struct {
	ID        string    `json:"id"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	Symbols   []string  `json:"symbols"`
}

// WatchlistKey finds a watchlist, by ID or by name.
type WatchlistKey struct{ ID, Name string }

// WatchlistChange is the body that creates or changes a watchlist; nil leaves a part as it is.
type WatchlistChange struct {
	Name    *string   `json:"name"`
	Symbols *[]string `json:"symbols"`
}

// DecodeWatchlist reads a request body. A *wire.Error when it is not an object of the expected shape.
func DecodeWatchlist(body []byte) (WatchlistChange, error) {
	var change WatchlistChange
	if err := json.Unmarshal(body, &change); err != nil {
		return WatchlistChange{}, wire.BadBody()
	}
	return change, nil
}

// Watchlists returns the account's watchlists, oldest first.
func (a *Account) Watchlists() []Watchlist {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := make([]Watchlist, 0, len(a.watchlists))
	for _, w := range a.watchlists {
		list = append(list, w.clone())
	}
	return list
}

func (w *Watchlist) clone() Watchlist {
	copied := *w
	copied.Symbols = slices.Clone(w.Symbols)
	return copied
}

// Watchlist returns one watchlist. A *wire.Error when there is none.
func (a *Account) Watchlist(key WatchlistKey) (Watchlist, error) {
	return a.editWatchlist(key, func(*Watchlist) error { return nil })
}

// CreateWatchlist adds a watchlist. A *wire.Error for a name that is missing, too long or taken, or an unknown symbol.
func (a *Account) CreateWatchlist(change WatchlistChange) (Watchlist, error) {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	if change.Name == nil {
		return Watchlist{}, wire.Shape("watchlist name is required")
	}
	created := &Watchlist{ID: uuid.NewString(), CreatedAt: now.Truncate(time.Microsecond), Symbols: []string{}}
	if err := a.applyWatchlist(created, change); err != nil {
		return Watchlist{}, err
	}
	created.UpdatedAt = created.CreatedAt
	a.watchlists = append(a.watchlists, created)
	return created.clone(), nil
}

// UpdateWatchlist replaces the name, the symbols or both. A *wire.Error as of CreateWatchlist, or when there is none.
func (a *Account) UpdateWatchlist(key WatchlistKey, change WatchlistChange) (Watchlist, error) {
	return a.editWatchlist(key, func(w *Watchlist) error { return a.applyWatchlist(w, change) })
}

// AddToWatchlist appends a symbol. A *wire.Error when it is unknown or on the list already.
func (a *Account) AddToWatchlist(key WatchlistKey, symbol string) (Watchlist, error) {
	return a.editWatchlist(key, func(w *Watchlist) error {
		symbols := append(slices.Clone(w.Symbols), symbol)
		return a.applyWatchlist(w, WatchlistChange{Symbols: &symbols})
	})
}

// RemoveFromWatchlist takes a symbol off. A *wire.Error when it is not on the list.
func (a *Account) RemoveFromWatchlist(key WatchlistKey, symbol string) (Watchlist, error) {
	return a.editWatchlist(key, func(w *Watchlist) error {
		at := slices.Index(w.Symbols, symbol)
		if at < 0 {
			return wire.NotFound("symbol not found: %s", symbol)
		}
		w.Symbols = slices.Delete(w.Symbols, at, at+1)
		return nil
	})
}

// DeleteWatchlist removes a watchlist. A *wire.Error when there is none.
func (a *Account) DeleteWatchlist(key WatchlistKey) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.watchlistIndex(key)
	if at < 0 {
		return wire.NotFound("watchlist not found for %s", key.ID+key.Name)
	}
	a.watchlists = slices.Delete(a.watchlists, at, at+1)
	return nil
}

func (a *Account) watchlistIndex(key WatchlistKey) int {
	return slices.IndexFunc(a.watchlists, func(w *Watchlist) bool {
		return w.ID == key.ID || key.ID == "" && w.Name == key.Name
	})
}

// editWatchlist changes one watchlist, or leaves it as it was when change fails.
func (a *Account) editWatchlist(key WatchlistKey, change func(*Watchlist) error) (Watchlist, error) {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	at := a.watchlistIndex(key)
	if at < 0 {
		return Watchlist{}, wire.NotFound("watchlist not found for %s", key.ID+key.Name)
	}
	before := a.watchlists[at]
	edited := before.clone()
	if err := change(&edited); err != nil {
		return Watchlist{}, err
	}
	if edited.Name != before.Name || !slices.Equal(edited.Symbols, before.Symbols) {
		edited.UpdatedAt = now.Truncate(time.Microsecond)
		a.watchlists[at] = &edited
	}
	return edited.clone(), nil
}

// applyWatchlist checks and makes a change.
func (a *Account) applyWatchlist(target *Watchlist, change WatchlistChange) error {
	if change.Name != nil {
		if *change.Name == "" || utf8.RuneCountInString(*change.Name) > maxWatchlistName {
			return wire.Shape("watchlist name must have 1 to %d characters", maxWatchlistName)
		}
		for _, other := range a.watchlists {
			if other.Name == *change.Name && other.ID != target.ID {
				return wire.Shape("watchlist name must be unique")
			}
		}
		target.Name = *change.Name
	}
	if change.Symbols == nil {
		return nil
	}
	symbols := make([]string, 0, len(*change.Symbols))
	for _, symbol := range *change.Symbols {
		listed, ok := a.exchange.catalogue.Find(symbol)
		if !ok || listed.Class == asset.Option {
			return wire.Unprocessable("asset %q not found", symbol)
		}
		if slices.Contains(symbols, listed.Symbol) {
			return wire.Unprocessable("duplicate symbol %s", listed.Symbol)
		}
		symbols = append(symbols, listed.Symbol)
	}
	target.Symbols = symbols
	return nil
}
