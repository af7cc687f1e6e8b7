package guard

import (
	"log/slog"
	"slices"
	"strings"
	"time"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

const (
	// DoubtAfter is for how long a change waits for a second host until somebody is told that it
	// waits: a node that is restarted, or that lags behind, is back by then.
	DoubtAfter = 15 * time.Minute
	// doubtsShown is how many accounts are named where doubts are told.
	doubtsShown = 10
)

// Doubt is an account of which a host says something new that no second host confirms: it counts
// for nothing, and the account is not guarded as it should be.
type Doubt struct {
	Account string `json:"account"`
	// What would have changed; empty: the account was never seen by two hosts.
	What  []Kind    `json:"what"`
	Hosts []string  `json:"hosts"` // that say so
	Since time.Time `json:"since"`
}

// Doubts are the accounts of which a change has waited for a second host for too long.
type Doubts struct {
	Accounts int     `json:"accounts"`
	First    []Doubt `json:"first"` // some of them, by name
}

// Promises returns the members that no answer of the agent lacks.
func (Doubts) Promises() []string { return []string{"accounts", "first"} }

// doubts are the accounts of which something waits for a second host, by name. They are as many as
// there are held accounts, at most.
type doubts map[hive.AccountName]*doubt

type doubt struct {
	Doubt
	told bool
}

// Doubts returns what has waited for a second host for too long, nil if nothing has.
func (w *Watch) Doubts() *Doubts {
	w.mu.Lock()
	defer w.mu.Unlock()
	d := Doubts{First: []Doubt{}}
	for _, one := range w.doubts {
		if one.told {
			d.First = append(d.First, one.Doubt)
		}
	}
	if d.Accounts = len(d.First); d.Accounts == 0 {
		return nil
	}
	sorts.By(d.First, func(a, b Doubt) int { return strings.Compare(a.Account, b.Account) })
	d.First = d.First[:min(len(d.First), doubtsShown)]
	return &d
}

// unconfirmed returns what of an account hosts say that no two of them say, and which hosts.
func (s *seeing) unconfirmed(agreed Seen) (what []Kind, hosts []string) {
	for _, kind := range Kinds() {
		if _, told := agreed[kind]; told {
			continue
		}
		for _, v := range s.views {
			value, says := v.seen[kind]
			if !says || s.n != nil && s.n.Seen[kind] == value {
				continue
			}
			if !slices.Contains(what, kind) && s.n != nil {
				what = append(what, kind)
			}
			if !slices.Contains(hosts, v.host) {
				hosts = append(hosts, v.host)
			}
		}
	}
	return what, hosts
}

// doubt notes what waits for a second host, or that nothing does.
func (l *look) doubt(s seeing, agreed Seen) {
	what, hosts := s.unconfirmed(agreed)
	if len(hosts) == 0 || l.sole || s.n == nil && len(agreed) > 0 {
		return
	}
	if what == nil {
		what = []Kind{}
	}
	d := &doubt{Doubt: Doubt{Account: string(s.name), What: what, Hosts: hosts, Since: l.at}}
	if before := l.w.doubts[s.name]; before != nil {
		d.Since, d.told = before.Since, before.told
	}
	l.doubts[s.name] = d
	l.repeat = true
}

// tellDoubts takes the doubts of a look for those of the watch, and tells of those that wait for
// too long, once each and in one line.
func (w *Watch) tellDoubts(now doubts, at time.Time) {
	var fresh []string
	for name, d := range now {
		if !d.told && at.Sub(d.Since) >= DoubtAfter {
			d.told = true
			fresh = append(fresh, string(name))
		}
	}
	w.mu.Lock()
	w.doubts = now
	w.mu.Unlock()
	if len(fresh) == 0 {
		return
	}
	slices.Sort(fresh)
	w.o.Logger.Warn("changes of accounts wait for a second node that says the same", "accounts", len(fresh),
		"first", fresh[:min(len(fresh), doubtsShown)], slog.Duration("for", DoubtAfter),
		"todo", "status shows which nodes answer; of a single node in the setting nodes, what it says twice counts")
}
