package marketfeed

import (
	"errors"
	"fmt"
	"net/http"
)

// What a socket can fail with. A RefusedError wraps the one that its code stands for.
var (
	// ErrAuthFailed: Alpaca does not know the key pair.
	ErrAuthFailed = errors.New("key pair is refused")
	// ErrNotInPlan: the data plan of the key pair does not have the source.
	ErrNotInPlan = errors.New("source is not in the data plan")
	// ErrConnectionLimit: another connection of the same user had its place all the time that was waited.
	ErrConnectionLimit = errors.New("another connection holds the place")
	// ErrSymbolLimit: the data plan allows no more symbols. The subscription is as before.
	ErrSymbolLimit = errors.New("the data plan's symbol limit is reached")
	// ErrBusy: too many handshakes; wait longer before the next.
	ErrBusy = errors.New("too many handshakes")
	// ErrSilent: nothing, not even a pong, was heard for too long.
	ErrSilent = errors.New("the connection is silent")
	// ErrProtocol: something arrived that is not Alpaca's protocol.
	ErrProtocol = errors.New("not the market-data protocol")
)

// The codes of Alpaca's error messages that are told apart.
const (
	codeAuthFailed      = 402
	codeSymbolLimit     = 405
	codeConnectionLimit = 406
	codeNotInPlan       = 409
	codeScope           = 411
)

// RefusedError is an error message of Alpaca.
type RefusedError struct {
	Code int
	Text string
}

// Error returns Alpaca's own words.
func (e *RefusedError) Error() string { return fmt.Sprintf("refused: %.100s (%d)", e.Text, e.Code) }

// Unwrap returns what the code stands for, if it is told apart.
func (e *RefusedError) Unwrap() error {
	switch e.Code {
	case codeAuthFailed, codeScope:
		return ErrAuthFailed
	case codeSymbolLimit:
		return ErrSymbolLimit
	case codeConnectionLimit:
		return ErrConnectionLimit
	case codeNotInPlan:
		return ErrNotInPlan
	default:
		return nil
	}
}

// handshakeError says what the status of a failed handshake stands for.
func handshakeError(answer *http.Response, cause error) error {
	if answer == nil {
		return fmt.Errorf("connect: %w", cause)
	}
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		return fmt.Errorf("%w: handshake answered %s", ErrAuthFailed, answer.Status)
	case http.StatusForbidden, http.StatusNotFound:
		return fmt.Errorf("%w: handshake answered %s", ErrNotInPlan, answer.Status)
	case http.StatusTooManyRequests:
		return fmt.Errorf("%w: handshake answered %s", ErrBusy, answer.Status)
	default:
		return fmt.Errorf("handshake answered %s: %w", answer.Status, cause)
	}
}
