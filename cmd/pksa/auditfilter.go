package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/control"
	"pksa/agent/policy"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// auditFlags are the filters of find, tail and export.
type auditFlags struct {
	filter        audit.Filter
	since, until  string
	session, txID string
}

func (f *auditFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.filter.Account, "account", "", "only records of the account of this `name`")
	flags.StringVar(&f.filter.App, "app", "", "only records of the app of this `name`")
	flags.StringVar(&f.filter.Kind, "kind", "",
		"only records of this `kind`: auth, sign, challenge, decrypt, admin, event, start, stop")
	flags.StringVar(&f.filter.Result, "result", "",
		"only records with this `result`: admitted, pending, answered, refused, ignored, failed; or an outcome, "+
			"such as accepted")
	flags.StringVar(&f.txID, "tx", "", "only records of the transaction with this `id`, or the beginning of an id")
	flags.StringVar(&f.session, "session", "", "only records of the session with this `number`")
	flags.StringVar(&f.filter.Rule, "rule", "", "only decisions that name the rule or limit of this `name`")
	flags.StringVar(&f.filter.Code, "code", "", "only refusals with this `code`: uncovered, limit, nonce, …")
	flags.StringVar(&f.filter.Text, "text", "", "only records in which these `words` stand, in upper or lower case")
	flags.StringVar(&f.filter.Operation, "operation", "", "only requests with an operation of this `name`: transfer, …")
	flags.StringVar(&f.filter.Counterparty, "counterparty", "",
		"only requests with an operation that names the account of this `name` beside their own")
	flags.StringVar(&f.filter.Amount, "amount", "",
		"only requests with an operation that has an `amount` like this: '>= 10 HBD', or '>= 10 HBD, < 20 HBD'")
	flags.StringVar(&f.since, "since", "",
		"only from this `time` on: 2026-01-31, 2026-01-31T12:00:00Z, or so long ago: 2h, 30d")
	flags.StringVar(&f.until, "until", "", "only until this `time`, in the same form")
}

// query returns the flags as a query. The error names what cannot be the value of a flag.
func (f *auditFlags) query(now time.Time) (q audit.Query, err error) {
	q.Filter = f.filter
	if q.Since, err = instant(f.since, now); err != nil {
		return q, err
	}
	if q.Until, err = instant(f.until, now); err != nil {
		return q, err
	}
	if f.session != "" {
		if q.Session, err = sessionID(f.session); err != nil {
			return q, err
		}
	}
	if f.txID != "" {
		if q.TxID = strings.ToLower(f.txID); !isTxID(q.TxID) {
			return q, errUsage{fmt.Errorf("--tx %s: a transaction's id has 40 hexadecimal digits; 4 or more from its "+
				"beginning are enough", plain.Quote(f.txID, 80))}
		}
	}
	if kinds := audit.Kinds(); q.Kind != "" && !slices.Contains(kinds, q.Kind) {
		return q, errUsage{unknownValue("--kind", q.Kind, kinds)}
	}
	if err := knownOperation(q.Filter); err != nil {
		return q, errUsage{err}
	}
	if q.Account != "" {
		if _, err := hive.ParseAccountName(q.Account); err != nil {
			return q, errUsage{fmt.Errorf("--account: %w", err)}
		}
	}
	return q, nil
}

// knownOperation returns an error if no operation can be what the filter asks for.
func knownOperation(f audit.Filter) error {
	if names := operationNames(); f.Operation != "" && !slices.Contains(names, f.Operation) {
		return unknownValue("--operation", f.Operation, names)
	}
	if f.Counterparty != "" {
		if _, err := hive.ParseAccountName(f.Counterparty); err != nil {
			return fmt.Errorf("--counterparty: %w", err)
		}
	}
	if f.Amount != "" {
		if _, err := audit.ParseAmounts(f.Amount); err != nil {
			return fmt.Errorf("--amount: %w", err)
		}
	}
	return nil
}

// isTxID reports whether a text can be the beginning of a transaction's id.
func isTxID(text string) bool {
	_, err := hex.DecodeString(text + strings.Repeat("0", len(text)%2))
	return err == nil && len(text) >= 4 && len(text) <= 40
}

