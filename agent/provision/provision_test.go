package provision_test

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/provision"
	"pksa/protocol/secret"
)

var options = provision.Options{
	App: func(name string) error {
		if name == "bad" {
			return errors.New("no name of an app")
		}
		return nil
	},
	Length: func(text string) (time.Duration, error) { return time.ParseDuration(text) },
}

const whole = `version: 1
accounts:
  alice: [posting, active]
  bob: memo
apps:
  mybot: {secret: file:/run/mybot, answers: documented}
  other: {answers: nack}
  third: {}
sessions:
  - {app: mybot, account: alice, key: env:KEY, for: 12h}
  - {app: other, account: bob, key: prompt}
`

// A file is read to what it says, with the places for complaints. No source is read.
func TestParse(t *testing.T) {
	w, problems := provision.Parse("f.yaml", []byte(whole), options)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	var said []string
	for _, a := range w.Accounts {
		said = append(said, fmt.Sprint(a.Name, a.Roles, a.At))
	}
	for _, a := range w.Apps {
		said = append(said, fmt.Sprint(a.Name, " ", a.Source, " ", a.Answers, a.At, a.AtKey, a.Secret == ""))
	}
	for _, s := range w.Sessions {
		said = append(said, fmt.Sprint(s.App, " ", s.Account, " ", s.Source, " ", s.Length, s.AtApp, s.AtAccount,
			s.AtKey,
			s.AtFor, s.Key == ""))
	}
	want := []string{"alice[posting active] [{3 11} {3 20}]", "bob[memo] [{4 8}]",
		"mybot file:/run/mybot documented{6 3} {6 19} true", "other  nack{7 3} {7 3} true", "third  {8 3} {8 3} true",
		"mybot alice env:KEY 12h0m0s {10 11} {10 27} {10 39} {10 53} true",
		"other bob prompt 0s {11 11} {11 27} {11 37} {0 0} true"}
	if !slices.Equal(said, want) {
		t.Errorf("got\n%q\nwant\n%q", said, want)
	}
	if names := w.Variables(); !slices.Equal(names, []string{"KEY"}) {
		t.Errorf("variables %q", names)
	}
}

// What cannot be meant is refused with its place, and never a secret repeated.
func TestParseRefuses(t *testing.T) {
	for src, want := range map[string]string{
		"":                                         "1:1: the file is empty",
		"apps: {a: {secret: env:A}}":               "1:1: version is missing",
		"version: 1\napps: {}":                     "2:7: apps: an empty map says nothing",
		"version: 1\naccounts: {alice: {}}":        "2:19: ",
		"version: 1\nsessions: [{}]":               "2:12: app is missing",
		"version: 1\napps: {a: {secret: {}}}":      "2:20: secret: an empty map says nothing",
		"version: 1\nsessions: []":                 "2:11: sessions: an empty list says nothing",
		"version: 1\napps:":                        "2:6: apps is empty",
		"version: 1\napps: [a]":                    "2:7: apps is a map",
		"version: 1\napps: {a: env:A}":             "2:11: an app is a map of",
		"version: 1\napps: {bad: {answers: nack}}": "2:8: no name of an app",
		"version: 1\napps: {a: {secret: sesame}}":  "2:20: secret: not a source",
		"version: 1\napps: {a: {secret: env:A}, a: {answers: nack}}":           `2:28: "a" stands here twice`,
		"version: 1\nsessions: [{app: a, account: alice}]":                     "2:12: key is missing",
		"version: 1\nsessions: [{app: a, acount: alice, key: K}]":              `2:21: "acount" is no key here`,
		"version: 1\nsessions: [{app: a, account: alice, key: sesame}]":        "2:42: key: not a source",
		"version: 1\nsessions: [{app: a, account: alice, key: env:K, for: x}]": "2:54: for: ",
		"version: 1\naccounts: {alice: [owner]}":                               "2:20: an owner key is never held here",
		"version: 1\n---\nversion: 1":                                          "2:1: a second document",
	} {
		_, problems := provision.Parse("f.yaml", []byte(src), options)
		text := problems.Errors().String()
		if !strings.Contains(text, "f.yaml:"+want) || strings.Contains(text, "sesame") {
			t.Errorf("%q: %q, want %q", src, text, want)
		}
	}
}

