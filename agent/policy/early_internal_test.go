package policy

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pksa/protocol/hive"
)

// counting counts how often a field is compared.
type countingMatcher struct {
	matcher
	n *int
}

func (c countingMatcher) check(s *scope, v value) outcome {
	*c.n++
	return c.matcher.check(s, v)
}

// compiledCounting compiles a policy whose field tests count how often they are made.
func compiledCounting(t *testing.T, text string) (*Policy, *int) {
	t.Helper()
	p, problems := Compile("policy.yaml", []byte(text), Options{})
	if p == nil {
		t.Fatal(problems)
	}
	n := new(int)
	wrap := func(r *rule) {
		for i := range r.entries {
			for j := range r.entries[i].fields {
				f := &r.entries[i].fields[j]
				f.matcher = countingMatcher{f.matcher, n}
			}
		}
	}
	for _, r := range p.rules {
		wrap(r)
	}
	for _, l := range p.limits {
		wrap(&l.rule)
	}
	return p, n
}

func votesOf(t *testing.T, n int) *Request {
	t.Helper()
	q := &Request{Kind: Sign, Account: "alice", App: "app", Role: hive.Posting, Broadcast: true}
	for i := range n {
		op, err := hive.Mainnet.ParseOperation(fmt.Appendf(nil,
			`["vote",{"voter":"alice","author":"bob","permlink":"p%d","weight":100}]`, i))
		if err != nil {
			t.Fatal(err)
		}
		q.Ops = append(q.Ops, op)
	}
	return q
}

// The second half of a decision compares no field and no pattern with the request: neither of one
// that is surely denied nor of one that limits and hours are about, until an hour strikes or
// another policy is in force.
func TestSecondHalfComparesNothing(t *testing.T) {
	const hours = "hours: '08:00-20:00'"
	text := `version: 1
deny: [{name: spam, request: sign, operations: [vote: {permlink: {regexp: 'x+'}}], ` + hours + `}]
allow: [{name: votes, request: sign, apps: any, operations: [vote: {permlink: {regexp: 'ALLOWED'}}], ` + hours + `}]
limits: [{name: few, apps: any, operations: [vote: {permlink: {regexp: 'p.*'}}], count: 100 per 1h, ` + hours + `}]
`
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, allowed := range map[string]string{"denied": "q.*", "allowed": "p.*"} {
		p, n := compiledCounting(t, strings.Replace(text, "ALLOWED", allowed, 1))
		s := p.Prospect(votesOf(t, 3), at)
		if *n == 0 {
			t.Fatalf("%s: the first half compared nothing", name)
		}
		*n = 0
		d := s.Conclude(p, nil, at.Add(time.Second))
		if (d.Verdict == Allow) != (name == "allowed") || *n != 0 {
			t.Errorf("%s: %v (%s) after %d comparisons", name, d.Verdict, d.Reason, *n)
		}
		if s.Conclude(p, nil, at.Add(8*time.Hour)); *n == 0 {
			t.Errorf("%s: nothing was compared after the hour struck", name)
		}
		other, m := compiledCounting(t, strings.Replace(text, "ALLOWED", allowed, 1))
		if s.Conclude(other, nil, at); *m == 0 {
			t.Errorf("%s: nothing was compared with another policy", name)
		}
	}
}

