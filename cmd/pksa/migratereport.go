package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"pksa/agent/ledger"
	"pksa/protocol/secret"
)

// migrated is what `migrate --json` prints.
type migrated struct {
	Home     string            `json:"home"`
	Made     []string          `json:"made"`
	Keys     []keyInfo         `json:"keys"`
	App      string            `json:"app"`
	Secret   ledger.Secret     `json:"secret,omitempty"` // only if the old one could not be taken
	Sessions []migratedSession `json:"sessions"`
	Relays   []string          `json:"relays"`
	Nodes    []string          `json:"nodes"`
	Left     []string          `json:"left"`   // what was not taken, and why
	Notes    []string          `json:"notes"`  // what to know about what was taken
	Delete   []string          `json:"delete"` // the old files
}

type migratedSession struct {
	ID        ledger.SessionID `json:"id"`
	Account   string           `json:"account"`
	CalledApp string           `json:"called_app"` // what the application calls itself
	Expires   time.Time        `json:"expires"`
	LastNonce int64            `json:"last_nonce"`
}

func (m *migration) left(format string, args ...any) {
	m.report.Left = append(m.report.Left, fmt.Sprintf(format, args...))
}

func (m *migration) note(format string, args ...any) {
	m.report.Notes = append(m.report.Notes, fmt.Sprintf(format, args...))
}

// printReport prints the report for people.
func (m *migration) printReport(w io.Writer) {
	r := m.report
	fmt.Fprintf(w, "Taken over into %s:\n\nKeys\n", r.Home)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, k := range r.Keys {
		fmt.Fprintf(t, "  %s\t%s\t%s\n", k.Account, k.Role, k.Public)
	}
	t.Flush()
	fmt.Fprintf(w, "\nApp %q, %s\n", r.App, count(len(r.Sessions), "session"))
	for _, s := range r.Sessions {
		fmt.Fprintf(t, "  %s\t%s\tcalls itself %.40q\tuntil %s\n", s.ID, s.Account, s.CalledApp, when(s.Expires))
	}
	t.Flush()
	fmt.Fprintf(w, "\nRelay  %s\nNodes  %s\n", strings.Join(r.Relays, ", "), strings.Join(r.Nodes, ", "))
	printList(w, "Left behind", r.Left)
	printList(w, "To know", r.Notes)
	if r.Secret != "" {
		fmt.Fprintf(w, "\nThe app has a new secret, shown once. Give it to the applications as auth_req_secret:\n\n"+
			"  %s\n", string(r.Secret))
	}
	fmt.Fprintf(w, `
Next:
  1. hive-auth-pksa must not run any more, or two wallets answer the same requests. If it ran until
     now, stop it and migrate again into another folder: this wallet does not know what it answered
     meanwhile
  2. read %s: it allows what the old switches allowed, or less
  3. %s run
  4. delete the old files, they hold the keys in plain text: %s
`, filepath.Join(r.Home, "policy.yaml"), m.program(), strings.Join(r.Delete, " "))
}

// printList prints a title with its items, unless there are none.
func printList(w io.Writer, title string, items []string) {
	if len(items) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, item := range items {
		fmt.Fprintf(w, "  %s\n", item)
	}
}

// Format writes everything but the secret.
func (m migrated) Format(f fmt.State, verb rune) { secret.Format(f, verb, m) }
