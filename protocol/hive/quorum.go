package hive

import (
	"fmt"
	"slices"
)

const (
	// QuorumAccounts is how many accounts a [Quorum] looks at: as many as a node looks up for one
	// authority, that of the account itself included (tx §2.6).
	QuorumAccounts = 125
	// What a node looks at besides: accounts within accounts, and members of one authority.
	quorumDepth   = 2
	quorumMembers = 40
)

// Controls are the authorities of one account.
type Controls struct{ Owner, Active, Posting Authority }

// of returns that of a role.
func (c *Controls) of(role Role) *Authority {
	switch role {
	case Owner:
		return &c.Owner
	case Active:
		return &c.Active
	}
	return &c.Posting
}

// Shortfall is an authority that signatures do not satisfy.
type Shortfall struct {
	Account AccountName // empty for a key that an operation names itself
	Role    Role        // owner, active or posting
	// Weight is what the signatures weigh in it, less than Threshold. Both are 0 if the chain does
	// not have the account.
	Weight, Threshold uint32
}

// String returns it in words.
func (s Shortfall) String() string {
	switch {
	case s.Account == "":
		return "the key that the operation names has not signed"
	case s.Threshold == 0:
		return fmt.Sprintf("the chain has no account %s", s.Account)
	}
	return fmt.Sprintf("the %s authority of %s needs weight %d, and the signatures have %d", s.Role, s.Account,
		s.Threshold, s.Weight)
}

// Quorum knows which keys have to sign a transaction: those of the accounts whose authority it
// needs, and of the accounts that have a part in these (tx §2.6). It asks for what it has to know,
// see [Quorum.Unknown] and [Quorum.Learn], and computes as a node does. It must not be used
// concurrently.
type Quorum struct {
	need  Authorities
	known map[AccountName]*Controls // nil: the chain does not have the account
}

// NewQuorum returns the quorum of a transaction, which knows no account yet.
func NewQuorum(t Transaction) *Quorum {
	return &Quorum{need: t.Required(), known: map[AccountName]*Controls{}}
}

// Learn takes the authorities of an account; nil means that the chain does not have it.
func (q *Quorum) Learn(name AccountName, c *Controls) { q.known[name] = c }

// Unknown returns the accounts to be looked up next, so that more keys could count: first those
// whose authority is needed, then their members, then the members of these. It returns nil if there
// are none, or [QuorumAccounts] are known.
func (q *Quorum) Unknown() []AccountName {
	names := q.missing()
	return names[:min(len(names), max(QuorumAccounts-len(q.known), 0))]
}

// Cut reports whether more accounts than [QuorumAccounts] belong to the quorum.
func (q *Quorum) Cut() bool { return len(q.known) >= QuorumAccounts && len(q.missing()) > 0 }

// missing returns the accounts that are reached from what is known, and are not known themselves.
func (q *Quorum) missing() []AccountName {
	var names []AccountName
	listed := map[AccountName]bool{"": true}
	q.walk(func(name AccountName, _ *Authority) {
		if _, known := q.known[name]; !known && !listed[name] {
			listed[name], names = true, append(names, name)
		}
	})
	return names
}

// walk visits each authority that counts: with nil for that of an account which is not known.
func (q *Quorum) walk(visit func(AccountName, *Authority)) {
	type place struct {
		name AccountName
		role Role
	}
	var level []place
	for _, part := range q.parts() {
		for _, name := range part.names {
			level = append(level, place{name, part.role})
		}
	}
	seen := map[place]bool{}
	for depth := 0; len(level) > 0; depth++ {
		var next []place
		for _, at := range level {
			if seen[at] {
				continue
			}
			seen[at] = true
			controls := q.known[at.name]
			if controls == nil {
				visit(at.name, nil)
				continue
			}
			authority := controls.of(at.role)
			visit(at.name, authority)
			for _, w := range authority.AccountAuths {
				if depth < quorumDepth {
					next = append(next, place{w.Account, innerRole(at.role)})
				}
			}
		}
		level = next
	}
	for i := range q.need.Keys {
		visit("", &q.need.Keys[i])
	}
}

// innerRole returns which authority of a member counts within one of the role.
func innerRole(role Role) Role {
	if role == Posting {
		return Posting
	}
	return Active
}

// quorumPart is the accounts whose authority of one role is needed.
type quorumPart struct {
	role  Role
	names []AccountName
}

