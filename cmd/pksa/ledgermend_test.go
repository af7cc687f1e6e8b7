package main

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
)

// A search that takes long says for which value, how far it is, and one line at a time.
func TestMendProgress(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 32))
	check(t, err)
	aead, err := cipher.NewGCM(block)
	check(t, err)
	o := ledger.Options{ID: "mend", AEAD: aead, Sealer: func(_, _ uint64) cipher.AEAD { return aead },
		MAC: func(...[]byte) []byte { return make([]byte, 32) }}
	path := filepath.Join(t.TempDir(), "ledger.db")
	check(t, ledger.Create(path, o))
	l, err := ledger.Open(path, o)
	check(t, err)
	_, err = l.AddSlot(t.Context(), "mybot", "the secret of the slot, in plain sight", nil)
	check(t, errors.Join(err, l.Close()))
	check(t, alterValue(path, "slots", []byte("mybot"), 2))
	var said strings.Builder
	_, err = ledger.Mend(t.Context(), path, o, ledger.Mending{Every: time.Nanosecond, Progress: mendProgress(&said)})
	if !errors.Is(err, ledger.ErrDamaged) {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(said.String()), "\n")
	form := regexp.MustCompile(`^pksa: looking for the altered byte of app mybot: \d+ of \d+ bytes tried$`)
	if len(lines) < 10 {
		t.Errorf("it said %q", said.String())
	}
	for _, line := range lines {
		if !form.MatchString(line) {
			t.Errorf("it said %q", line)
		}
	}
}
