package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"pksa/agent"
)

// someAccounts is how many accounts status lists one by one. Of more it lists those with which
// something is not well, unless it is asked for all.
const someAccounts = 20

// printAccounts prints how many accounts there are, and those that need a look.
func printAccounts(w io.Writer, accounts []agent.AccountStatus, all bool) {
	shown := accounts
	switch {
	case len(accounts) == 0:
		fmt.Fprintln(w, "\nAccounts\n  none")
		return
	case len(accounts) <= someAccounts || all:
		fmt.Fprintln(w, "\nAccounts")
	default:
		shown = unwell(accounts)
		fmt.Fprintf(w, "\nAccounts  %s, %s that %s a look (`pksa status --all` lists every one)\n",
			grouped(len(accounts)), grouped(len(shown)), map[bool]string{true: "needs", false: "need"}[len(shown) == 1])
	}
	rest := 0
	if most := 5 * someAccounts; len(shown) > most && !all {
		shown, rest = shown[:most], len(shown)-most
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, a := range shown {
		fmt.Fprintf(t, "  %s\t%s", a.Name, strings.Join(a.Roles, ", "))
		if len(a.Wrong) > 0 { // an empty cell would leave spaces behind
			fmt.Fprintf(t, "\t%s", strings.Join(a.Wrong, "; "))
		}
		fmt.Fprintln(t)
	}
	t.Flush()
	for _, a := range shown {
		if a.NearlyFull {
			fmt.Fprintf(w, "  %s has %d of %s (limits.sessions_per_account). Does an application log in each time it\n"+
				"  runs? It should keep its session. `pksa session revoke --account %s --older 7d` makes room.\n",
				a.Name, a.Sessions, count(a.SessionsMost, "session"), a.Name)
		}
	}
	if rest > 0 {
		fmt.Fprintf(w, "  and %s more\n", grouped(rest))
	}
}

// unwell returns the accounts with which something is not well.
func unwell(accounts []agent.AccountStatus) (some []agent.AccountStatus) {
	for _, a := range accounts {
		if len(a.Wrong) > 0 || a.NearlyFull {
			some = append(some, a)
		}
	}
	return some
}

// grouped returns a number with commas between its thousands.
func grouped(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
