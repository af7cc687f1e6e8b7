package audit_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pksa/agent/audit"
	"pksa/agent/ledger"
)

// Every text of a record can be searched for as it reads, every rule, limit, code and transaction
// by its name; an event that a relay refused an answer belongs to the requests that it names.
func TestSearch(t *testing.T) {
	bubble(t, func(t *testing.T, f *filled) {
		add := func(outcome, content string) uint64 {
			number, err := f.ledger.Append(t.Context(), ledger.Entry{Type: ledger.RecordEvent, Outcome: outcome,
				Account: "alice", Session: 7, Content: []byte(content)})
			if err != nil {
				t.Fatal(err)
			}
			return number
		}
		decided := add("decided", `{"rules":[{"name":"tips","line":3}],"limits_before":[{"limit":{"name":"tips per `+
			`day"}}],`+
			`"cost":[{"limit":"all","amount":"1"}],"code":"uncovered","reason":"no rule of \"bot\" names <b>",`+
			`"operations":[["transfer",{"memo":"Thank You"}]],"transaction":"abcdef0123"}`)
		refused := add(audit.AnswerRefused, `{"requests":[1],"certain":true}`)
		other := add(audit.AnswerRefused, `{"requests":[9]}`)
		escaped := add("escaped", `{"memo":"w\u0061lnut"}`)
		kelvin := add("kelvin", "{\"memo\":\"wal\u212anut\"}") // the sign of kelvins is another K
		for _, c := range []struct {
			name   string
			filter audit.Filter
			want   []uint64
		}{
			{"rule", audit.Filter{Rule: "tips"}, []uint64{decided}},
			{"limit", audit.Filter{Rule: "tips per day"}, []uint64{decided}},
			{"charged limit", audit.Filter{Rule: "all"}, []uint64{decided}},
			{"part of a rule", audit.Filter{Rule: "tip"}, nil},
			{"code", audit.Filter{Code: "uncovered"}, []uint64{decided}},
			{"text with quotes and signs", audit.Filter{Text: `"BOT" names <b>`}, []uint64{decided}},
			{"a memo", audit.Filter{Text: "thank you"}, []uint64{decided}},
			{"letters that JSON writes in another way", audit.Filter{Text: "WALNUT"}, []uint64{escaped}},
			{"letters of other forms", audit.Filter{Text: "walknut"}, []uint64{kelvin}},
			{"an outcome", audit.Filter{Text: "refused by a relay"}, []uint64{refused, other}},
			{"names of members are no text", audit.Filter{Text: "limits_before"}, nil},
			{"transaction", audit.Filter{TxID: "abcd"}, []uint64{decided}},
			{"another transaction", audit.Filter{TxID: "bcde"}, nil},
			{"session", audit.Filter{Session: 7}, []uint64{decided, refused, other, escaped, kelvin}},
			{"another session", audit.Filter{Session: 8}, nil},
			{"two at once", audit.Filter{Session: 7, Code: "uncovered"}, []uint64{decided}},
			{"request", audit.Filter{Request: decided}, []uint64{decided, refused}},
		} {
			page, err := audit.Trail{Ledger: f.ledger}.Page(t.Context(), audit.Query{Filter: c.filter})
			if err != nil {
				t.Fatal(err)
			}
			var got []uint64
			for _, r := range page.Records {
				got = append(got, r.Number)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
			}
		}
	})
}

// Each byte is put in lower case wherever it stands, and a byte that may stand for another sign is
// reported.
func TestLowerCase(t *testing.T) {
	for c := range 256 {
		for at := range 17 {
			text := []byte("aZ09[`{@Aaz~ m-Qx")
			text[at] = byte(c)
			got, special := audit.AppendLower([]byte("x"), text)
			if want := c == '\\' || c >= 0x80; special != want {
				t.Errorf("byte %#x at %d: special %v", c, at, special)
			}
			if want := "x" + strings.ToLower(string(text)); c < 0x80 && string(got) != want {
				t.Errorf("byte %#x at %d: %q, want %q", c, at, got, want)
			}
		}
	}
}

// The codes that the policy has are those that can be searched for.
func TestCodes(t *testing.T) {
	source, err := os.ReadFile("../policy/decision.go")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^\tCode\w+ +Code += "([a-z-]+)"`).FindAllSubmatch(source, -1)
	if len(found) < 14 {
		t.Fatalf("%d codes in the source", len(found))
	}
	for _, m := range found {
		if code := string(m[1]); !slices.Contains(audit.Codes(), code) {
			t.Errorf("the code %q is not known", code)
		}
	}
}
