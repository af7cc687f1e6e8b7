package guard

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node"
	"pksa/protocol/hive"
)

// rig is a watch over a ledger in memory and a chain that a test changes.
type rig struct {
	*Watch
	t      *testing.T
	hosts  int
	held   []hive.AccountName
	chain  map[hive.AccountName]node.Situation
	lies   map[string]func(hive.AccountName, *node.Situation) // by host
	asked  []hive.AccountName                                 // for their routes
	notes  map[string][]byte
	events []ledger.Entry
	told   []string // what a person is told
	fails  error    // each commit
	log    bytes.Buffer

	answering int // hosts; zero: all
}

func newRig(t *testing.T, hosts int, held ...hive.AccountName) *rig {
	r := &rig{t: t, hosts: hosts, held: held, chain: map[hive.AccountName]node.Situation{},
		lies: map[string]func(hive.AccountName, *node.Situation){}, notes: map[string][]byte{}}
	key := hive.PrivateKeyFromSeed("alice").Public()
	one := hive.Authority{WeightThreshold: 1, KeyAuths: []hive.KeyWeight{{Key: key, Weight: 1}}}
	for _, name := range held {
		r.chain[name] = node.Situation{
			Account: node.Account{Name: name, Owner: one, Active: one, Posting: one, Memo: key,
				State: &node.AccountState{Recovery: "bob"}},
			Recovery: &node.RecoveryChange{}, Routes: &[]node.Route{}, Savings: &[]node.SavingsWithdrawal{},
		}
	}
	r.start()
	return r
}

// start begins as a process does, with what the ledger has.
func (r *rig) start() {
	r.Watch = New(Options{
		Ledger: r, Accounts: func() []hive.AccountName { return r.held }, Hosts: func() int { return r.hosts },
		Situations: r.situations, Prefix: "STM", Stop: true, Logger: slog.New(slog.NewTextHandler(&r.log, nil)),
		Signed: func(context.Context, time.Time, []string) ([]hive.Operation, error) { return nil, nil },
		Notify: func(account hive.AccountName, c Change, _ bool) {
			r.told = append(r.told, string(account)+" "+string(c.What)+" "+c.Now)
		},
	})
	if err := r.Load(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) situations(_ context.Context, most int, names []hive.AccountName,
	details func(node.Account) bool) (reports []node.Report) {
	for i := range min(most, cmp.Or(r.answering, r.hosts)) {
		report := node.Report{Host: fmt.Sprintf("%c.example", 'a'+i), Accounts: map[hive.AccountName]node.Situation{}}
		for _, name := range names {
			s := r.chain[name]
			state := *s.Account.State
			s.Account.State = &state
			if lie := r.lies[report.Host]; lie != nil {
				lie(name, &s)
			}
			if s.Account.State.Routes > 0 && !details(s.Account) {
				s.Routes = nil
			} else if s.Account.State.Routes > 0 {
				r.asked = append(r.asked, name)
			}
			report.Accounts[name] = s
		}
		reports = append(reports, report)
	}
	return reports
}

func (r *rig) AccountNotes(_ context.Context, accounts []string) (map[string][]byte, error) {
	found := maps.Clone(r.notes)
	maps.DeleteFunc(found, func(name string, _ []byte) bool { return !slices.Contains(accounts, name) })
	return found, nil
}

func (r *rig) NoteAccounts(_ context.Context, notes map[string][]byte, records ...ledger.Entry) error {
	if r.fails != nil {
		return r.fails
	}
	maps.Copy(r.notes, notes)
	r.events = append(r.events, records...)
	return nil
}

func (r *rig) KeepAccountNotes(_ context.Context, keep func(string) bool) error {
	maps.DeleteFunc(r.notes, func(name string, _ []byte) bool { return !keep(name) })
	return r.fails
}

func (r *rig) change(name hive.AccountName, f func(*node.Situation)) {
	s := r.chain[name]
	state := *s.Account.State
	s.Account.State = &state
	f(&s)
	r.chain[name] = s
}

func (r *rig) look() {
	r.t.Helper()
	if err := r.Look(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) stops(name hive.AccountName) bool {
	return r.Stopped(func() []hive.AccountName { return []hive.AccountName{name} }) == name
}

// expect compares what a person was told since the last time.
func (r *rig) expect(when string, told ...string) {
	r.t.Helper()
	if !slices.Equal(r.told, told) {
		r.t.Errorf("%s: told %q, want %q", when, r.told, told)
	}
	r.told = nil
}

func proxy(to hive.AccountName) func(*node.Situation) {
	return func(s *node.Situation) { s.Account.State.Proxy = to }
}

// What the only host says counts when it says the same twice, five minutes apart: one wrong answer
// stops no account. Of several hosts two must say it, at once.
func TestSingleHost(t *testing.T) {
	r := newRig(t, 1, "alice")
	r.look()
	r.change("alice", proxy("mallory"))
	r.look()
	r.expect("at the first word")
	if !r.Repeat() || r.stops("alice") {
		t.Error("the look is not repeated soon, or the account stopped by one word")
	}
	r.change("alice", proxy(""))
	r.look()
	r.change("alice", proxy("mallory"))
	r.look()
	r.expect("said, taken back, and said once")
	r.start() // what was said once stands in the ledger
	r.look()
	r.expect("at the second word", "alice proxy mallory")
	if r.Repeat() || !r.stops("alice") {
		t.Error("it goes on with looks, or the account is not stopped")
	}

	several := newRig(t, 3, "alice")
	several.look()
	several.lies["a.example"] = func(_ hive.AccountName, s *node.Situation) { proxy("mallory")(s) }
	several.look()
	several.look()
	several.expect("one host of three")
	several.lies["b.example"] = several.lies["a.example"]
	several.look()
	several.expect("two hosts of three", "alice proxy mallory")
}

// A power-down that is cancelled after its first payment is a change; one that ends with its last
// payment is none.
func TestPowerDownCancelledAfterPayment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const week = 7 * 24 * time.Hour
		r := newRig(t, 2, "alice")
		ends := hive.TimeOf(time.Now().Add(13 * week))
		runs := func(s *node.Situation) { s.Account.State.PowerDown, s.Account.State.PowerDownEnds = 13e6, ends }
		over := func(s *node.Situation) { s.Account.State.PowerDown, s.Account.State.PowerDownEnds = 0, 0 }
		r.change("alice", runs)
		r.look()
		time.Sleep(2 * week)
		r.look() // a payment was made: nothing says otherwise
		r.change("alice", over)
		r.look()
		r.expect("cancelled", "alice power-down none")
		r.change("alice", runs)
		r.look()
		r.expect("begun again by others", "alice power-down 13.000000 VESTS")
		r.lies["a.example"] = func(_ hive.AccountName, s *node.Situation) { s.Account.State.PowerDownEnds -= 1e6 }
		r.look()
		time.Sleep(11 * week)
		r.change("alice", over)
		delete(r.lies, "a.example")
		r.look()
		r.expect("at its end")
	})
}

