package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"pksa/agent/audit"
	"pksa/agent/effect"
	"pksa/agent/guard"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// entry is what one line of `audit tail` tells: a request with all that became of it, or one other
// record.
type entry struct {
	number  uint64         // of the request, or of the record
	records []audit.Record // in their order; the first is the request, if that is kept
}

// requestOf returns the number of the request that a record is about, 0 if it is about none.
func requestOf(r audit.Record) uint64 {
	switch r.Type {
	case "request":
		return r.Number
	case "decision", "outcome":
		return r.Request
	}
	return 0
}

// final reports whether the outcome is known.
func (e entry) final() bool {
	last, ok := e.last("outcome")
	return ok && last.Outcome != "uncertain" || requestOf(e.records[0]) == 0
}

// last returns the newest record of a type.
func (e entry) last(kind string) (r audit.Record, ok bool) {
	for _, one := range e.records {
		if one.Type == kind {
			r, ok = one, true
		}
	}
	return r, ok
}

// shortestWho is how short the names of app and account may become.
const shortestWho = 8

// lineParts are the parts of a line.
type lineParts struct{ when, who, what, came string }

// line returns the entry on one line: number, time, who asked, for what, what became of it. width 0
// leaves it as long as it is, with the date and all that the entry says.
func (e entry) line(width int) string {
	p := e.parts(width > 0)
	number := fmt.Sprintf("%6d ", e.number)
	if width == 0 {
		return plain.Escape(strings.TrimRight(number+" "+joined("  ", p.when, p.who,
			joined(": ", p.what, p.came)), " "))
	}
	// First gives way what stands after the first comma, such as a memo, then who asked. Number,
	// time and outcome stay whole, and so do amounts.
	left := width - utf8.RuneCountInString(number+p.when) - 1
	what := plain.Escape(p.what)
	came := fit(plain.Escape(p.came), left*2/3)
	if came != "" && what != "" {
		came = ": " + came
	}
	room := left - utf8.RuneCountInString(came)
	core, _, more := strings.Cut(what, ", ")
	least := utf8.RuneCountInString(core)
	if more {
		least++ // for the sign that there is more
	}
	who := shortened(p.who, max(shortestWho, room-1-least))
	if who != "" {
		room -= utf8.RuneCountInString(who) + 1
		who += " "
	}
	return number + p.when + " " + who + fit(what, room) + came
}

// joined puts texts together that are not empty.
func joined(between string, texts ...string) string {
	var some []string
	for _, text := range texts {
		if text != "" {
			some = append(some, text)
		}
	}
	return strings.Join(some, between)
}

// parts returns what stands on the line. A short line leaves out what the rest of it says.
func (e entry) parts(short bool) lineParts {
	first := e.records[0]
	p := lineParts{when: when(first.Time), who: joined("/", first.App, first.Account)}
	if short {
		p.when = first.Time.UTC().Format("15:04:05")
	}
	if requestOf(first) == 0 {
		p.what, p.came = otherText(first)
		return p
	}
	content := contentOf(first)
	switch {
	case first.Type != "request":
		p.what = "a request that is not kept any more"
	case short:
		p.what = shortEffects(content, first)
	default:
		p.what = strings.Join(content.Effects, "; ")
		if more := content.Cut.Effects - len(content.Effects); more > 0 {
			p.what += fmt.Sprintf("; and %d more", more)
		}
	}
	if p.what == "" {
		p.what = first.Kind // of a replay, whose first record has all of it
	}
	p.came = e.outcome(short)
	if !short {
		p.came += e.details()
	}
	return p
}

// shortEffects returns the weightiest effect without the names that the line has already, and how
// many more there are.
func shortEffects(content auditContent, r audit.Record) string {
	effects := content.Effects
	if len(effects) == 0 {
		return ""
	}
	text, all := effects[0], max(len(effects), content.Cut.Effects)
	if operations := operationsOf(content, r); len(operations) == all {
		if i := weightiest(operations); i < len(effects) {
			text = effects[i]
		} else if op, err := hive.Mainnet.ParseOperation(operations[i]); err == nil {
			text = effect.Of(op)
		}
	}
	if r.Account != "" {
		text = strings.Replace(text, " from "+r.Account+" to ", " to ", 1)
		text = strings.TrimSuffix(text, " as "+r.Account)
		text = strings.TrimSuffix(text, " for "+r.Account)
	}
	switch n := all - 1; {
	case n > 0 && content.Cut.SHA256 != "" && content.Cut.Whole == nil:
		// what is heavy may not be among the first
		text += fmt.Sprintf(", and %d more: %s", n, namesOf(content.Cut.Names))
	case n > 0:
		text += fmt.Sprintf(", and %d more", n)
	}
	return text
}