// unknownValue returns an error that names the values that there are.
func unknownValue(flag, value string, known []string) error {
	if len(known) == 0 {
		return fmt.Errorf("%s: there is no %s", flag, plain.Quote(value, 80))
	}
	return fmt.Errorf("%s: there is no %s%s; known: %s", flag, plain.Quote(value, 80),
		plain.DidYouMean(plain.Nearest(value, known)), listed(known))
}

// listed returns names with commas between them, the first thirty.
func listed(names []string) string {
	const most = 30
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}

// nothing returns an error if no record fits because a value of the filter is not known: somebody
// who made a typing error must not read that nothing happened. A name that is known and has no
// record is no error.
func (t *trail) nothing(ctx context.Context, q audit.Query) error {
	switch {
	case q.TxID != "":
		return hint(fmt.Errorf("no record that fits has the transaction %s", q.TxID), adviceNoTransaction)
	case q.Session != 0:
		return hint(fmt.Errorf("no record that fits is of session %s", q.Session), adviceSessions)
	case q.Result != "" && !slices.Contains(audit.Results(), q.Result):
		flag := "--result"
		if t.outcome {
			flag = "--outcome"
		}
		return errUsage{unknownValue(flag, q.Result, audit.Results())}
	case q.Code != "" && !slices.Contains(audit.Codes(), q.Code):
		return errUsage{unknownValue("--code", q.Code, audit.Codes())}
	case q.Rule != "":
		if names := t.policyNames(); !slices.Contains(names, q.Rule) {
			return errUsage{unknownValue("--rule", q.Rule, names)}
		}
	}
	apps, accounts, err := t.names(ctx)
	if err != nil {
		return err
	}
	return refuseUnknown(q.App, apps, q.Account, accounts)
}

// names returns the apps and accounts of the wallet.
func (t *trail) names(ctx context.Context) (apps, accounts []string, err error) {
	if t.store != nil {
		apps, accounts = namesIn(t.store.admin())
		return apps, accounts, nil
	}
	return t.namesOfAgent(ctx)
}

// namesIn returns the apps and accounts of an open wallet.
func namesIn(m agent.Admin) (apps, accounts []string) {
	for _, app := range m.Apps() {
		apps = append(apps, app.Name)
	}
	for _, name := range m.Keys.Accounts() {
		accounts = append(accounts, string(name))
	}
	return apps, accounts
}

// namesOfAgent returns the apps and accounts of the running agent.
func (c *command) namesOfAgent(ctx context.Context) (apps, accounts []string, err error) {
	cfg, err := c.settings()
	if err != nil {
		return nil, nil, err
	}
	var infos []agent.AppInfo
	var s agent.Status
	err = errors.Join(control.Call(ctx, cfg.Control, agent.MethodAppList, struct{}{}, &infos),
		control.Call(ctx, cfg.Control, agent.MethodStatus, struct{}{}, &s))
	if err != nil {
		return nil, nil, err
	}
	for _, app := range infos {
		apps = append(apps, app.Name)
	}
	for _, a := range s.Accounts {
		accounts = append(accounts, a.Name)
	}
	return apps, accounts, nil
}

// refuseUnknown returns an error for a name that the wallet does not know; "" is no name.
func refuseUnknown(app string, apps []string, account string, accounts []string) error {
	if app != "" && !slices.Contains(apps, app) {
		return errUsage{unknownValue("--app", app, apps)}
	}
	if account != "" && !slices.Contains(accounts, account) {
		return errUsage{unknownValue("--account", account, accounts)}
	}
	return nil
}

// policyNames returns the names of the rules and limits in the policy file; none if it cannot be
// read.
func (t *trail) policyNames() []string {
	cfg, err := t.settings()
	if err != nil {
		return nil
	}
	text, err := os.ReadFile(cfg.Policy)
	if err != nil {
		return nil
	}
	p, _ := policy.Compile(cfg.Policy, text, policy.Options{ErrorsOnly: true})
	if p == nil {
		return nil
	}
	return p.Names()
}
