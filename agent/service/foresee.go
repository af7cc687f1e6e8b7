package service

import (
	"fmt"
	"os"
	"path/filepath"

	"pksa/agent/config"
	"pksa/agent/harden"
	"pksa/keystore"
	"pksa/keystore/access"
)

// Foresee returns why the next start with these settings would fail, as far as it can be seen
// without a secret: what [ForeseeOpening] returns, and the certificate of the relay. The policy is
// not among it.
func Foresee(cfg *config.Config) []string {
	reasons := ForeseeOpening(cfg)
	if cfg.RelayListen != "" && cfg.RelayCertificate != "" {
		_, err := pairOf(cfg).Get(nil)
		if harden.Keeps(cfg.RelayCertificate) || harden.Keeps(cfg.RelayKey) {
			err = nil // the next start can read them
		}
		if err != nil {
			reasons = append(reasons, fmt.Sprintf("relay.certificate and relay.key cannot be used: %v", err))
		}
	}
	return reasons
}

// ForeseeOpening returns why the next start would not come as far as the open keystore: the
// settings as they are now, what opens the keystore, and the keystore.
func ForeseeOpening(cfg *config.Config) (reasons []string) {
	add := func(what string, err error) {
		if err != nil {
			reasons = append(reasons, fmt.Sprintf("%s: %v", what, err))
		}
	}
	_, err := config.Load(cfg.Home, filepath.Join(cfg.Home, "config.yaml"), os.Environ())
	add("the settings cannot be used", err)
	if source, err := keystore.ParseSource(cfg.Unlock); err == nil {
		add("what opens the keystore cannot be read", source.Check())
	}
	add("the keystore cannot be read", access.Check(cfg.Keystore, access.Kept))
	return reasons
}
