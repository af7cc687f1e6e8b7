package guard

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"pksa/agent/node"
	"pksa/protocol/hive"
)

// Kind is what of an account changed. The values stand in records and labels.
type Kind string

// The kinds, all that is looked at.
const (
	Owner          Kind = "owner"
	Active         Kind = "active"
	Posting        Kind = "posting"
	Memo           Kind = "memo"
	Recovery       Kind = "recovery-account"
	RecoveryChange Kind = "recovery-change"
	Proxy          Kind = "proxy"
	PowerDown      Kind = "power-down"
	Routes         Kind = "power-down-routes"
	Savings        Kind = "savings-withdrawals"
)

// Kinds returns all kinds.
func Kinds() []Kind {
	return []Kind{Owner, Active, Posting, Memo, Recovery, RecoveryChange, Proxy, PowerDown, Routes, Savings}
}

const (
	// None is the value where there is nothing of the kind.
	None = "none"
	// maxValue is how many bytes of a value are kept; of a longer one its digest is. All 100
	// withdrawals that the chain permits at a time fit: of a digest, nobody knows which one was
	// paid.
	maxValue = 8 << 10
)

// Seen is what one host says of an account: a text for each kind that it tells. Equal texts are
// equal facts. They are made of names, keys, numbers and times in the forms of the chain alone, so
// that nobody can write into them what he likes.
type Seen map[Kind]string

// See returns what a situation comes to.
func See(s node.Situation, prefix string) Seen {
	a := s.Account
	seen := Seen{Owner: authority(a.Owner, prefix), Active: authority(a.Active, prefix),
		Posting: authority(a.Posting, prefix), Memo: a.Memo.Text(prefix)}
	if st := a.State; st != nil {
		seen[Recovery], seen[Proxy], seen[PowerDown] = nameOrNone(st.Recovery), nameOrNone(st.Proxy), None
		if st.PowerDown > 0 {
			seen[PowerDown] = vests(int64(st.PowerDown))
		}
	}
	if s.Recovery != nil {
		seen[RecoveryChange] = None
		if s.Recovery.To != "" {
			seen[RecoveryChange] = fmt.Sprintf("%s %s", s.Recovery.To, s.Recovery.On)
		}
	}
	if s.Routes != nil {
		var parts []string
		for _, r := range *s.Routes {
			parts = append(parts, routeText(r.To, int64(r.Percent), r.Auto))
		}
		seen[Routes] = listed(parts)
	}
	if s.Savings != nil {
		var parts []string
		for _, w := range *s.Savings {
			parts = append(parts, withdrawalText(int64(w.ID), w.To, w.Amount)+" "+w.Pays.String())
		}
		seen[Savings] = listed(parts)
	}
	for kind, value := range seen {
		if len(value) > maxValue {
			digest := sha256.Sum256([]byte(value))
			seen[kind] = "sha256 " + hex.EncodeToString(digest[:])
		}
	}
	return seen
}

func authority(a hive.Authority, prefix string) string {
	parts := []string{fmt.Sprintf("threshold %d", a.WeightThreshold)}
	for _, k := range a.KeyAuths {
		parts = append(parts, fmt.Sprintf("%s weight %d", k.Key.Text(prefix), k.Weight))
	}
	for _, w := range a.AccountAuths {
		name := string(w.Account)
		if _, err := hive.ParseAccountName(name); err != nil {
			name = "a name that is none" // of a node that lies: the text is nobody's to choose
		}
		parts = append(parts, fmt.Sprintf("%s weight %d", name, w.Weight))
	}
	slices.Sort(parts[1:]) // an operation may name them in another order
	return strings.Join(parts, ", ")
}

func nameOrNone(name hive.AccountName) string {
	if name == "" {
		return None
	}
	return string(name)
}

func vests(amount int64) string { return hive.Asset{Amount: amount, Symbol: hive.VESTS}.String() }

func routeText(to hive.AccountName, percent int64, auto bool) string {
	as := "HIVE"
	if auto {
		as = "Hive Power"
	}
	return fmt.Sprintf("%d.%02d%% as %s to %s", percent/100, percent%100, as, to)
}

func withdrawalText(id int64, to hive.AccountName, amount hive.Asset) string {
	return fmt.Sprintf("%d %s to %s", id, amount, to)
}

func listed(parts []string) string {
	if len(parts) == 0 {
		return None
	}
	return strings.Join(parts, "; ")
}

func parts(value string) []string {
	if value == None || value == "" {
		return nil
	}
	return strings.Split(value, "; ")
}

// between returns the parts that only the first list has, and those that only the second has.
func between(was, now string) (gone, come []string) {
	before, after := parts(was), parts(now)
	for _, p := range before {
		if !slices.Contains(after, p) {
			gone = append(gone, p)
		}
	}
	for _, p := range after {
		if !slices.Contains(before, p) {
			come = append(come, p)
		}
	}
	return gone, come
}

// cutTime returns a text without the time at its end, and that time; zero if there is none.
func cutTime(text string) (string, time.Time) {
	if i := strings.LastIndexByte(text, ' '); i >= 0 {
		if t, err := hive.ParseTime(text[i+1:]); err == nil {
			return text[:i], t.Time()
		}
	}
	return text, time.Time{}
}

// comesByItself reports whether time alone makes the one of the other, without a transaction of
// anybody: a power-down that has come to its end, a payment from savings that was made, a recovery
// account that changes as was announced. ends is when the last part of the power-down was due.
func comesByItself(kind Kind, was, now Seen, ends, at time.Time) bool {
	switch kind {
	case PowerDown:
		return now[kind] == None && !ends.IsZero() && !at.Before(ends)
	case Savings:
		gone, come := between(was[kind], now[kind])
		for _, p := range gone {
			if _, pays := cutTime(p); pays.IsZero() || at.Before(pays) {
				return false
			}
		}
		return len(come) == 0
	case Recovery:
		to, on := cutTime(was[RecoveryChange])
		return to == now[kind] && !on.IsZero() && !at.Before(on)
	case RecoveryChange:
		_, on := cutTime(was[kind])
		return now[kind] == None && !on.IsZero() && !at.Before(on)
	}
	return false
}