// operationsOf returns the operations of a request, as far as its record has them.
func operationsOf(content auditContent, r audit.Record) []json.RawMessage {
	if content.Cut.Whole == nil {
		return content.Operations
	}
	return contentOf(r.Unpacked()).Operations
}

// weightiest returns which of the operations has the most value, the first of equal ones. A line
// that names another one would hide a payment behind a vote.
func weightiest(operations []json.RawMessage) int {
	best, most := 0, opWeight{}
	for i, raw := range operations {
		if w := weigh(raw); w.above(most) {
			best, most = i, w
		}
	}
	return best
}

// opWeight is what an operation weighs beside the others of its request.
type opWeight struct {
	active, pays bool
	amount       hive.Asset // the first that is not zero
}

// weigh returns the weight of an operation. One that cannot be read, as its record was made for
// another chain, may be a payment.
func weigh(raw json.RawMessage) opWeight {
	op, err := hive.Mainnet.ParseOperation(raw)
	if err != nil {
		return opWeight{active: true, pays: true}
	}
	need := op.Required()
	_, witness := op.WitnessKey()
	w := opWeight{active: witness || len(need.Active)+len(need.Owner) > 0}
	for _, f := range op.Definition().Fields {
		value, _ := op.Field(f.Name)
		if amount, ok := value.(hive.Asset); ok && amount.Amount > 0 && !w.pays {
			w.pays, w.amount = true, amount
		}
	}
	return w
}

func (w opWeight) above(other opWeight) bool {
	switch {
	case w.active != other.active:
		return w.active
	case w.pays != other.pays:
		return w.pays
	}
	return w.amount.Symbol == other.amount.Symbol && w.amount.Amount > other.amount.Amount
}

// outcome returns what became of a request, in a few words.
func (e entry) outcome(short bool) string {
	first := e.records[0]
	judged := first
	if d, ok := e.last("decision"); ok {
		judged = d
	}
	text, why := "", contentOf(judged)
	o, ended := e.last("outcome")
	switch {
	case judged.Verdict == "pending" && !ended:
		text = "waits for a person"
	case judged.Verdict == "denied":
		text = judged.Result
		if text == "" {
			text = "refused"
		}
		if short && why.Code != "" {
			text += ", " + why.Code
		} else if reason := why.why(); !short && reason != "" {
			text += ", " + reason
		}
	case !ended:
		text = "admitted, not ended"
	case o.Result == "failed" && o.Outcome != "failed":
		text = "failed, " + o.Outcome
	default:
		text = outcomeWords(o.Outcome)
	}
	text += e.afterwards()
	if r, ok := e.last("admin"); ok && r.Outcome == "limit release" {
		text += "; charge given back"
	}
	return text
}

// outcomeWords returns an outcome for people who never read the list of them.
func outcomeWords(outcome string) string {
	switch outcome {
	case "session":
		return "session confirmed"
	case "session and challenge":
		return "session confirmed, text signed"
	}
	return outcome
}

// afterwards returns what events say of a request whose outcome is recorded.
func (e entry) afterwards() string {
	text := ""
	for _, r := range e.records {
		switch {
		case r.Type != "event":
		case r.Outcome == audit.AnswerRefused && contentOf(r).Certain:
			text = "; refused by the relay"
		case r.Outcome == audit.AnswerRefused:
			text = "; refused by the relay?"
		case r.Outcome == "transaction never on the chain":
			text += "; never on the chain"
		case r.Outcome == "failed transaction was found":
			text += "; found on the chain after all"
		}
	}
	return text
}

