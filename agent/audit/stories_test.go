package audit_test

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pksa/agent/audit"
	"pksa/agent/ledger"
)

// asker makes requests of one session.
type asker struct {
	*filled
	session ledger.SessionID
	nonce   int64
}

func (f *filled) asker() *asker {
	f.t.Helper()
	if _, err := f.ledger.AddSlot(f.t.Context(), "mybot", "the secret of an app", nil); err != nil {
		f.t.Fatal(err)
	}
	s, err := f.ledger.AddSession(f.t.Context(), ledger.NewSession{Account: "alice", App: "mybot", AuthKey: "key",
		Origin: ledger.Hand, Expires: time.Now().Add(24 * time.Hour)}, []byte(`{}`))
	if err != nil {
		f.t.Fatal(err)
	}
	return &asker{filled: f, session: s.ID, nonce: time.Now().UnixMilli()}
}

// ask records an admitted request with these operations, and returns its number.
func (a *asker) ask(operations ...string) uint64 {
	a.t.Helper()
	a.nonce++
	key := ledger.RequestKey{Relay: "relay", UUID: fmt.Sprint("uuid-", a.nonce)}
	_, err := a.ledger.Begin(ledger.Arrival{Key: key, Digest: sha256.Sum256([]byte(key.UUID)),
		Expires: time.Now().Add(time.Minute)})
	if err != nil {
		a.t.Fatal(err)
	}
	record := []byte(`{"request":"sign","account":"alice","app":"mybot","operations":[` +
		strings.Join(operations, ",") +
		`],"result":"admitted"}`)
	out, err := a.ledger.Admit(a.t.Context(), ledger.Admission{Key: key, Account: "alice", Kind: "sign",
		Session: a.session, Nonce: a.nonce}, func(ledger.View) ledger.Ruling {
		return ledger.Ruling{Verdict: ledger.Admitted, Record: record}
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return out.Number
}

// end records the outcome of a request.
func (a *asker) end(number uint64, outcome, reason string) {
	a.t.Helper()
	record := fmt.Sprintf(`{"result":"answered","outcome":%q,"reason":%q}`, outcome, reason)
	if err := a.ledger.Settle(number, ledger.Settlement{Outcome: outcome, Record: []byte(record),
		Open: outcome == "uncertain"}); err != nil {
		a.t.Fatal(err)
	}
}

// pays is a transfer of alice.
func pays(to, amount string) string {
	return fmt.Sprintf(`["transfer",{"from":"alice","to":%q,"amount":%q,"memo":""}]`, to, amount)
}

// found returns the numbers of the requests and other records that stories have, and how many
// records the pages had. Each page has so many at most.
func (f *filled) found(filter audit.Filter, limit int) (numbers []uint64, records int) {
	f.t.Helper()
	q := audit.Query{Filter: filter, Stories: true, Limit: limit}
	for {
		page, err := audit.Trail{Ledger: f.ledger}.Page(f.t.Context(), q)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, r := range page.Records {
			records++
			if r.Type != "decision" && r.Type != "outcome" {
				numbers = append(numbers, r.Number)
			}
		}
		if page.End {
			return numbers, records
		}
		q.From, q.Open, q.Waiting = page.Next, page.Open, page.Waiting
	}
}

// A search finds requests by what they ask for and by what became of them, on pages of any size.
func TestStories(t *testing.T) {
	const vote = `["vote",{"voter":"alice","author":"bob","permlink":"p","weight":10000}]`
	bubble(t, func(t *testing.T, f *filled) {
		a := f.asker()
		small, large := a.ask(pays("bob", "0.500 HBD")), a.ask(pays("carol", "25.000 HBD"), vote)
		a.end(large, "failed", "missing required active authority")
		both, voted := a.ask(pays("carol", "0.001 HIVE"), pays("bob", "10.000 HBD")), a.ask(vote)
		a.end(both, "uncertain", "")
		a.end(voted, "accepted", "")
		a.end(small, "accepted", "")
		f.notes(30)
		late := a.ask(pays("dave", "1.000 HBD"))
		f.notes(2500) // more than is looked at behind a page
		a.end(both, "accepted", "")
		a.end(late, "expired", "")
		for _, c := range []struct {
			name   string
			filter audit.Filter
			want   []uint64
		}{
			{"operation", audit.Filter{Operation: "transfer"}, []uint64{small, large, both, late}},
			{"operation and outcome", audit.Filter{Operation: "transfer", Result: "accepted"}, []uint64{small, both}},
			{"an outcome that comes late", audit.Filter{Result: "expired"}, []uint64{late}},
			{"what was not known at first", audit.Filter{Result: "uncertain"}, []uint64{both}},
			{"counterparty", audit.Filter{Counterparty: "bob"}, []uint64{small, large, both, voted}},
			{"who asks is no counterparty", audit.Filter{Counterparty: "alice"}, nil},
			{"one operation has all", audit.Filter{Operation: "transfer", Counterparty: "carol", Amount: "> 1 HBD"},
				[]uint64{large}},
			{"two operations have it", audit.Filter{Counterparty: "carol", Amount: "10 HBD"}, nil},
			{"at least", audit.Filter{Amount: ">= 10 HBD"}, []uint64{large, both}},
			{"more than", audit.Filter{Amount: ">10 HBD"}, []uint64{large}},
			{"less than", audit.Filter{Amount: "< 1 hbd"}, []uint64{small}},
			{"from to", audit.Filter{Amount: ">= 1 HBD, <= 10 HBD"}, []uint64{both, late}},
			{"another asset", audit.Filter{Amount: "> 0 HIVE"}, []uint64{both}},
			{"none of that asset", audit.Filter{Amount: ">= 0 VESTS"}, nil},
			{"text of the outcome", audit.Filter{Text: "REQUIRED active"}, []uint64{large}},
			{"text of the outcome, and the operation", audit.Filter{Text: "required", Operation: "vote"},
				[]uint64{large}},
			{"text of the outcome, and another operation", audit.Filter{Text: "required",
				Operation: "custom_json"}, nil},
			{"uuid", audit.Filter{UUID: fmt.Sprint("UUID-", a.nonce)}, []uint64{late}},
		} {
			for _, limit := range []int{1, 3, 1000} {
				got, records := f.found(c.filter, limit)
				slices.Sort(got)
				if !slices.Equal(got, c.want) {
					t.Errorf("%s, pages of %d: %v, want %v", c.name, limit, got, c.want)
				}
				if len(got) > 0 && records < 2*len(got) {
					t.Errorf("%s, pages of %d: %d records of %v: outcomes are missing", c.name, limit, records, got)
				}
			}
		}
	})
}

func TestParseAmountsRefuses(t *testing.T) {
	for text, want := range map[string]string{
		">= 10":                         "the assets are HIVE, HBD and VESTS",
		"10 HBX":                        "the assets are HIVE, HBD and VESTS",
		"> 1.0001 HBD":                  "at most 3 digits behind the point",
		"=> 1 HBD":                      "a comparison looks like",
		">= -1 HBD":                     "is no amount",
		">= 1. HBD":                     "is no amount",
		">= 1 HBD, < 2 HIVE":            "cannot be compared",
		"":                              "the assets are",
		"1 HBD,1 HBD,1 HBD,1 HBD,1 HBD": "4 comparisons",
		strings.Repeat(" ", 201):        "at most 200 bytes",
	} {
		if _, err := audit.ParseAmounts(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// The cheap look at the bytes of a record hides nothing that reading it would find.
func TestTextsInAnyForm(t *testing.T) {
	bubble(t, func(t *testing.T, f *filled) {
		for i, content := range []string{`{"a":"Straße"}`, `{"a":"\u0053ecret"}`, `{"a":"a<b & \"c\""}`,
			`{"a":"\u212aelvin"}`, `{"a":"PLAIN"}`} {
			if _, err := f.ledger.Append(t.Context(), ledger.Entry{Type: ledger.RecordEvent, Outcome: "e",
				Content: []byte(content)}); err != nil {
				t.Fatal(err)
			}
			text := []string{"straße", "secret", `a<b & "c"`, "kelvin", "plain"}[i]
			if got, _ := f.found(audit.Filter{Text: text}, 0); len(got) != 1 {
				t.Errorf("%q finds %v", text, got)
			}
		}
	})
}
