package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"pksa/agent/config"
	"pksa/agent/guard"
	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/agent/notify"
	"pksa/agent/policy"
	"pksa/agent/status"
	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// NoSuchAccount is what [KeyCheck] says of an account that the chain does not have.
const NoSuchAccount = "the chain has no such account"

// KeyCheck is the result of comparing one held key with its account on the chain, or one rule that
// counts on another account's authority with that account.
type KeyCheck struct {
	Account string `json:"account"`
	Role    string `json:"role"`
	Public  string `json:"public,omitempty"`
	// OnBehalfOf is the account whose authority a rule uses; empty for a check of a held key.
	OnBehalfOf string `json:"on_behalf_of,omitempty"`
	OK         bool   `json:"ok"`
	Problem    string `json:"problem,omitempty"`
	// Weight and Threshold are set if what is signed so needs signatures of others, too: the key,
	// or the account, weighs that much in the authority, and the authority asks for more.
	Weight    uint32 `json:"weight,omitempty"`
	Threshold uint32 `json:"threshold,omitempty"`
	// Unconfirmed is true if one Hive API node of several says so and no other confirms it. Such a
	// key goes on proving its account.
	Unconfirmed bool `json:"unconfirmed,omitempty"`
}

// mismatches is the held keys that the chain does not know in their roles. The agent has one: a
// check of the keys replaces it, on watchKeys' goroutine or on one of the control socket;
// registration and status read it. The zero value is ready.
type mismatches struct {
	mu    sync.Mutex
	roles map[hive.AccountName][]hive.Role
	words map[hive.AccountName][]string
}

func (m *mismatches) of(account hive.AccountName) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.words[account])
}

func (m *mismatches) any() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.words) > 0
}

func (m *mismatches) has(account hive.AccountName, role hive.Role) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Contains(m.roles[account], role)
}

func (m *mismatches) labels() []status.KeyLabel {
	m.mu.Lock()
	defer m.mu.Unlock()
	var labels []status.KeyLabel
	for account, roles := range m.roles {
		for _, role := range roles {
			labels = append(labels, status.KeyLabel{Account: string(account), Role: role.String()})
		}
	}
	// Not all may become metrics, and those that do stay the same.
	sorts.By(labels, func(a, b status.KeyLabel) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(a.Role, b.Role))
	})
	return labels
}

// replace sets what a check found. It returns the held keys that fitted before, and reports whether
// other keys fit than before, and whether anything is to be told that was not told before.
func (m *mismatches) replace(checks []KeyCheck) (fresh []KeyCheck, others, news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	roles, words := map[hive.AccountName][]hive.Role{}, map[hive.AccountName][]string{}
	for _, c := range checks {
		if c.OK {
			continue
		}
		name := hive.AccountName(c.Account)
		words[name] = append(words[name], c.Role+": "+c.Problem)
		role, err := hive.ParseRole(c.Role)
		if err != nil || c.OnBehalfOf != "" {
			continue
		}
		// One word neither takes an account out of service nor puts one back.
		known := slices.Contains(m.roles[name], role)
		if !c.Unconfirmed || known {
			roles[name] = append(roles[name], role)
		}
		if !c.Unconfirmed && !known {
			fresh = append(fresh, c)
		}
	}
	others = !maps.EqualFunc(m.roles, roles, slices.Equal)
	news = !maps.EqualFunc(m.words, words, slices.Equal)
	m.roles, m.words = roles, words
	return fresh, others, news
}

// recheckWrong is how soon keys are compared again after one did not fit.
const recheckWrong = 5 * time.Minute