// FuzzParse: whatever a file holds, what is taken has its place in the file and no secret.
func FuzzParse(f *testing.F) {
	f.Add([]byte(whole))
	f.Add([]byte("version: 1\naccounts: {alice: memo}"))
	f.Add([]byte("version: 2\napps: [a]\nsessions: {a: b}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		w, problems := provision.Parse("f.yaml", src, options)
		if len(problems.Errors()) > 0 {
			return
		}
		lines := strings.Count(string(src), "\n") + strings.Count(string(src), "\r") + strings.Count(string(src),
			"\u2028") + 1
		in := func(p provision.Place) bool { return p.Line > 0 && p.Line <= lines && p.Column > 0 }
		for _, a := range w.Accounts {
			if len(a.Roles) == 0 || len(a.Roles) != len(a.At) || slices.ContainsFunc(a.At,
				func(p provision.Place) bool { return !in(p) }) {
				t.Errorf("account %+v", a)
			}
		}
		for _, a := range w.Apps {
			if a.Name == "" || a.Secret != "" || !in(a.At) || !in(a.AtKey) {
				t.Errorf("app %+v", a)
			}
		}
		for _, s := range w.Sessions {
			if s.App == "" || s.Account == "" || s.Key != "" || s.Source.String() == "" || !in(s.AtKey) {
				t.Errorf("session %+v", s)
			}
		}
	})
}

var now = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

// standing is a ledger with two apps and three sessions.
func standing() ledger.Standing {
	return ledger.Standing{
		Slots: []ledger.Slot{{Name: "mybot", Secret: "the secret of mybot"}, {Name: "old", Secret: "that of old"}},
		Sessions: []*ledger.Session{
			{ID: 1, App: "mybot", Account: "alice", AuthKey: "k1", Origin: ledger.Hand},
			{ID: 2, App: "mybot", Account: "alice", AuthKey: "k2", Origin: ledger.Hand},
			{ID: 3, App: "mybot", Account: "alice", AuthKey: "k3", Origin: ledger.Service},
			{ID: 4, App: "mybot", Account: "alice", AuthKey: "k4", Origin: ledger.Paired},
			{ID: 5, App: "old", Account: "alice", AuthKey: "k5", Origin: ledger.Hand},
		}, Now: now,
	}
}

// home holds alice's posting key.
func home() provision.Home {
	long := func(text secret.Text) error {
		if len(text) > 20 {
			return errors.New("too long")
		}
		return nil
	}
	no := errors.New("not held")
	return provision.Home{
		Holds: func(account, role string) error {
			if account == "alice" && role == "posting" {
				return nil
			}
			return no
		},
		Usable: func(account string) error {
			if account == "alice" {
				return nil
			}
			return no
		},
		Secret: long, Key: long, Usual: time.Hour,
		Length: func(d time.Duration) error {
			if d > 24*time.Hour {
				return errors.New("at most a day")
			}
			return nil
		},
	}
}

// told returns what a plan changes, leaves and complains about, in one line each.
func told(done provision.Applied) (all []string) {
	for _, c := range done.Changes {
		all = append(all, strings.TrimSpace(fmt.Sprintf("%s %s %s", c.Act, c.App, c.Answers)))
	}
	for _, c := range done.Left {
		all = append(all, strings.TrimSpace(fmt.Sprintf("left: %s %s %s", c.Act, c.App, c.Answers)))
	}
	for _, c := range done.Complaints {
		all = append(all, fmt.Sprintf("%s %d %s: %s", c.Part, c.Entry, c.Value, c.Text))
	}
	return all
}