// details returns rules and transaction. A rule that asked a person, and let the request pass at
// the yes, is named once.
func (e entry) details() string {
	var text strings.Builder
	var named []string
	id := ""
	for _, r := range e.records {
		if id == "" {
			id = r.TxID
		}
		if r.Type != "request" && r.Type != "decision" {
			continue
		}
		for _, rule := range contentOf(r).Rules {
			if !slices.Contains(named, rule.Name) {
				named = append(named, rule.Name)
				fmt.Fprintf(&text, "  rule=%q", rule.Name)
			}
		}
	}
	if o, ok := e.last("outcome"); ok && o.Result == "failed" {
		if reason := contentOf(o).Reason; reason != "" {
			fmt.Fprintf(&text, "  reason=%q", reason)
		}
	}
	if first := e.records[0]; first.Session != 0 {
		fmt.Fprintf(&text, "  session=%s", first.Session)
	}
	if id != "" {
		fmt.Fprintf(&text, "  tx=%s", id)
	}
	return text.String()
}

// otherText returns what a record says that is no request's: what happened, and the reason or other
// particulars of it.
func otherText(r audit.Record) (what, more string) {
	content := contentOf(r)
	what = r.Type
	switch {
	case r.Outcome == audit.EventDenials:
		return sumWords(r)
	case r.Outcome == audit.Summed:
		return r.Kind + " that was denied, one of a sum", joined(", ", r.Result, content.Code)
	case r.Outcome == guard.RecordChanged, r.Outcome == guard.RecordAccepted:
		return changeWords(r)
	case r.Type == "failed":
		what = r.Kind + " that was not understood"
		if r.Kind == "" {
			what = "request that was not understood"
		}
	case r.Type == "session ended":
		return fmt.Sprintf("session %s ended", r.Session), r.Outcome
	case r.Outcome != "" && r.Outcome != r.Type:
		what = r.Outcome
	case content.Act != "":
		what = content.Act
	}
	what = strings.Replace(what, "slot ", "app ", 1) // the ledger's word for an app
	if r.Request != 0 {
		what += fmt.Sprintf(" (request %d)", r.Request)
	}
	if r.Session != 0 {
		what += fmt.Sprintf(", session %s", r.Session)
	}
	if content.Approver != "" {
		what += ": " + content.Approver
	}
	return what, joined("; ", content.why(), content.Text, content.Relay)
}

// changesOf returns what changed of an account: one thing by the record of a change, all that a
// person took for right by that of the act, nothing by other records.
func changesOf(r audit.Record) []guard.Change {
	if r.Outcome != guard.RecordChanged && r.Outcome != guard.RecordAccepted {
		return nil
	}
	var all struct{ Changes []guard.Change }
	if json.Unmarshal(r.Content, &all) == nil && len(all.Changes) > 0 {
		return all.Changes
	}
	var one guard.Change
	if json.Unmarshal(r.Content, &one) != nil || one.What == "" {
		return nil
	}
	return []guard.Change{one}
}

// changeWords returns what a record says of changes of an account: which, and of a single one from
// what to what.
func changeWords(r audit.Record) (what, more string) {
	changes := changesOf(r)
	kinds := make([]string, len(changes))
	for i, c := range changes {
		kinds[i] = string(c.What)
	}
	if len(changes) == 1 {
		more = fmt.Sprintf("was %s, is %s", changes[0].Was, changes[0].Now)
	}
	return joined(": ", r.Outcome, strings.Join(kinds, ", ")), more
}

// sumWords returns what a sum of denied requests says: how many, and of which kinds.
func sumWords(r audit.Record) (what, more string) {
	d, _ := r.Denials()
	if d.Requests == 0 {
		return "too many denied requests", fmt.Sprintf("from record %d on they are summed", d.First)
	}
	counts := make([]string, len(d.Counts))
	for i, c := range d.Counts {
		counts[i] = fmt.Sprintf("%d %s %s, %s", c.Requests, c.Kind, c.Result, c.Code)
	}
	return fmt.Sprintf("%s denied in %s, from record %d to %d", count(d.Requests, "request"),
		d.Until.Sub(d.Since).Round(time.Second), d.First, d.Last), strings.Join(counts, "; ")
}