// tellKeys lets people know of keys that do not fit any more.
func (a *Agent) tellKeys(fresh []KeyCheck) {
	if len(fresh) == 0 {
		return
	}
	const most = 5
	e := notify.Event{Kind: notify.KeyInvalid, What: "Key: ", Do: "On the wallet's machine: `pksa keys check`."}
	if len(fresh) == 1 {
		e.Account = fresh[0].Account
	}
	for i, c := range fresh {
		if i == most {
			e.What += fmt.Sprintf(" and %d more", len(fresh)-most)
			break
		}
		e.What += map[bool]string{true: ", "}[i > 0] + c.Role + " of " + c.Account
		e.Details = append(e.Details, fmt.Sprintf("%s of %s: %s", c.Role, c.Account, c.Problem))
	}
	e.What += "."
	a.desk.Tell(e)
}

// newGuard makes what watches the held accounts for changes that are not by this wallet.
func (a *Agent) newGuard() *guard.Watch {
	return guard.New(guard.Options{
		Ledger: a.ledger, Accounts: func() []hive.AccountName { return a.keys.Accounts() }, Hosts: a.node.Hosts,
		Situations: a.node.Situations, Prefix: a.network.KeyPrefix, Logger: a.log,
		Stop: slices.Contains([]string{config.GuardStop, config.GuardLock}, a.settings().Guard),
		Signed: func(ctx context.Context, since time.Time, names []string) ([]hive.Operation, error) {
			return a.admin().Trail().Signed(ctx, since, names, a.network)
		},
		Notify: a.notifyChange,
	})
}

// notifyChange lets a person know that somebody else changed an account. The record of it is on
// disk. It is the one place to which another way to tell people is added.
func (a *Agent) notifyChange(account hive.AccountName, c guard.Change, stopped bool) {
	todo := "if it was you, or somebody whom you trust: `pksa guard accept " + string(account) + "`"
	if stopped {
		todo = "nothing of the account is signed until that; " + todo
	}
	if a.settings().Guard == config.GuardLock {
		a.lock.Want("the guard: account " + string(account) + " was changed (setting guard)")
		todo += "; the wallet locks itself"
	}
	e := notify.Event{Kind: notify.Changed, Account: string(account), What: fmt.Sprintf("What changed: %s.", c.What),
		Do: "On the wallet's machine: `pksa guard list`; " + todo + ".", Details: []string{c.Text()}}
	if stopped {
		e.What += " Nothing of the account is signed until a person accepts it."
	}
	a.desk.Tell(e)
	a.log.Warn("account changed, and not by this wallet", "account", account, "what", c.What, "was", c.Was, "now",
		c.Now, "hosts", c.Hosts, "stopped", stopped, "todo", todo)
}

// watchAccounts compares the held accounts with what they were, at the intervals of the key check,
// once requests may be recorded.
func (a *Agent) watchAccounts(ctx context.Context) {
	select {
	case <-a.begun:
	case <-ctx.Done():
		return
	}
	next := time.Duration(0)
	for pause(ctx, next, nil) {
		next = a.settings().KeyCheckEvery
		if err := a.guard.Look(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("accounts not compared with what they were", "err", err)
			next = min(next, time.Minute)
		}
		if a.guard.Repeat() {
			next = min(next, guard.Again)
		}
	}
}

// watchKeys compares the held keys with the chain at start, at intervals, and when it is woken.
func (a *Agent) watchKeys(ctx context.Context) {
	next := time.Duration(0)
	for pause(ctx, next, a.recheck) {
		next = a.settings().KeyCheckEvery
		if _, err := a.CheckKeys(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("held keys not compared with the chain", "err", err)
			next = min(next, time.Minute)
		}
		if a.mismatch.any() {
			next = min(next, recheckWrong) // a node that lied, or a key that is being changed
		}
	}
}

// checkKeysSoon wakes watchKeys to compare the held keys now, not at the next interval.
func (a *Agent) checkKeysSoon() {
	select {
	case a.recheck <- struct{}{}:
	default: // a check that has not begun is waiting already, and will see the same
	}
}

