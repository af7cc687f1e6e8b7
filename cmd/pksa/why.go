package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"pksa/agent"
	"pksa/agent/audit"
	"pksa/agent/node"
	"pksa/protocol"
	"pksa/protocol/plain"
)

func (c *command) why() *cobra.Command {
	return &cobra.Command{
		Use:   "why TRANSACTION|UUID|NUMBER",
		Short: "Tell in ten lines why a request was signed or refused",
		Long: `Tells what was asked, by whom and when, which rule decided, what would have to
change for another decision, what it cost of limits, what the chain said, and
what the application was told. The request is named by the id of its
transaction or the first eight digits of that, by its uuid, or by the number
that "pksa audit tail" shows.

A node that accepts a transaction may lose it. So where the trail names no
block, the running agent asks its nodes now whether one has it. Without an
agent nobody is asked, and the answer says so.

Other records (a session that ended, a sum of denied requests, an event) are
told in a line or two. "pksa audit show" has all that is recorded.`,
		Args: one("the TRANSACTION, the UUID of a request, or the NUMBER of a record"),
		RunE: func(cmd *cobra.Command, args []string) error {
			trail := c.openTrail(false)
			records, err := trail.storyNamed(cmd.Context(), args[0])
			now := ""
			if err == nil {
				records, now, err = trail.toNow(cmd.Context(), records)
			}
			if err = errors.Join(err, trail.close()); err != nil {
				return err
			}
			lines := whyLines(records, now)
			return c.print(map[string]any{"number": records[0].Number, "why": lines}, func(w io.Writer) {
				for _, l := range lines {
					fmt.Fprintln(w, l.line())
				}
			})
		},
	}
}

// storyNamed returns a record with all that belongs to it, also by the uuid of a request.
func (t *trail) storyNamed(ctx context.Context, name string) ([]audit.Record, error) {
	uuid, err := protocol.ParseUUID(name)
	if err != nil {
		records, err := t.storyOf(ctx, name)
		if errors.As(err, new(errUsage)) {
			err = errUsage{fmt.Errorf("%s is no id of a transaction, no uuid of a request and no number of a record; "+
				"`pksa audit tail` shows the numbers", plain.Quote(name, 80))}
		}
		return records, err
	}
	records, _, err := t.newest(ctx, audit.Query{Filter: audit.Filter{UUID: string(uuid)}}, 1)
	if err != nil {
		return nil, err
	}
	if len(records) == 0 {
		return nil, hint(fmt.Errorf("no record has a request %s", uuid), adviceNoRequest)
	}
	return t.story(ctx, records[0].Number)
}

const (
	// lateFor is until when what a node had accepted is found to be lost, nearly always, and
	// lateRecords how many records are looked through for that.
	lateFor     = 15 * time.Minute
	lateRecords = 100_000
	// youngFor is for how long most transactions can still get into a block.
	youngFor = 2 * time.Minute
	// knownFor is how long nodes know what was on the chain. Later, those that keep a part of the
	// history do not.
	knownFor = 24 * time.Hour
)

// toNow adds to a request of which the trail names no block what was recorded of it much later, and
// returns in words what nodes say of its transaction now.
func (t *trail) toNow(ctx context.Context, records []audit.Record) ([]audit.Record, string, error) {
	e := entry{records[0].Number, records}
	if !e.blockUnknown() {
		return records, "", nil
	}
	first, last := records[0], records[len(records)-1]
	q := audit.Query{
		Filter: audit.Filter{Request: first.Number, Kind: "event", Until: first.Time.Add(lateFor)},
		From:   max(last.Number, first.Number+storyRecords) + 1, To: first.Number + lateRecords,
	}
	err := t.each(ctx, &q, func(more []audit.Record) error { e.records = append(e.records, more...); return nil })
	switch {
	case err != nil || !e.blockUnknown():
		return e.records, "", err
	case t.store != nil:
		return e.records, "block not asked: no agent runs", nil
	}
	var now agent.Whereabouts
	params := agent.WhereaboutsParams{Transaction: e.transactionID(), Asked: first.Time,
		Long: contentOf(first).TransactionBy != "" || first.Verdict == "pending"}
	if err := t.call(ctx, agent.MethodWhereabouts, params, &now); err != nil {
		return e.records, "block not asked: " + err.Error(), nil
	}
	return e.records, blockNow(now.Presence, time.Since(first.Time)), nil
}