// Routes, which take a question of their own for each account, are looked at in turns: of 250
// accounts each has had its turn after three looks.
func TestRoutesInTurns(t *testing.T) {
	var held []hive.AccountName
	for i := range 250 {
		held = append(held, hive.AccountName(fmt.Sprintf("user%05d", i)))
	}
	r := newRig(t, 2, held...)
	route := func(to hive.AccountName) func(*node.Situation) {
		return func(s *node.Situation) {
			s.Account.State.Routes, s.Routes = 1, &[]node.Route{{To: to, Percent: 10000}}
		}
	}
	for _, name := range held {
		r.change(name, route("bob"))
	}
	r.look()
	r.asked = nil
	r.change("user00249", route("mallory")) // their number is the same
	for _, want := range []int{100, 100, 50} {
		r.expect("before its turn")
		r.look()
		first := slices.Compact(slices.Sorted(slices.Values(r.asked)))
		if r.asked = nil; len(first) != want {
			t.Errorf("%d accounts were asked about, want %d", len(first), want)
		}
	}
	r.expect("in its turn", "user00249 power-down-routes 100.00% as HIVE to mallory")
	r.look()
	if first := r.asked[0]; first != "user00000" {
		t.Errorf("the turns begin again with %s", first)
	}
}

// As many accounts as one look asks about are asked about at once, and one more is not.
func TestRoutesOfOneLook(t *testing.T) {
	for n, want := range map[int]int{99: 99, 100: 100, 101: 100} {
		var held []hive.AccountName
		for i := range n {
			held = append(held, hive.AccountName(fmt.Sprintf("user%05d", i)))
		}
		r := newRig(t, 2, held...)
		for _, name := range held {
			r.change(name, func(s *node.Situation) {
				s.Account.State.Routes, s.Routes = 1, &[]node.Route{{To: "bob", Percent: 10000}}
			})
		}
		r.look()
		r.asked = nil
		r.look()
		if got := slices.Compact(slices.Sorted(slices.Values(r.asked))); len(got) != want {
			t.Errorf("of %d accounts %d were asked about", n, len(got))
		}
	}
}

// A change whose commit fails stops the account at once, is told once it is on disk, and is in the
// trail once. A person may accept it although the chain says otherwise by then.
func TestCommitThatFails(t *testing.T) {
	r := newRig(t, 2, "alice")
	r.look()
	r.change("alice", proxy("mallory"))
	r.fails = errors.New("no space left")
	if err := r.Look(t.Context()); !errors.Is(err, r.fails) || !r.stops("alice") {
		t.Errorf("%v; stopped: %v", err, r.stops("alice"))
	}
	if _, err := r.Accept(t.Context(), "alice"); !errors.Is(err, r.fails) || !r.stops("alice") {
		t.Errorf("accepted without a commit: %v", err)
	}
	r.expect("while nothing can be written")
	r.fails = nil
	r.look()
	r.look()
	r.expect("on disk", "alice proxy mallory")
	if len(r.events) != 1 || len(r.Standings()) != 1 {
		t.Errorf("events %d, standings %+v", len(r.events), r.Standings())
	}

	r = newRig(t, 2, "alice")
	r.look()
	r.change("alice", proxy("mallory"))
	r.fails = errors.New("no space left")
	_ = r.Look(t.Context())
	r.fails = nil
	r.change("alice", proxy(""))
	r.look()
	if _, err := r.Accept(t.Context(), "alice"); err != nil || r.stops("alice") {
		t.Errorf("a change that was never written and is over: %v", err)
	}
}