// CheckKeys compares each held key with the authorities of its account, and what other accounts
// have given ours with what the policy counts on. What does not fit is logged by name and shown in
// status; it stays until a later check finds it right.
func (a *Agent) CheckKeys(ctx context.Context) ([]KeyCheck, error) {
	checks, err := a.LookAtKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, c := range checks {
		if !c.OK {
			a.log.Warn("a key does not fit the chain", "account", c.Account, "role", c.Role, "public", c.Public,
				"on_behalf_of", c.OnBehalfOf, "problem", c.Problem)
		}
	}
	fresh, others, news := a.mismatch.replace(checks)
	a.tellKeys(fresh)
	if news {
		a.noteEvent(eventKeys, ledger.Entry{}, map[string]any{"wrong": slices.DeleteFunc(slices.Clone(checks),
			func(c KeyCheck) bool { return c.OK })})
	}
	if others {
		return checks, a.registerAll()
	}
	return checks, nil
}

// LookAtKeys compares as CheckKeys does, and neither logs nor keeps what it finds. It needs no Run.
func (a *Agent) LookAtKeys(ctx context.Context) ([]KeyCheck, error) {
	checks, err := a.checkHeld(ctx)
	if err != nil {
		return nil, err
	}
	given, err := a.checkGiven(ctx)
	return append(checks, given...), err
}

// question is one comparison with an account on the chain.
type question struct {
	check   KeyCheck
	account hive.AccountName // that is looked at
	// judge returns what does not fit, in words; empty if all does. The share is set if it fits
	// together with others.
	judge func(account node.Account, exists bool) (string, node.Share)
}

// fits makes the check one of a key that fits.
func (c *KeyCheck) fits(share node.Share) {
	c.OK, c.Problem, c.Weight, c.Threshold = true, "", share.Weight, share.Threshold
}

// source is where the answers to questions come from: one host, or several.
type source struct {
	one     func(context.Context, ...hive.AccountName) (map[hive.AccountName]node.Account, error)
	several func(context.Context, int, ...hive.AccountName) []node.View
}

// compare answers the questions by the word of one host, and those that it answers with "does not
// fit" by the word of two: one that lies must not put an account out of service.
func (a *Agent) compare(ctx context.Context, from source, questions []question) ([]KeyCheck, error) {
	var names []hive.AccountName
	for _, q := range questions {
		names = append(names, q.account)
	}
	slices.Sort(names)
	accounts := map[hive.AccountName]node.Account{}
	for batch := range slices.Chunk(slices.Compact(names), 100) {
		found, err := from.one(ctx, batch...)
		if err != nil {
			return nil, err
		}
		maps.Copy(accounts, found)
	}
	var doubtful []hive.AccountName
	checks := make([]KeyCheck, len(questions))
	for i, q := range questions {
		account, exists := accounts[q.account]
		checks[i] = q.check
		problem, share := q.judge(account, exists)
		if problem == "" {
			checks[i].fits(share)
			continue
		}
		checks[i].Problem = problem
		if !slices.Contains(doubtful, q.account) {
			doubtful = append(doubtful, q.account)
		}
	}
	if len(doubtful) == 0 || a.node.Hosts() < 2 {
		return checks, nil
	}
	views := from.several(ctx, maxViews, doubtful...)
	for i, q := range questions {
		if !checks[i].OK {
			a.weigh(q, views, &checks[i])
		}
	}
	return checks, nil
}

// maxViews is how many hosts are asked about a key that does not fit by the word of the first: two
// that agree outvote one that lies.
const maxViews = 3