// blockUnknown reports whether the transaction may be in a block of which the trail does not know.
func (e entry) blockUnknown() bool {
	o, ok := e.last("outcome")
	if !ok || e.transactionID() == "" || strings.Contains(e.afterwards(), "on the chain") {
		return false
	}
	return o.Outcome == "accepted" && contentOf(o).Block == 0 || o.Outcome == "uncertain" || o.Outcome == "signed"
}

// blockNow returns in words what nodes say of a transaction that was asked for so long ago.
func blockNow(p node.Presence, age time.Duration) string {
	without := append(slices.Clone(p.Absent), p.Missing...)
	says := fmt.Sprintf("say %d nodes", len(without))
	if len(without) == 1 {
		says = "says " + without[0]
	}
	switch {
	case p.Found != "":
		return fmt.Sprintf("in block %d, says %s", p.Block, p.Found)
	case len(without) == 0:
		return "no node answers now"
	case age > knownFor:
		return "in no block that is still known, " + says
	case p.Never():
		return "never on the chain, " + says
	case age < youngFor:
		return "in no block yet, " + says
	}
	return "in no block, " + says
}

// whyLine is a line of the answer.
type whyLine struct {
	Label string `json:"label"`
	Text  string `json:"text"`
}

const labelWidth = 9

// line returns the line with at most 80 columns. Names give way, amounts do not.
func (l whyLine) line() string {
	text := plain.Escape(strings.ReplaceAll(l.Text, "\n", " "))
	if most := textWidth - labelWidth; utf8.RuneCountInString(text) > most {
		text = fit(text, most)
	}
	return fmt.Sprintf("%-*s%s", labelWidth, l.Label, text)
}

// whyLines returns a request in ten lines at most, and another record in fewer. now is what nodes
// say of the transaction, if they were asked.
func whyLines(records []audit.Record, now string) []whyLine {
	first := records[0]
	if first.Type != "request" {
		return explainedOther(records)
	}
	e, content := entry{first.Number, records}, contentOf(first)
	lines := []whyLine{{"Asked", askedFor(content, first)}, {"By", askedBy(first)}}
	if content.Relay != "" {
		lines = append(lines, whyLine{"Through", content.Relay + ", uuid " + content.UUID})
	}
	lines = append(lines, whyLine{"When", fmt.Sprintf("%s, record %d", when(first.Time), first.Number)})
	lines = append(lines, e.decided(content)...)
	lines = append(lines, whyLine{"Limits", e.charged()})
	if id := e.transactionID(); id != "" {
		lines = append(lines, whyLine{"Signed", id})
		lines = append(lines, whyLine{"Chain", e.chain(now)})
	}
	return append(lines, whyLine{"Told", e.told(content)})
}

// explainedOther returns a record that is of no request, or whose request is not kept.
func explainedOther(records []audit.Record) []whyLine {
	first := records[0]
	lines := []whyLine{}
	if requestOf(first) != 0 {
		e := entry{first.Number, records}
		lines = append(lines, whyLine{"Asked", "a request that is not kept any more"},
			whyLine{"Came", cmp.Or(outcomeWords(first.Outcome), first.Verdict)})
		if id := e.transactionID(); id != "" {
			lines = append(lines, whyLine{"Signed", id}, whyLine{"Chain", e.chain("")})
		}
	} else {
		what, more := otherText(first)
		lines = append(lines, whyLine{"What", what})
		if changes := changesOf(first); len(changes) == 1 {
			lines = append(lines, whyLine{"Was", changes[0].Was}, whyLine{"Is", changes[0].Now})
		} else if more != "" {
			lines = append(lines, whyLine{"Why", more})
		}
	}
	if who := joined("/", first.App, first.Account); who != "" {
		lines = append(lines, whyLine{"Who", who})
	}
	return append(lines, whyLine{"When", fmt.Sprintf("%s, record %d", when(first.Time), first.Number)})
}

// askedFor returns the weightiest part of a request, and how many more there are.
func askedFor(content auditContent, r audit.Record) string {
	text := cmp.Or(shortEffects(content, r), r.Kind)
	switch {
	case content.Broadcast == nil:
	case *content.Broadcast:
		text += "; " + content.keys() + ", broadcast"
	default:
		text += "; " + content.keys() + ", not broadcast"
	}
	if content.Cut.SHA256 != "" && content.Cut.Whole == nil {
		text = "(cut) " + text
	}
	return text
}

func askedBy(r audit.Record) string {
	who := "nobody that is known"
	if r.App != "" {
		who = "app " + r.App
	}
	who += " for account " + r.Account
	if r.Session != 0 {
		who += ", session " + r.Session.String()
	}
	return who
}

