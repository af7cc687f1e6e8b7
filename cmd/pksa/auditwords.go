package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"pksa/agent/audit"
	"pksa/agent/policy"
	"pksa/protocol/plain"
)

// auditContent is what a record says in its content, as far as it is shown in words.
type auditContent struct {
	Code, Reason, Act, Node string
	Relay, Policy, UUID     string
	Block                   uint32
	Told                    string
	Approved                bool
	Approval                struct{ By string }
	MoreApprovals           []struct{ By string } `json:"more_approvals"`
	ToldBy                  audit.Told            `json:"told_by"`
	Approver                string                // of events
	Request                 string                `json:"request"`
	KeyType                 string                `json:"key_type"`
	TransactionBy           string                `json:"transaction_by"`
	Keys                    []string
	Broadcast               *bool
	Until                   time.Time `json:"session_until"`
	Effects                 []string
	Rules                   []policy.RuleRef
	Cost                    []policy.Charge
	Limits                  []policy.LimitState `json:"limits_before"`
	Operations              []json.RawMessage
	Observed                *policy.Decision
	Cut                     audit.Cut
	// Of events.
	Text     string
	Requests []uint64
	Certain  bool
}

func contentOf(r audit.Record) (c auditContent) {
	if json.Unmarshal(r.Content, &c) != nil {
		return auditContent{}
	}
	return c
}

// keys names the keys that sign.
func (c auditContent) keys() string {
	if len(c.Keys) > 1 {
		return keyWords(c.KeyType, c.Keys) + " keys"
	}
	return keyWords(c.KeyType, c.Keys) + " key"
}

// keyWords names the roles of the keys that sign: several, or the one that the application named.
func keyWords(keyType string, several []string) string {
	if len(several) == 0 {
		return keyType
	}
	return strings.Join(several, " and ")
}

// why returns the reason with its code, once.
func (c auditContent) why() string {
	if c.Code == "" || strings.HasPrefix(c.Reason, c.Code+":") { // the policy's reasons begin with their code
		return c.Reason
	}
	return c.Code + ": " + c.Reason
}

