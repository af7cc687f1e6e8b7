//go:build !crashpoints

package ledger

import (
	"crypto/aes"
	"crypto/cipher"
	"os"
	"strings"
	"testing"
)

// Tests at the edges of the table of bounds set smaller numbers where its own would take minutes.
// What the program takes when nothing is set is what the table says.
func TestDefaultsAreThoseOfTheTable(t *testing.T) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	o, err := Options{ID: "id", AEAD: aead, Sealer: func(uint64, uint64) cipher.AEAD { return aead },
		MAC: func(...[]byte) []byte { return make([]byte, 32) }}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	table, err := os.ReadFile("../../examples/docs/bounds.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		row, says string
		is, want  int
	}{
		{"sessions |", "1,000 (", o.SessionsPerAccount, 1000},
		{"sessions of all accounts", "100,000", o.Sessions, 100_000},
		{"sessions that have expired", "2,000", o.expireMost, 2000},
		{"sessions, and what ended ones left,", "2,000", o.expireMost, 2000},
		{"sessions, keys of ended ones,", "2,000", o.expireMost, 2000},
		{"sessions that one commit of `apply` opens", "2,000", o.expireMost, 2000},
		{"auth_keys of ended sessions", "10,000 at once", o.thinMost, 10_000},
		{"digests of requests without nonce", "100,000", o.DigestsPerSession, 100_000},
		{"digests of logins under the secret", "1,000,000", o.DigestsPerSlot, 1_000_000},
		{"requests that are known", "100,000", o.Requests, 100_000},
		{"ended sessions that still speak", "32, for 30 days", remnantsOfApp, 32},
		{"failed broadcasts", "256", fatesOfApp, 256},
		{"a segment of the audit trail", "4,096 records | 8 MiB", int(o.segment), 4096},
		{"a segment of the audit trail", "4,096 records | 8 MiB", int(o.segmentBytes), 8 << 20},
		{"what one commit does for the trail", "64 changes", int(o.gatherFew), 64},
		{"what one commit does for the trail", "128 records", int(o.dropFew), 128},
		{"charges that a start reads", "1,000 in one commit", o.sumMost, 1000},
		{"values that are sealed under one key", "2^20", int(o.period), 1 << 20},
	} {
		_, row, found := strings.Cut(string(table), "\n| "+c.row)
		row, _, _ = strings.Cut(row, "\n")
		if !found || !strings.Contains("| "+row, c.says) || c.is != c.want {
			t.Errorf("%s: the program has %d, the table says %q: %t", c.row, c.is, c.says, found)
		}
	}
}