// decided returns the decision: by which rule, or why not and what would have to change; also what
// a person said.
func (e entry) decided(content auditContent) []whyLine {
	first := e.records[0]
	judged, again := e.last("decision")
	if !again {
		judged = first
	}
	final := contentOf(judged)
	var lines []whyLine
	if first.Verdict == "pending" {
		_, ended := e.last("outcome")
		text, asker := "a person was asked", ""
		if len(content.Rules) > 0 {
			asker = ruleWords("; asked for by rule ", content)
		}
		switch {
		case again && final.Approved:
			who, how := "", ""
			if final.Approval.By != "" {
				who, how = final.Approval.By, " with a passkey"
				for _, more := range final.MoreApprovals {
					who += " and " + more.By
				}
				who += " "
			}
			text += fmt.Sprintf(", and %ssaid yes after %s%s", who, judged.Time.Sub(first.Time).Round(time.Second), how)
			if told := final.ToldBy; told.Notifier != "" {
				text += fmt.Sprintf("; told in full by %s of %s before", told.Notifier, told.Server)
			}
		case again:
			text += fmt.Sprintf("; %s after %s", cmp.Or(final.Code, "no yes"),
				judged.Time.Sub(first.Time).Round(time.Second))
		case !ended:
			text += ", and has not answered yet"
		}
		lines = append(lines, whyLine{"Person", text + asker})
	}
	switch judged.Verdict {
	case "admitted":
		return append(lines, whyLine{"Allowed", ruleWords("by rule ", final, content)})
	case "pending":
		return lines
	}
	lines = append(lines, whyLine{"Refused", final.why()})
	return append(lines, whyLine{"To allow", remedy(final)})
}

// ruleWords names the first rule, with its line, and how many more there are.
func ruleWords(before string, contents ...auditContent) string {
	for _, c := range contents {
		if len(c.Rules) == 0 {
			continue
		}
		text := fmt.Sprintf("%s%q, line %d of policy %s", before, c.Rules[0].Name, c.Rules[0].Line, short(c.Policy))
		if more := max(len(c.Rules), c.Cut.Rules) - 1; more > 0 {
			text += fmt.Sprintf(", and %d more", more)
		}
		return text
	}
	return strings.TrimSuffix(before, "by rule ") + "without a rule: it is the operator's own act"
}

// remedies say what would have to change for a request to be allowed, by the code of its refusal.
var remedies = map[string]string{
	"uncovered":         "a rule below allow that takes all of it (`pksa policy explain`)",
	"limit":             "room in the limit, or a higher one (`pksa limit list`)",
	"wrong-key":         "the application names the key type that its operations need",
	"mixed-authority":   "operations of one role in each request",
	"foreign-authority": "a rule with for_accounts that names the other account",
	"unsupported":       "nothing: this is never signed",
	"plain-memo":        "the application encrypts the memo, or writes no # before it",
	"firewall":          "the application asks for a text that can be nothing else",
	"guard":             "what was changed on the chain is looked at and accepted (`pksa guard list`)",
	"invalid":           "the application sends a valid request",
	"nonce":             "the application asks anew with a new nonce; a replay stays refused",
	"clock": "the clocks of this machine and of the chain agree (`pksa status`); where the reason is `within`, the " +
		"application asks again",
	"nobody-to-ask": "a way to ask a person, or a rule that allows without asking",
	"timeout":       "a person says yes in time (`pksa pending`)",
	"refused":       "a person says yes (`pksa pending`)",
	"busy":          "a slower application, or a higher limits.account_requests_per_second",
	"paused":        "wallet or app is not paused any more (`pksa resume`)",
	"ended":         "the application logs in again",
	"session":       "the application logs in with a new auth_key, or with fewer sessions",
	"unavailable":   "what was missing is there: a key, a node, or room (`pksa status`)",
	"expired":       "the request reaches its turn before it expires",
}

func remedy(c auditContent) string {
	if c.Code == "denied" {
		return "the deny rule is changed: " + strings.TrimSuffix(ruleWords("", c),
			"without a rule: it is the operator's own act")
	}
	return cmp.Or(remedies[c.Code], "see the reason")
}