// So it is where the application chose the instant at which a test of the clock says something
// else: it could have all rules compared again while others wait.
func TestSecondHalfComparesNoInstants(t *testing.T) {
	const text = `version: 1
deny: [{name: old, request: sign, operations: [limit_order_create: {expiration: {min: 2027-01-01}}]}]
allow:
  - {name: sell, request: sign, apps: any, key: active, operations: [limit_order_create: {expiration: {within: 7d}}]}
limits: [{name: few, apps: any, operations: [limit_order_create: {expiration: {within: 7d}}], count: 100 per 1h}]
`
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	edge := at.Add(7 * 24 * time.Hour)
	for _, tt := range []struct {
		name         string
		judged, turn time.Time
		want         Code
	}{
		{"it is not over", at, at.Add(time.Hour), ""},
		{"it passes", at, at.Add(14*24*time.Hour + time.Nanosecond), CodeClock},
		{"it comes", at.Add(-time.Nanosecond), at, CodeClock},
		{"it is not there yet", at.Add(-2), at.Add(-1), CodeUncovered},
	} {
		p, n := compiledCounting(t, text)
		op, err := hive.Mainnet.ParseOperation(fmt.Appendf(nil, `["limit_order_create",{"owner":"alice","orderid":1,`+
			`"amount_to_sell":"1.000 HIVE","min_to_receive":"1.000 HBD","fill_or_kill":false,"expiration":%q}]`,
			edge.Format("2006-01-02T15:04:05")))
		if err != nil {
			t.Fatal(err)
		}
		q := &Request{Kind: Sign, Account: "alice", App: "app", Role: hive.Active, Broadcast: true,
			Ops: []hive.Operation{op, op, op}}
		s := p.Prospect(q, tt.judged)
		if *n == 0 {
			t.Fatalf("%s: the first half compared nothing", tt.name)
		}
		*n = 0
		if d := s.Conclude(p, nil, tt.turn); d.Code != tt.want || *n != 0 {
			t.Errorf("%s: %q (%s) after %d comparisons", tt.name, d.Code, d.Reason, *n)
		}
	}
}

// A decision stops at the first part after which nothing can change what is answered.
func TestDecisionStopsEarly(t *testing.T) {
	const spam = "{name: spam, request: sign, operations: [vote: {permlink: {regexp: 'p.*'}}]%s}"
	votes := "allow: [{name: votes, request: sign, apps: any, operations: [vote: {permlink: {regexp: 'q.*'}}]}]\n"
	for _, c := range []struct {
		name, policy string
		most         int
	}{
		{"a deny rule", "version: 1\ndeny: [" + fmt.Sprintf(spam, "") + "]\n" + votes, 5},
		{"nobody named it", "version: 1\n" + votes, 5},
		{"silence of all", "version: 1\notherwise: ignore\n" + votes, 5},
	} {
		p, n := compiledCounting(t, c.policy)
		if d := p.Decide(votesOf(t, 100), nil, time.Now()); d.Verdict != Deny || *n > c.most {
			t.Errorf("%s: %v after %d comparisons, want %d at most", c.name, d.Verdict, *n, c.most)
		}
	}
}

// A denial of one hour hides that a person would be asked at another: the parts after it were not
// looked at.
func TestAskBehindADenialOfAnHour(t *testing.T) {
	p, problems := Compile("policy.yaml", []byte(`version: 1
deny: [{name: day, request: sign, operations: [vote], hours: '08:00-20:00'}]
ask: [{name: posts, request: sign, apps: any, operations: [comment]}]
allow: [{name: votes, request: sign, apps: any, operations: [vote]}]
`), Options{})
	if p == nil {
		t.Fatal(problems)
	}
	q := votesOf(t, 1)
	op, err := hive.Mainnet.ParseOperation([]byte(`["comment",{"parent_author":"","parent_permlink":"p",` +
		`"author":"alice",` +
		`"permlink":"q","title":"","body":"b","json_metadata":""}]`))
	if err != nil {
		t.Fatal(err)
	}
	q.Ops = append(q.Ops, op)
	noon := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	s := p.Prospect(q, noon)
	if got := s.Outlook(); got != PerhapsAsked {
		t.Errorf("%v", got)
	}
	if d := s.Conclude(p, nil, noon.Add(9*time.Hour)); d.Verdict != Ask {
		t.Errorf("at another hour: %v (%s)", d.Verdict, d.Reason)
	}
}

// A rule holds before its until, and from its from on.
func TestEdgesOfDates(t *testing.T) {
	p, problems := Compile("policy.yaml", []byte(`version: 1
allow: [{name: votes, request: sign, apps: any, operations: [vote], from: 2026-11-20, until: 2026-11-21}]
`), Options{})
	if p == nil {
		t.Fatal(problems)
	}
	from, until := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Time
		want Verdict
	}{{from.Add(-1), Deny}, {from, Allow}, {until.Add(-1), Allow}, {until, Deny}, {until.Add(1), Deny}} {
		if d := p.Decide(votesOf(t, 1), nil, c.at); d.Verdict != c.want {
			t.Errorf("at %s: %v", c.at, d.Verdict)
		}
	}
}
