package guard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/protocol/hive"
)

// errSilent is for a look at which no host answered.
var errSilent = errors.New("accounts were not compared with what they were: no Hive API node gave a usable answer")

// look is one round over the accounts.
type look struct {
	w      *Watch
	at     time.Time
	sole   bool // there is one host
	repeat bool
	rest   int              // accounts that may still be asked about in detail
	turn   hive.AccountName // the details go on after this account
	last   hive.AccountName // that was asked about in detail
	since  time.Time        // when all accounts were last compared
	signed []hive.Operation
	read   time.Time // since when signed reaches; zero: it was not read
	doubts doubts
}

// seeing is what hosts say of one account, with what it was.
type seeing struct {
	name  hive.AccountName
	n     *note // nil: never seen
	views []view
}

type view struct {
	host string
	seen Seen
	ends time.Time // the power-down; zero: none runs
}

// some looks at up to atOnce accounts.
func (l *look) some(ctx context.Context, names []hive.AccountName) error {
	notes, err := l.w.notes(ctx, names)
	if err != nil {
		return err
	}
	first := l.w.o.Situations(ctx, 1, names, func(a node.Account) bool { return l.details(a, notes[a.Name]) })
	if len(first) == 0 {
		return errSilent
	}
	var doubtful []hive.AccountName
	for _, name := range names {
		s, ok := first[0].Accounts[name]
		if n := notes[name]; n == nil || ok && l.news(n, see(s, l.w.o.Prefix, "").seen) {
			doubtful = append(doubtful, name)
		}
	}
	if len(doubtful) == 0 {
		return nil
	}
	reports := first
	if !l.sole {
		// All of them: two must say it, and the third decides between two.
		reports = l.w.o.Situations(ctx, maxHosts, doubtful, func(node.Account) bool { return true })
	}
	changed := map[string][]byte{}
	var records []ledger.Entry
	var tell []func()
	for _, name := range doubtful {
		s := seeing{name: name, n: notes[name]}
		for _, r := range reports {
			if situation, ok := r.Accounts[name]; ok {
				s.views = append(s.views, see(situation, l.w.o.Prefix, r.Host))
			}
		}
		if len(s.views) == 0 {
			continue // the chain has no such account, or nobody says anything of it
		}
		n, found, err := l.judge(ctx, s)
		if err != nil {
			return err
		}
		if n == nil {
			continue
		}
		changed[string(name)] = n.encode()
		for _, c := range found {
			records = append(records, record(name, c, n.Stopped))
			tell = append(tell, func() { l.w.tell(name, c, n.Stopped) })
		}
		if len(found) > 0 {
			l.w.show(name, n) // a stop holds from now on, whatever becomes of the commit
		}
	}
	if len(changed) == 0 {
		return nil
	}
	if err := l.w.o.Ledger.NoteAccounts(ctx, changed, records...); err != nil {
		return fmt.Errorf("noting what was seen of accounts: %w", err)
	}
	for _, one := range tell {
		one()
	}
	return nil
}

func see(s node.Situation, prefix, host string) view {
	v := view{host: host, seen: See(s, prefix)}
	if s.Account.State != nil && s.Account.State.PowerDown > 0 {
		v.ends = s.Account.State.PowerDownEnds.Time()
	}
	return v
}

func record(name hive.AccountName, c Change, stopped bool) ledger.Entry {
	content, _ := json.Marshal(struct {
		Change
		Stopped bool `json:"stopped"`
	}{c, stopped})
	return ledger.Entry{Type: ledger.RecordEvent, Outcome: RecordChanged, Account: string(name), Content: content}
}

func (w *Watch) tell(name hive.AccountName, c Change, stopped bool) {
	w.mu.Lock()
	w.told[string(c.What)]++
	w.mu.Unlock()
	w.o.Notify(name, c, stopped)
}

// details reports whether an account is asked about in detail: where the number of its routes or
// withdrawals changed, always; else some in each look, so that a wallet of thousands of accounts
// asks no thousands of questions.
func (l *look) details(a node.Account, n *note) bool {
	if n == nil || a.State.Routes != len(parts(n.Seen[Routes])) || a.State.Savings != len(parts(n.Seen[Savings])) {
		return true
	}
	if l.rest == 0 || a.Name <= l.turn {
		return false
	}
	l.rest--
	l.last = max(l.last, a.Name)
	return true
}

