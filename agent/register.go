package agent

import (
	"context"
	"errors"
	"strings"

	"pksa/agent/ledger"
	"pksa/agent/link"
	"pksa/protocol/hive"
)

// handle gives a link's settings the functions that lead into the agent. The link reads frames in
// order and takes a ticket for each, so that requests are admitted in the order in which they came
// although they are opened in parallel.
func (a *Agent) handle(s *link.Settings, relay string) {
	s.Ticket = func(account hive.AccountName) any { return a.ledger.Ticket(relay, string(account)) }
	s.Handler = func(_ context.Context, d link.Delivery) {
		ticket, _ := d.Ticket.(*ledger.Ticket)
		a.receive(a.work, d.Link, relay, d.Request, ticket)
	}
}

// registerAll tells every link the accounts that it serves: those of which a key is held. Proofs
// are made with the lowest key of each.
func (a *Agent) registerAll() error {
	store := a.keys()
	var accounts []link.Account
	for _, name := range store.Accounts() {
		key, ok := store.LowestKey(name)
		if !ok {
			continue
		}
		accounts = append(accounts, link.Account{Name: name, KeyType: key.Role(), Prove: func(relay hive.PublicKey, text string) (string, error) {
			// The link gives the text with the sign of an encrypted memo, the keystore sets it itself.
			return key.Prove(relay, strings.TrimPrefix(text, "#"))
		}})
	}
	var errs []error
	for _, l := range a.links {
		errs = append(errs, l.SetAccounts(accounts))
	}
	return errors.Join(errs...)
}