func TestPlan(t *testing.T) {
	app := func(name, secretText, answers string) provision.App {
		return provision.App{Name: name, Secret: secret.Text(secretText), Answers: answers}
	}
	session := func(app, account, key string) provision.Session {
		return provision.Session{App: app, Account: account, Key: secret.Text(key)}
	}
	for name, c := range map[string]struct {
		w     provision.Wanted
		prune bool
		want  []string
	}{
		"nothing":             {},
		"nothing, with prune": {prune: true},
		"all is there": {w: provision.Wanted{
			Accounts: []provision.Account{{Name: "alice", Roles: []string{"posting"}}},
			Apps:     []provision.App{app("mybot", "the secret of mybot", "nack"), app("old", "", "")},
			Sessions: []provision.Session{session("mybot", "alice", "k1"), session("mybot", "alice", "k2"),
				session("old", "alice", "k5")}},
			prune: true},
		"new": {w: provision.Wanted{Apps: []provision.App{app("mybot", "", "documented"), app("new", "another",
			"documented")},
			Sessions: []provision.Session{session("new", "alice", "k9")}},
			want: []string{"set answers mybot documented", "add app new documented", "add session new",
				"left: remove app old", "left: end session mybot", "left: end session mybot"}},
		"prune": {w: provision.Wanted{Apps: []provision.App{app("mybot", "another", ""), app("new", "that of old", "")},
			Sessions: []provision.Session{session("mybot", "alice", "k1")}}, prune: true,
			want: []string{"remove app old", "rotate app mybot", "end session mybot", "add app new"}},
		"prune, without sessions": {w: provision.Wanted{Apps: []provision.App{app("mybot", "", "")}}, prune: true,
			want: []string{"remove app old"}},
		"prune, without apps": {w: provision.Wanted{Sessions: []provision.Session{session("mybot", "alice", "k1")}},
			prune: true,
			want:  []string{"end session mybot", "end session old"}},
		"another secret": {w: provision.Wanted{Apps: []provision.App{app("mybot", "another", "")}},
			want: []string{`apps 0 key: there is an app "mybot" already, ` +
				`and its secret is another one; --prune replaces it ` +
				`with this one`}},
		"secrets of two": {w: provision.Wanted{Apps: []provision.App{app("a", "one", ""), app("b", "one", "")}},
			want: []string{`apps 1 key: app "a" has this secret, too, and a secret names one app; ` +
				`give "b" a secret of its own`}},
		"a session of an app that goes": {w: provision.Wanted{Apps: []provision.App{app("mybot", "", "")},
			Sessions: []provision.Session{session("old", "alice", "k5")}}, prune: true,
			want: []string{"sessions 0 app: there is no app \"old\"; name it under apps, or make it with " +
				"`pksa app add old`"}},
		"all complaints at once": {w: provision.Wanted{
			Accounts: []provision.Account{{Name: "alice", Roles: []string{"posting", "active"}}},
			Apps: []provision.App{app("nobody", "", ""), app("a", "a secret that is too long", ""), app("mybot", "",
				"")},
			Sessions: []provision.Session{session("none", "alice", "k8"), session("mybot", "bob", "k6"),
				session("mybot", "alice", "a key that is too long"), session("mybot", "alice", "k1"), session("mybot",
					"alice", "k1"),
				{App: "mybot", Account: "alice", Key: "k7", Length: 25 * time.Hour}}}, prune: true,
			want: []string{"accounts 0 name: not held",
				"apps 0 key: there is no app \"nobody\"; name the source of its secret, or make it with " +
					"`pksa app add nobody`",
				"apps 1 key: too long",
				"sessions 0 app: there is no app \"none\"; name it under apps, or make it with `pksa app add none`",
				"sessions 1 account: not held", "sessions 2 key: too long",
				"sessions 4 key: this auth_key is that of a session above; an application makes one for each session",
				"sessions 5 for: at most a day"}},
	} {
		t.Run(name, func(t *testing.T) {
			a, openings, done := provision.Plan(c.w, c.prune, standing(), home())
			if got := told(done); !slices.Equal(got, c.want) {
				t.Errorf("got\n%q\nwant\n%q", got, c.want)
			}
			acts := len(a.Remove) + len(a.End) + len(a.Rotate) + len(a.Answers) + len(a.Add) + len(a.Open)
			if acts != len(done.Changes) || len(openings) != len(a.Open) {
				t.Errorf("%d changes are told, and %d made: %+v", len(done.Changes), acts, a)
			}
			if done.Changes == nil || done.Left == nil {
				t.Error("a list is missing")
			}
			if !c.prune && len(a.Remove)+len(a.End)+len(a.Rotate) > 0 {
				t.Errorf("without prune: %+v", a)
			}
		})
	}
}

// Of two apps that have one secret, as programs of before allowed it, the second is not heard. That
// is said, unless the first one goes.
func TestPlanSharedSecret(t *testing.T) {
	s := standing()
	s.Slots[1].Secret = s.Slots[0].Secret
	w := provision.Wanted{Apps: []provision.App{{Name: "old", Secret: s.Slots[1].Secret}}}
	for prune, want := range map[bool]string{false: `apps 0 key: app "mybot" has this secret, too`,
		true: "remove app mybot"} {
		if _, _, done := provision.Plan(w, prune, s, home()); len(told(done)) == 0 ||
			!strings.HasPrefix(told(done)[0], want) {
			t.Errorf("prune %v: %q", prune, told(done))
		}
	}
}

// A session is opened as it was wanted, for as long as is usual where nothing is said.
func TestPlanOpens(t *testing.T) {
	w := provision.Wanted{Sessions: []provision.Session{{App: "mybot", Account: "alice", Key: "k1"},
		{App: "mybot", Account: "alice", Key: "k8"}, {App: "old", Account: "alice", Key: "k9", Length: 2 * time.Hour}}}
	a, openings, _ := provision.Plan(w, false, standing(), home())
	want := []ledger.NewSession{
		{Account: "alice", App: "mybot", AuthKey: "k8", Origin: ledger.Hand, Expires: now.Add(time.Hour)},
		{Account: "alice", App: "old", AuthKey: "k9", Origin: ledger.Hand, Expires: now.Add(2 * time.Hour)}}
	if !reflect.DeepEqual(a.Open, want) || !slices.Equal(openings, []int{1, 2}) {
		t.Errorf("got %v at %v", a.Open, openings)
	}
	c, ok := provision.Refused(w, openings, &ledger.ArrangeError{Open: 1, Err: ledger.ErrKeySpent},
		func(app string, err error) error { return fmt.Errorf("%s: %w", app, err) })
	if !ok || c.Part != provision.Sessions || c.Entry != 2 || !strings.HasPrefix(c.Text, "old: ") {
		t.Errorf("got %+v", c)
	}
	if _, ok := provision.Refused(w, openings, ledger.ErrCommit, nil); ok {
		t.Error("a failure of the disk passes for a complaint about the file")
	}
}
