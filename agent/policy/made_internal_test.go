package policy

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// votesOfVoters is a request of alice's that votes in the name of each.
func votesOfVoters(t *testing.T, voters ...string) *Request {
	t.Helper()
	q := &Request{Kind: Sign, Account: "alice", App: "app", Role: hive.Posting, Broadcast: true}
	for _, voter := range voters {
		op, err := hive.Mainnet.ParseOperation(fmt.Appendf(nil,
			`["vote",{"voter":%q,"author":"bob","permlink":"re-%[1]s-1","weight":100}]`, voter))
		if err != nil {
			t.Fatal(err)
		}
		q.Ops = append(q.Ops, op)
	}
	return q
}

// filledOf returns the first test of the rule.
func filledOf(r *rule) filled { return r.entries[0].fields[0].matcher.(allOf)[0].(filled) }

const votesWithNames = `version: 2
allow:
  - {name: own, request: sign, apps: any, operations: [vote: {permlink: {glob: 're-$account-*'}}]}
deny:
  - {name: replies, request: sign, operations: [vote: {permlink: {regexp: 'x-$actor-[0-9]{1,9}'}}]}
`

// A pattern with the name of the account is made once, whatever the number of requests; who waits
// for its turn keeps none.
func TestPatternsAreMadeOnce(t *testing.T) {
	p, problems := Compile("policy.yaml", []byte(votesWithNames), Options{ErrorsOnly: true})
	if p == nil {
		t.Fatal(problems)
	}
	var kept *made
	for _, r := range p.rules {
		m := filledOf(r)
		if kept != nil && m.made != kept {
			t.Error("each pattern keeps its own")
		}
		kept = m.made
	}
	var first pattern
	for n := range 3 {
		s := p.Prospect(votesOfVoters(t, "alice", "alice"), time.Now())
		if s.scope.patterns != nil {
			t.Errorf("a request that waits keeps %d patterns", len(s.scope.patterns))
		}
		if d := s.Conclude(p, nil, time.Now()); d.Verdict != Allow {
			t.Fatal(d.Reason)
		}
		one, ok := kept.find("globre-alice-*")
		switch {
		case !ok:
			t.Fatalf("%v", kept.patterns.by)
		case n > 0 && one.Regexp != first.Regexp:
			t.Error("it was made again")
		case kept.bytes() < 1000:
			t.Errorf("it counts as %d bytes", kept.bytes())
		}
		first = one
	}
}

func (m *made) bytes() int { return m.patterns.bytes + m.older.bytes }

func (m *made) number() int { return len(m.patterns.by) + len(m.older.by) }

// What a policy keeps of them has few bytes: beyond, those leave that were used longest ago.
func TestPatternsThatAreKept(t *testing.T) {
	for beyond, want := range map[int]int{-1: 2, 0: 2, 1: 1} {
		var m made
		m.keep("a", pattern{}, mostFilled-100)
		m.keep("a", pattern{}, mostFilled-100) // it is there
		m.keep("b", pattern{}, 98+beyond)      // beside the two keys
		if _, ok := m.find("b"); m.number() != want || !ok || m.bytes() > mostFilled {
			t.Errorf("%d bytes too many: %d patterns of %d bytes, the last is there: %v", beyond, m.number(),
				m.bytes(), ok)
		}
	}
	var used made
	used.keep("own", pattern{}, mostFilled/100)
	for n := range 1000 { // of names that come once
		used.keep(fmt.Sprint(n), pattern{}, mostFilled/150)
		if _, ok := used.find("own"); !ok || used.bytes() > mostFilled {
			t.Fatalf("after %d others: the one in use is there: %v; %d bytes", n, ok, used.bytes())
		}
		held := 0
		for _, g := range []generation{used.patterns, used.older} {
			for _, p := range g.by {
				held += p.size
			}
		}
		if held != used.bytes() {
			t.Fatalf("%d bytes are held, and %d are counted", held, used.bytes())
		}
		if _, ok := used.find(fmt.Sprint(n - 20)); n >= 20 && !ok {
			t.Fatalf("after %d others the one 20 before is forgotten", n)
		}
	}
	var m made
	m.keep("a", pattern{}, 1000)
	m.keep("b", pattern{}, mostFilled) // with its key it is larger than all
	if _, ok := m.find("a"); !ok || m.number() != 1 {
		t.Errorf("one that is too large: %v", m.patterns.by)
	}
}

// The size of a pattern is what it takes in memory, or more.
func TestSizeOfPatterns(t *testing.T) {
	heap := func() int {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int(m.HeapAlloc)
	}
	for _, source := range []string{"re-alice-.*", "[a-z0-9.-]{1,200}", "(?:(?:alice){1,30}-[a-z]{1,30}){1,3}",
		`\pL{1,50}`} {
		const n = 100
		var kept [n]pattern
		before, size := heap(), 0
		for i := range kept {
			var err error
			if kept[i], err = newPattern("regexp", source); err != nil {
				t.Fatal(err)
			}
			size += sizeOf(kept[i])
		}
		if took := heap() - before; took > size || size > 20*took {
			t.Errorf("%s: %d bytes, and we say %d", source, took/n, size/n)
		}
		runtime.KeepAlive(kept)
	}
}

// Names that an application chooses make few patterns: beyond, a test of them is in doubt, and that
// counts against the request. Names of the wallet's own accounts are filled in all the same.
func TestPatternsOfOtherNames(t *testing.T) {
	p, problems := Compile("policy.yaml", []byte(`version: 2
allow: [{name: all, request: sign, apps: any, on_behalf_of: any, operations: [vote]}]
deny: [{name: replies, request: sign, operations: [vote: {permlink: {regexp: 'x-$actor-[0-9]{1,9}'}}]}]
`), Options{ErrorsOnly: true})
	if p == nil {
		t.Fatal(problems)
	}
	m := filledOf(p.rules[1])
	for others, want := range map[int]Verdict{15: Allow, 16: Allow, 17: Deny} {
		m.made.patterns, m.made.older = generation{}, generation{}
		voters := []string{"alice", "alice"}
		for i := range others {
			voters = append(voters, fmt.Sprintf("voter%d", i), fmt.Sprintf("voter%d", i))
		}
		d := p.Decide(votesOfVoters(t, voters...), nil, time.Now())
		if d.Verdict != want || m.made.number() > 17 {
			t.Errorf("%d others: %v (%s) with %d patterns", others, d.Verdict, d.Reason, m.made.number())
		}
		if d.Verdict == Deny && !strings.Contains(d.Reason, "voter0") {
			t.Errorf("the account itself is in doubt: %s", d.Reason)
		}
	}
}