// charged returns what the request did to limits.
func (e entry) charged() string {
	var costs []string
	for _, r := range e.records {
		if r.Verdict != "admitted" {
			continue
		}
		c := contentOf(r)
		for _, cost := range c.Cost {
			text := fmt.Sprintf("%s %s of %q", cost.Amount, cost.Unit, cost.Limit)
			for _, l := range c.Limits {
				if l.Limit.Name == cost.Limit && l.Split == cost.Split {
					text += fmt.Sprintf(" (before: %s of %s used)", zero(l.Used), l.Most)
					break
				}
			}
			costs = append(costs, text)
		}
	}
	if len(costs) == 0 {
		for _, l := range contentOf(e.records[0]).Limits {
			if !l.Room {
				return fmt.Sprintf("nothing charged; %q: %s of %s %s used, this costs %s", l.Limit.Name, zero(l.Used),
					l.Most, l.Unit, l.Cost)
			}
		}
		return "nothing charged"
	}
	text := "costs " + costs[0]
	if n := len(costs) - 1; n > 0 {
		text += fmt.Sprintf(", and %d more", n)
	}
	if slices.ContainsFunc(e.records, func(r audit.Record) bool { return r.Outcome == "limit release" }) {
		text = "given back: " + text
	}
	return text
}

// transactionID returns the transaction that was signed, empty if none was.
func (e entry) transactionID() string {
	id, admitted := "", false
	for _, r := range e.records {
		id = cmp.Or(id, r.TxID)
		admitted = admitted || r.Verdict == "admitted" || r.Type == "outcome" && r.Request != 0 && len(e.records) == 1
	}
	if o, ok := e.last("outcome"); !admitted || ok && o.Outcome == "not signed" {
		return ""
	}
	return id
}

// chain returns what the chain said of the transaction, and says of it now.
func (e entry) chain(now string) string {
	o, ok := e.last("outcome")
	c := contentOf(o)
	var text string
	switch {
	case !ok:
		return "not known yet"
	case o.Outcome == "signed":
		return "the application got the signature, and may broadcast it" + joinedAfter("; ", now)
	case o.Outcome == "accepted" && c.Block != 0:
		text = fmt.Sprintf("in block %d", c.Block)
	case o.Outcome == "accepted":
		text = "accepted"
	default:
		text = o.Outcome
	}
	text += fmt.Sprintf(" %s later", o.Time.Sub(e.records[0].Time).Round(100*time.Millisecond))
	if c.Node != "" && !strings.HasPrefix(now, "in block") { // room for who has it by now
		text += ", says " + c.Node
	}
	later := strings.TrimPrefix(strings.TrimPrefix(e.afterwards(), "; refused by the relay?"), "; refused by the relay")
	return text + joinedAfter("; ", now) + joinedAfter("; ", later) + joinedAfter(": ", c.Reason)
}

func joinedAfter(between, text string) string {
	if text = strings.TrimPrefix(text, "; "); text == "" {
		return ""
	}
	return between + text
}

// told returns what the application heard.
func (e entry) told(content auditContent) string {
	o, ended := e.last("outcome")
	judged := e.records[0]
	if d, ok := e.last("decision"); ok {
		judged = d
	}
	text := ""
	switch said := contentOf(o).Told; {
	case judged.Verdict == "denied" && judged.Result == "ignored":
		return "nothing: it was met with silence"
	case judged.Verdict == "denied":
		text = quotedTold(judged, contentOf(judged).Code)
	case !ended:
		return "nothing yet"
	case said != "":
		text = fmt.Sprintf("%q", said)
	default:
		text = toldOf(o.Outcome)
	}
	for _, r := range e.records {
		if r.Outcome == audit.AnswerRefused && contentOf(r).Certain {
			text += "; but the relay did not pass it on"
		} else if r.Outcome == audit.AnswerRefused {
			text += "; perhaps the relay did not pass it on"
		}
	}
	return text
}

// quotedTold returns the text of a refusal.
func quotedTold(judged audit.Record, code string) string {
	text := protocol.TextRefused
	switch code {
	case "nonce":
		text = protocol.TextNonce
	case "unsupported":
		text = protocol.TextNotSupported
	case "clock", "busy", "paused":
		text = protocol.TextBusy
	case "ended":
		text = protocol.TextSessionExpired
	case "invalid":
		text = protocol.TextInvalid
	case string(audit.CodeUnavailable):
		return "that it could not be done; nothing was signed"
	}
	return fmt.Sprintf("%q", text)
}

// toldOf returns what an application hears of an admitted request by its outcome.
func toldOf(outcome string) string {
	switch outcome {
	case "accepted":
		return "the id of the transaction"
	case "signed":
		return "the signature"
	case "decrypted":
		return "the text of the memo"
	case "session":
		return "that it has the session"
	case "session and challenge":
		return "that it has the session, and the signature"
	case "uncertain":
		return fmt.Sprintf("%q, with the id of the transaction", protocol.TextBroadcastUncertain)
	case "nobody was asked any more":
		return fmt.Sprintf("%q", protocol.TextRefused)
	}
	return "that it failed (" + outcome + ")"
}