// weigh decides by the words of several hosts about a key that does not fit by that of one. Two are
// believed, and what a third says against them is remembered against it.
func (a *Agent) weigh(q question, views []node.View, check *KeyCheck) {
	var wrong, right []string // hosts
	problem, share := "", node.Share{}
	for _, v := range views {
		account, exists := v.Accounts[q.account]
		if said, of := q.judge(account, exists); said != "" {
			problem, wrong = said, append(wrong, v.Host)
		} else {
			share, right = of, append(right, v.Host)
		}
	}
	switch {
	case len(wrong) >= 2:
		check.Problem = problem
	case len(right) >= 2:
		check.fits(share)
		for _, host := range wrong {
			a.node.Blame(host, fmt.Sprintf("gave other %s keys of %s than two other hosts", q.check.Role, q.account))
		}
	case len(right) == 1 && len(wrong) == 0:
		// The first host said otherwise a moment ago, and does not answer or say so any more.
		check.fits(share)
	default:
		check.Unconfirmed = true
		check.Problem += "; one Hive API node says so, and no other confirms it"
	}
}

// authorities asks the chain about accounts.
func (a *Agent) authorities() source { return source{a.node.Authorities, a.node.Views} }

// checkHeld compares the held keys with the accounts that they belong to.
func (a *Agent) checkHeld(ctx context.Context) ([]KeyCheck, error) {
	var questions, ofWitnesses []question
	for _, name := range a.keys.Accounts() {
		for _, role := range a.keys.Roles(name) {
			public, _ := a.keys.Public(name, role)
			q := question{
				check:   KeyCheck{Account: string(name), Role: role.String(), Public: public.String()},
				account: name,
			}
			if role == hive.Signing {
				q.judge = func(witness node.Account, exists bool) (string, node.Share) {
					return judgeWitness(public, witness, exists), node.Share{}
				}
				ofWitnesses = append(ofWitnesses, q)
				continue
			}
			q.judge = func(account node.Account, exists bool) (string, node.Share) {
				switch {
				case !exists:
					return NoSuchAccount, node.Share{}
				case !slices.Contains(account.Roles(public), role):
					return fmt.Sprintf("the chain does not know this key as %s", role), node.Share{}
				}
				return "", account.Share(public, role)
			}
			questions = append(questions, q)
		}
	}
	checks, err := a.compare(ctx, a.authorities(), questions)
	if err != nil || len(ofWitnesses) == 0 {
		return checks, err
	}
	more, err := a.compare(ctx, source{a.node.Witnesses, a.node.WitnessViews}, ofWitnesses)
	return append(checks, more...), err
}

// judgeWitness returns why a key is not that of a witness; empty if it is.
func judgeWitness(public hive.PublicKey, witness node.Account, exists bool) string {
	switch {
	case !exists:
		return "the account has no witness on the chain"
	case witness.Signing.IsNull():
		return "the witness is retired: its signing key on the chain is the null key"
	case witness.Signing != public:
		return "the witness has another signing key on the chain"
	}
	return ""
}

// checkGiven compares the rules that use the authority of other accounts (on_behalf_of) with those
// accounts.
func (a *Agent) checkGiven(ctx context.Context) ([]KeyCheck, error) {
	var questions []question
	for _, d := range a.policy.Load().policy.Delegations() {
		for _, to := range a.givenTo(d) {
			for _, role := range d.Roles {
				questions = append(questions, question{
					check:   KeyCheck{Account: string(to), Role: role.String(), OnBehalfOf: string(d.By)},
					account: d.By,
					judge: func(by node.Account, exists bool) (string, node.Share) {
						if !exists {
							return fmt.Sprintf("rule %q counts on %s, and the chain has no such account",
								d.Rule.Name, d.By), node.Share{}
						}
						share, given := by.ShareOfAccount(to, role)
						if !given {
							return fmt.Sprintf("rule %q counts on the %s authority of %s, in which %s has no part",
								d.Rule.Name, role, d.By, to), node.Share{}
						}
						return "", share
					},
				})
			}
		}
	}
	return a.compare(ctx, a.authorities(), questions)
}

// givenTo returns the held accounts that a rule lets use the authority of another.
func (a *Agent) givenTo(d policy.Delegation) []hive.AccountName {
	if d.To == nil {
		return a.keys.Accounts()
	}
	return slices.DeleteFunc(slices.Clone(d.To), func(name hive.AccountName) bool { return !a.holds(name) })
}
