package local

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// Ready tells where everything is; it is what READY_FILE gets.
type Ready struct {
	Gateway       string `json:"gateway"`
	Broker        string `json:"broker"`
	Emulator      string `json:"emulator,omitempty"`
	EmulatorAdmin string `json:"emulator_admin,omitempty"`
	Redis         string `json:"redis"`
	AdminToken    string `json:"admin_token"`
	// Functions are the functions' own addresses, where /metrics, /readyz and /healthz are.
	Functions map[string]string `json:"functions"`
	Accounts  []ReadyAccount    `json:"accounts"`
}

// ReadyAccount is a demo account with all that a client needs.
type ReadyAccount struct {
	ID        string `json:"id"`
	KeyID     string `json:"key_id"`
	SecretKey string `json:"secret_key"`
	Token     string `json:"token"`
}

// write puts the file in place in one step, so that whoever waits for it never reads half of it.
func (r Ready) write(path string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(filepath.Dir(path), ".ready-*") // made with mode 0600
	if err != nil {
		return fmt.Errorf("READY_FILE: %w", err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // gone already when it was renamed
	_, err = temporary.Write(append(content, '\n'))
	if closeErr := temporary.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("READY_FILE: %w", err)
	}
	if err := os.Rename(temporary.Name(), path); err != nil {
		return fmt.Errorf("READY_FILE: %w", err)
	}
	return nil
}
