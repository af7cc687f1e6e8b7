package main

import (
	"crypto/aes"
	"crypto/cipher"
	"errors"
	"path/filepath"
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
	tell, clear := (&command{streams: streams{err: &said}}).mendProgress()
	calls := 0
	_, err = ledger.Mend(t.Context(), path, o, ledger.Mending{Every: time.Nanosecond,
		Progress: func(what string, done, all int) {
			if calls++; what != "app mybot" || done > all {
				t.Errorf("%s: %d of %d", what, done, all)
			}
			tell(what, done, all)
		}})
	clear()
	if !errors.Is(err, ledger.ErrDamaged) {
		t.Fatal(err)
	}
	if calls < 10 || said.Len() > 0 { // nobody is at a terminal
		t.Errorf("%d calls, and it said %q", calls, said.String())
	}
}