// Of an account whose keys are gone nothing is kept: not in the ledger, not in what is shown. Given
// back, it is seen anew.
func TestAccountsThatGo(t *testing.T) {
	r := newRig(t, 2, "alice", "carol")
	r.look()
	r.change("carol", proxy("mallory"))
	r.look()
	r.expect("of carol", "carol proxy mallory")
	r.held = []hive.AccountName{"alice"}
	r.look()
	if got := slices.Sorted(maps.Keys(r.notes)); !slices.Equal(got, []string{"", "alice"}) || len(r.Standings()) != 0 {
		t.Errorf("after carol's keys are gone: %q, %+v", got, r.Standings())
	}
	r.held = []hive.AccountName{"alice", "carol"}
	r.look()
	r.expect("of carol, seen anew")
	if r.stops("carol") {
		t.Error("carol is stopped")
	}
}

// All withdrawals from savings that the chain permits are compared one by one: a payment that was
// made among them is no change.
func TestManyWithdrawals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, "alice")
		var list []node.SavingsWithdrawal
		for i := range 100 {
			list = append(list, node.SavingsWithdrawal{ID: 4e9 + uint32(i), To: "sixteen-chars-ab",
				Amount: hive.Asset{Amount: 1e15, Symbol: hive.HBD},
				Pays:   hive.TimeOf(time.Now().Add(time.Duration(i+1) * time.Hour))})
		}
		savings := func(list []node.SavingsWithdrawal) {
			r.change("alice", func(s *node.Situation) { s.Savings, s.Account.State.Savings = &list, len(list) })
		}
		savings(list)
		r.look()
		time.Sleep(90 * time.Minute)
		savings(list[1:])
		r.look()
		r.expect("one paid")
		savings(slices.Delete(slices.Clone(list[1:]), 50, 51))
		r.look()
		if len(r.told) != 1 {
			t.Errorf("one cancelled: told %d", len(r.told))
		}
	})
}

// Of several hosts one answers: what it says changes nothing, is looked at again soon, and is told
// once, after a while, until a second host says it.
func TestChangeThatNobodyConfirms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2, "alice", "carol")
		r.look()
		r.change("alice", func(s *node.Situation) { s.Account.State.Proxy = "mallory" })
		r.answering = 1
		r.look()
		if !r.Repeat() || r.Doubts() != nil || len(r.told) > 0 {
			t.Errorf("at first: repeat %v, doubts %v, told %q", r.Repeat(), r.Doubts(), r.told)
		}
		time.Sleep(DoubtAfter)
		for range 2 {
			r.look()
			d := r.Doubts()
			if d == nil || d.Accounts != 1 || d.First[0].Account != "alice" ||
				!slices.Equal(d.First[0].What, []Kind{Proxy}) ||
				!slices.Equal(d.First[0].Hosts, []string{"a.example"}) || time.Since(d.First[0].Since) < DoubtAfter {
				t.Fatalf("after a while: %+v", d)
			}
		}
		if n := strings.Count(r.log.String(), "wait for a second node"); n != 1 {
			t.Errorf("told %d times: %s", n, r.log.String())
		}
		r.answering = 0
		r.look()
		if r.Doubts() != nil || len(r.told) != 1 || r.Repeat() {
			t.Errorf("confirmed: doubts %v, told %q", r.Doubts(), r.told)
		}
		// Of a new account, two hosts have to say what it is.
		r.held = []hive.AccountName{"alice", "bob", "carol"}
		r.chain["bob"] = r.chain["carol"]
		r.answering = 1
		r.look()
		time.Sleep(DoubtAfter)
		r.look()
		if d := r.Doubts(); d == nil || d.Accounts != 1 || d.First[0].Account != "bob" || len(d.First[0].What) != 0 {
			t.Errorf("never seen by two: %+v", d)
		}
		// One host of three that says something else is outvoted, and nothing waits.
		r.hosts, r.answering = 3, 0
		r.look()
		r.lies["a.example"] = func(_ hive.AccountName, s *node.Situation) { s.Account.State.Proxy = "bob" }
		r.look()
		time.Sleep(DoubtAfter)
		r.look()
		if d := r.Doubts(); d != nil || r.Repeat() {
			t.Errorf("outvoted: %+v", d)
		}
	})
}