// news reports whether a host says something else than was seen.
func (l *look) news(n *note, now Seen) bool {
	for kind, value := range now {
		if was, ok := n.Seen[kind]; !ok || was != value {
			return true
		}
	}
	return len(n.Once) > 0
}

// agreed returns what counts of that which the hosts say, with who says it, and when the power-down
// of it ends.
func (l *look) agreed(s seeing) (Seen, map[Kind][]string, time.Time) {
	counts, by := Seen{}, map[Kind][]string{}
	var ends time.Time
	most := 2
	if l.sole {
		most = 1
	}
	for _, v := range s.views {
		for kind, value := range v.seen {
			var hosts []string
			for _, other := range s.views {
				if said, ok := other.seen[kind]; ok && said == value &&
					(kind != PowerDown || other.ends.Equal(v.ends)) {
					hosts = append(hosts, other.host)
				}
			}
			if len(hosts) >= most {
				counts[kind], by[kind] = value, hosts
				if kind == PowerDown {
					ends = v.ends
				}
			}
		}
	}
	return counts, by, ends
}

// judge returns the new note of an account, nil if it stays, and the changes that nothing explains.
func (l *look) judge(ctx context.Context, s seeing) (*note, []Change, error) {
	now, by, ends := l.agreed(s)
	l.doubt(s, now)
	if s.n == nil {
		if len(now) == 0 {
			return nil, nil, nil // no two hosts say the same
		}
		return &note{At: l.at, Seen: now, PowerDownEnds: ends}, nil, nil
	}
	n := *s.n
	n.Seen, n.Once, n.Changes = Seen{}, nil, slices.Clone(s.n.Changes)
	for kind, value := range s.n.Seen {
		n.Seen[kind] = value
	}
	var found []Change
	for _, kind := range Kinds() {
		value, told := now[kind]
		was, known := s.n.Seen[kind]
		if !told || known && value == was {
			continue
		}
		if known {
			fine, err := l.fine(ctx, s, kind, now)
			if err != nil {
				return nil, nil, err
			}
			if !fine && l.sole && s.n.Once[kind] != value {
				if n.Once == nil {
					n.Once = Seen{}
				}
				n.Once[kind] = value
				l.repeat = true
				continue
			}
			if !fine {
				found = append(found, Change{What: kind, Was: was, Now: value, At: l.at, Hosts: by[kind]})
			}
		}
		n.Seen[kind] = value
	}
	if len(found) == 0 && maps.Equal(n.Seen, s.n.Seen) && maps.Equal(n.Once, s.n.Once) {
		return nil, nil, nil // one host says something else, and nothing counts
	}
	for _, c := range found {
		n.changed(c)
	}
	n.Stopped = n.Stopped || len(found) > 0 && l.w.o.Stop
	n.At = l.at
	if _, told := now[PowerDown]; told {
		n.PowerDownEnds = ends
	}
	return &n, found, nil
}

// fine reports whether time alone, or a transaction of this wallet, makes what a kind is now.
func (l *look) fine(ctx context.Context, s seeing, kind Kind, now Seen) (bool, error) {
	if comesByItself(kind, s.n.Seen, now, s.n.PowerDownEnds, l.at) {
		return true, nil
	}
	// What this wallet signed may be sent by its application until it expires, a day later.
	since := s.n.At
	if l.since.After(since) {
		since = l.since
	}
	since = since.Add(-25 * time.Hour)
	if l.read.IsZero() || since.Before(l.read) {
		ops, err := l.w.o.Signed(ctx, since, OpNames)
		if err != nil {
			return false, fmt.Errorf("reading what this wallet signed: %w", err)
		}
		l.signed, l.read = ops, since
	}
	was := s.n.Seen[kind]
	if kind == Savings {
		was = listed(slices.DeleteFunc(parts(was), func(p string) bool {
			_, pays := cutTime(p)
			return !slices.Contains(parts(now[kind]), p) && !pays.IsZero() && !l.at.Before(pays)
		}))
	}
	return Explained(s.name, kind, was, now[kind], l.w.o.Prefix, l.signed), nil
}