// printStory prints a request in words: who asked, for what, what was decided by which rule and
// why, what it cost, and what the outcome was.
func printStory(w io.Writer, records []audit.Record) {
	first := records[0]
	if first.Type != "request" {
		fmt.Fprintln(w, strings.TrimSpace(entry{first.Number, records}.line(0)))
		return
	}
	t := story{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	content := contentOf(first)
	t.line("Record", "%d of %s, a request: %s", first.Number, when(first.Time), first.Kind)
	t.line("Who", "%s", whoAsked(first, content))
	t.what(content)
	switch {
	case content.Broadcast != nil && *content.Broadcast:
		t.line("How", "to be signed with the %s, and broadcast", content.keys())
	case content.Broadcast != nil:
		t.line("How", "to be signed with the %s, and handed over without a broadcast", content.keys())
	}
	t.decision("Decision", first, content)
	ended := false
	for _, r := range records[1:] {
		switch after := r.Time.Sub(first.Time).Round(time.Millisecond); r.Type {
		case "decision":
			t.decision(fmt.Sprintf("After %s", after), r, contentOf(r))
		case "outcome":
			t.outcome(r, after)
			ended = true
		case "event", "admin":
			t.afterwards(r, after)
		}
	}
	if !ended {
		t.line("Outcome", "not known yet")
	}
	t.transaction(records)
	t.out.Flush()
}

func whoAsked(r audit.Record, c auditContent) string {
	who := "nobody that is known"
	if r.App != "" {
		who = "app " + r.App
	}
	if r.Session != 0 {
		who += ", session " + r.Session.String()
	}
	who += ", of account " + r.Account
	if c.Relay != "" {
		who += ", through " + c.Relay
	}
	return who
}

type story struct{ out *tabwriter.Writer }

// what prints what a request does, and how much of it the record lacks.
func (t story) what(c auditContent) {
	for _, effect := range c.Effects {
		t.line("What", "%s", effect)
	}
	t.left("What", c.Cut.Effects-len(c.Effects))
	if c.Cut.SHA256 == "" {
		return
	}
	of := fmt.Sprintf("%d bytes", c.Cut.Bytes)
	if c.Cut.Operations > 0 {
		of = fmt.Sprintf("%s (%s) of %s", count(c.Cut.Operations, "operation"), namesOf(c.Cut.Names), of)
	}
	t.line("Cut", "the record keeps 8 KiB of %s, SHA-256 %s", of, c.Cut.SHA256)
}

// namesOf returns the names of operations with their numbers, the most frequent first.
func namesOf(names map[string]int) string {
	sorted := slices.SortedFunc(maps.Keys(names), func(a, b string) int {
		return cmp.Or(cmp.Compare(names[b], names[a]), cmp.Compare(a, b))
	})
	for i, name := range sorted {
		sorted[i] = fmt.Sprintf("%d %s", names[name], name)
	}
	return strings.Join(sorted, ", ")
}

// transaction prints the transaction of a request. One that a person is asked about has an id
// before it is signed, and keeps it if the answer is no.
func (t story) transaction(records []audit.Record) {
	id, verdict := "", ""
	for _, r := range records {
		id, verdict = cmp.Or(id, r.TxID), cmp.Or(r.Verdict, verdict)
	}
	switch {
	case id == "":
	case verdict == "admitted":
		t.line("Transaction", "%s", id)
	default:
		t.line("Transaction", "%s, which was not signed", id)
	}
}

func (t story) line(label, format string, args ...any) {
	fmt.Fprintf(t.out, "%s\t%s\n", label, plain.Escape(strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", " ")))
}

func (t story) decision(label string, r audit.Record, c auditContent) {
	decided := r.Verdict
	if r.Verdict == "pending" {
		decided = "pending: a person is asked"
	}
	t.line(label, "%s", decided)
	for _, rule := range c.Rules {
		t.line("Rule", "%q, line %d of the policy %s", rule.Name, rule.Line, short(c.Policy))
	}
	if c.Approval.By != "" {
		t.line("By", "approver %s, with a passkey", c.Approval.By)
	}
	for _, more := range c.MoreApprovals {
		t.line("By", "approver %s, with a passkey", more.By)
	}
	if told := c.ToldBy; told.Notifier != "" {
		t.line("Told", "in full by %s of %s at %s, before the yes", told.Notifier, told.Server,
			told.At.UTC().Format(time.TimeOnly+"Z"))
	}
	t.left("Rule", c.Cut.Rules-len(c.Rules))
	if why := c.why(); why != "" {
		t.line("Why", "%s", why)
	}
	for _, l := range c.Limits {
		if !l.Room {
			t.line("Limit", "%q has no room: %s of %s %s used, this costs %s", l.Limit.Name, zero(l.Used), l.Most,
				l.Unit, l.Cost)
		}
	}
	for _, cost := range c.Cost {
		name := fmt.Sprintf("%q", cost.Limit)
		if cost.Split != "" {
			name += " (" + cost.Split + ")"
		}
		t.line("Cost", "%s %s of the limit %s", cost.Amount, cost.Unit, name)
	}
	t.left("Cost", c.Cut.Costs-len(c.Cost))
	if !c.Until.IsZero() {
		t.line("Session", "until %s", when(c.Until))
	}
	if o := c.Observed; o != nil {
		t.line("Observed", "with the observed rules in force it would be: %s %s", o.Verdict, o.Reason)
	}
}

// left prints how many lines were left out.
func (t story) left(label string, more int) {
	if more > 0 {
		t.line(label, "and %d more", more)
	}
}

func (t story) outcome(r audit.Record, after time.Duration) {
	c := contentOf(r)
	text := fmt.Sprintf("%s after %s (record %d)", r.Outcome, after, r.Number)
	if r.Result != "" && r.Result != r.Outcome {
		text = r.Result + ": " + text
	}
	if c.Reason != "" {
		text += ": " + c.Reason
	}
	if c.Node != "" {
		text += ", says " + c.Node
	}
	t.line("Outcome", "%s", text)
}

// afterwards prints what was recorded of a request beside its decision and its outcome.
func (t story) afterwards(r audit.Record, after time.Duration) {
	c := contentOf(r)
	switch {
	case r.Outcome == audit.AnswerRefused && c.Certain:
		t.line("But", "the relay refused the answer after %s (record %d): %s. The application did not get it then.",
			after,
			r.Number, c.Text)
	case r.Outcome == audit.AnswerRefused:
		t.line("But", "the relay refused this answer or another one after %s (record %d): %s", after, r.Number, c.Text)
	default:
		text := fmt.Sprintf("%s, after %s (record %d)", r.Outcome, after, r.Number)
		if c.Node != "" {
			text += ", says " + c.Node
		}
		t.line("Later", "%s", text)
	}
}

func zero(text string) string {
	if text == "" {
		return "0"
	}
	return text
}

// escapeLines makes each line of a text fit to show, and keeps the lines. Texts in records come
// from outside.
func escapeLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = plain.Escape(line)
	}
	return strings.Join(lines, "\n")
}
