package relay

import (
	"os"
	"strings"
	"testing"
	"time"
)

// Tests at the edges of the table of bounds set smaller numbers where its own would take minutes.
// What the relay takes when nothing is set is what the table says.
func TestDefaultsAreThoseOfTheTable(t *testing.T) {
	l := Limits{}.withDefaults()
	table, err := os.ReadFile("../../examples/docs/bounds.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		row, says string
		is, want  int
	}{
		{"connections |", "1,000,", l.Connections, 1000},
		{"connections |", "and 128 that", spareConnections, 128},
		{"connections at their first request", "256", asking, 256},
		{"connections of one address", "250 (", l.AddressConnections, 250},
		{"a frame, and its data", "1 MiB; 500,000", l.Frame, 1 << 20},
		{"a frame, and its data", "1 MiB; 500,000", l.Data, 500_000},
		{"messages |", "50 a second; 5,000 of a wallet", l.AppFrames, 50},
		{"messages |", "50 a second; 5,000 of a wallet", l.WalletFrames, 5000},
		{"frames that are read, pings and parts of messages too: what", "100 a second", rawFrames * l.AppFrames, 100},
		{"frames that are read, pings and parts of messages too: what", "1,024 at once", rawAtOnce, 1024},
		{"frames that are read, pings and parts of messages too: what", "2,000 a second", l.AddressFrames, 2000},
		{"requests without an answer", "100; 1,000", l.AppPending, 100},
		{"requests without an answer", "100; 1,000", l.AccountPending, 1000},
		{"requests and answers that are kept", "50,000", l.Requests, 50_000},
		{"requests and answers that are kept", "128 MiB", l.Bytes, 128 << 20},
		{"registrations |", "20,000; 100,000", l.WalletRegistrations, 20_000},
		{"registrations |", "20,000; 100,000", l.Registrations, 100_000},
		{"wallets that one account", "16", l.AccountWallets, 16},
		{"replies that are not read", "256; 32", l.Replies, 256},
		{"replies that are not read", "256; 32", l.Replies / appRepliesPart, 32},
		{"frames that are being read or worked on", "30 s", int(l.Read / time.Second), 30},
		{"frames that are being read or worked on", "8 MiB of `pksa relay`", l.Reading, 8 << 20},
	} {
		// The same words begin a row about relays of others.
		_, own, _ := strings.Cut(string(table), "\n## The wallet's own relay")
		_, row, found := strings.Cut(own, "\n| "+c.row)
		row, _, _ = strings.Cut(row, "\n")
		if !found || !strings.Contains(row, c.says) || c.is != c.want {
			t.Errorf("%s: the relay has %d, the table says %q: %t", c.row, c.is, c.says, found)
		}
	}
}