// parts returns them in the order in which a node looks at them.
func (q *Quorum) parts() []quorumPart {
	return []quorumPart{{Active, q.need.Active}, {Owner, q.need.Owner}, {Posting, q.need.Posting}}
}

// Names reports whether a key has a part in any of the authorities, as far as they are known.
func (q *Quorum) Names(key PublicKey) bool {
	named := false
	q.walk(func(_ AccountName, a *Authority) {
		named = named || a != nil && slices.ContainsFunc(a.KeyAuths, func(k KeyWeight) bool {
			return k.Key == key && k.Weight > 0
		})
	})
	return named
}

// Lacks returns the authorities that signatures of these keys do not satisfy, as far as accounts
// are known; nil if the chain takes them.
func (q *Quorum) Lacks(keys []PublicKey) []Shortfall {
	var lacks []Shortfall
	high, posting := q.weighing(Active, keys), q.weighing(Posting, keys)
	for i := range q.need.Keys {
		if _, enough := high.weigh(&q.need.Keys[i], 0); !enough {
			lacks = append(lacks, Shortfall{Role: Active, Threshold: q.need.Keys[i].WeightThreshold})
		}
	}
	for _, part := range q.parts() {
		by := high
		if part.role == Posting {
			by = posting
		}
		for _, name := range part.names {
			if one, lacking := by.account(name, part.role); lacking {
				lacks = append(lacks, one)
			}
		}
	}
	return lacks
}

// Choose returns those of the keys whose signatures the chain needs: it takes them, and would not
// if one lacked. The later ones are left out first, and one is always left. It returns nil if all
// of them do not suffice.
func (q *Quorum) Choose(keys []PublicKey) []PublicKey {
	if len(q.Lacks(keys)) > 0 {
		return nil
	}
	chosen := slices.Clone(keys)
	for {
		before := len(chosen)
		for i := len(chosen) - 1; i >= 0 && len(chosen) > 1; i-- {
			if without := slices.Delete(slices.Clone(chosen), i, i+1); len(q.Lacks(without)) == 0 {
				chosen = without
			}
		}
		// Where members have members in common, a key can be needed only as long as another one is
		// there: the node looks no further once a threshold is reached.
		if len(chosen) == before {
			break
		}
	}
	return chosen
}

// weighing adds up what keys weigh, as the class sign_state of the node does. The order matters: a
// member that was satisfied once counts wherever it appears, and limits leave out what comes last.
type weighing struct {
	quorum    *Quorum
	inner     Role // whose authority of members counts
	keys      map[PublicKey]bool
	satisfied map[AccountName]bool // members
	looked    int                  // accounts, for one authority
}

func (q *Quorum) weighing(inner Role, keys []PublicKey) *weighing {
	w := &weighing{quorum: q, inner: inner, keys: map[PublicKey]bool{}, satisfied: map[AccountName]bool{}}
	for _, key := range keys {
		w.keys[key] = true
	}
	return w
}

// account looks whether an account's authority is satisfied.
func (w *weighing) account(name AccountName, role Role) (Shortfall, bool) {
	controls := w.quorum.known[name]
	if controls == nil {
		return Shortfall{Account: name, Role: role}, true
	}
	if role == w.inner && w.satisfied[name] {
		return Shortfall{}, false
	}
	w.looked = 1
	weight, enough := w.weigh(controls.of(role), 0)
	return Shortfall{name, role, weight, controls.of(role).WeightThreshold}, !enough
}

// weigh returns what the keys weigh in an authority, up to its threshold, and whether they reach
// that.
func (w *weighing) weigh(a *Authority, depth int) (weight uint32, enough bool) {
	left := quorumMembers
	reached := func(more uint16) bool { weight += uint32(more); return weight >= a.WeightThreshold }
	for _, k := range a.KeyAuths {
		if w.keys[k.Key] && reached(k.Weight) {
			return weight, true
		}
		if left--; left == 0 {
			return weight, false
		}
	}
	for _, member := range a.AccountAuths {
		if !w.satisfied[member.Account] {
			if depth == quorumDepth {
				continue // and it does not count as a member either
			}
			if w.looked >= QuorumAccounts {
				return weight, false
			}
			w.looked++
			if controls := w.quorum.known[member.Account]; controls != nil {
				_, w.satisfied[member.Account] = w.weigh(controls.of(w.inner), depth+1)
			}
		}
		if w.satisfied[member.Account] && reached(member.Weight) {
			return weight, true
		}
		if left--; left == 0 {
			return weight, false
		}
	}
	return weight, weight >= a.WeightThreshold
}
