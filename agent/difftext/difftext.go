// Package difftext says in words what changes when one policy follows another. [Write] does.
//
// # What it promises
//
// Each request that stands in it was judged by both policies: see [policy.Compare]. What it does is
// said as everywhere, by package effect, so texts from outside are quoted.
package difftext

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"pksa/agent/effect"
	"pksa/agent/policy"
)

// turns are the kinds of differences in words.
var turns = map[string]string{
	"deny → allow": "Allowed now, denied before", "ask → allow": "Allowed now, asked about before",
	"deny → ask": "Asked about now, denied before", "allow → deny": "Denied now, allowed before",
	"ask → deny": "Denied now, asked about before", "allow → ask": "Asked about now, allowed before",
	"denied in silence":     "Denied in silence now, with an answer before",
	"denied with an answer": "Denied with an answer now, in silence before",
	"another session":       "A session of another length", "another renewal": "Another time to renew a session",
	"another timeout": "Another time to answer for a person", "a person is told": "A person is told now, nobody before",
	"another consent": "Another yes counts",
	"nobody is told":  "Nobody is told now, a person before", "observed": "Another answer by what is observed",
}

// Write writes a comparison of two policies for people, in lines. now is when it was made: a
// request of another time has that time beside it.
func Write(w io.Writer, d *policy.Diff, now time.Time) {
	for _, change := range d.Changes {
		writeFileChange(w, d, change)
	}
	if len(d.Changes) > 0 {
		fmt.Fprintln(w)
	}
	if d.Same {
		fmt.Fprintf(w, "%s and %s have the same rules and limits: every answer is the same. This is certain.\n", d.Old,
			d.New)
		return
	}
	last := ""
	for _, one := range d.Answers {
		if one.Kind != last {
			fmt.Fprintf(w, "%s:\n", turns[one.Kind])
		}
		last = one.Kind
		writeAnswered(w, d, one, now)
	}
	if len(d.Answers) > 0 {
		fmt.Fprintln(w)
		fmt.Fprintf(w, "%s in answers", count(len(d.Answers), "difference"))
		if d.Alike > 0 {
			fmt.Fprintf(w, ", and %s like them", count(d.Alike, "request"))
		}
		fmt.Fprintf(w, ", among %s that both policies judged. There may be others: this is a search.\n",
			count(d.Tried, "request"))
	} else {
		fmt.Fprintf(w, "No difference in answers was found in %s. This is a search, no proof.\n",
			count(d.Tried, "request"))
	}
	fmt.Fprintln(w, "Not searched to the end, but tried with some values:")
	for _, text := range d.Unsearched {
		fmt.Fprintf(w, "  - %s\n", text)
	}
	writeProofs(w, d.Proofs)
}

// mostNamed is how many kinds of requests a line names.
const mostNamed = 6

// writeProofs writes what is certain, and of what nothing is.
func writeProofs(w io.Writer, proofs []policy.Proof) {
	var order []string
	of := map[string][]string{}
	for _, p := range proofs {
		says := "not proven: " + p.Why
		switch {
		case p.NoMore && p.NoLess:
			says = "nothing more passes, and nothing less"
		case p.NoMore:
			says = "nothing more passes"
		case p.NoLess:
			says = "nothing less passes"
		}
		if of[says] == nil {
			order = append(order, says)
		}
		of[says] = append(of[says], p.Of)
	}
	if len(order) == 0 {
		return
	}
	fmt.Fprintln(w, "Proven of the verdicts, for requests of these alone, with the same counts:")
	for _, says := range order {
		names := of[says]
		if n := len(names) - mostNamed; n > 0 {
			names = append(names[:mostNamed:mostNamed], fmt.Sprintf("%d more", n))
		}
		fmt.Fprintf(w, "  - %s: %s\n", strings.Join(names, ", "), says)
	}
	fmt.Fprintln(w, "  - all else, about which no rule or limit changed: nothing more, nothing less")
}

func writeFileChange(w io.Writer, d *policy.Diff, change policy.FileChange) {
	old, now := filepath.Base(d.Old), filepath.Base(d.New)
	if old == now {
		old, now = d.Old, d.New
	}
	var places []string
	if change.Old > 0 {
		places = append(places, fmt.Sprintf("%s:%d", old, change.Old))
	}
	if change.New > 0 {
		places = append(places, fmt.Sprintf("%s:%d", now, change.New))
	}
	fmt.Fprintf(w, "%s: %s", strings.ToUpper(change.How[:1])+change.How[1:], change.What)
	if change.What != change.Name {
		fmt.Fprintf(w, " %q", change.Name)
	}
	if change.Was != "" {
		fmt.Fprintf(w, ", before %q", change.Was)
	}
	if len(places) > 0 {
		fmt.Fprintf(w, " (%s)", strings.Join(places, ", "))
	}
	fmt.Fprintln(w)
	for _, text := range change.Details {
		fmt.Fprintf(w, "    %s\n", text)
	}
	for _, text := range change.Counters {
		fmt.Fprintf(w, "  - %s\n", text)
	}
}

func writeAnswered(w io.Writer, d *policy.Diff, one *policy.Difference, now time.Time) {
	fmt.Fprintf(w, "  %s", requestText(one.Request))
	if at := now.UTC().Truncate(time.Minute); one.Times == 0 && !one.Time.Equal(at) {
		fmt.Fprintf(w, ", at %s", one.Time.UTC().Format("2006-01-02 15:04:05Z"))
	}
	fmt.Fprintln(w)
	if one.Times > 0 {
		text := fmt.Sprintf("after %d such", one.Times)
		if before := requestText(one.Before); before != requestText(one.Request) {
			text = fmt.Sprintf("after %d of %s", one.Times, before)
		}
		if one.After > 0 {
			text += ", " + spanOfDays(one.After) + " before"
		}
		if one.Before.Approved {
			text += ", with a person's yes"
		}
		fmt.Fprintf(w, "    %s\n", text)
	}
	fmt.Fprintf(w, "    before: %s\n    now: %s\n", answerWords(d.Old, &one.Was), answerWords(d.New, &one.Is))
}

// requestText returns what a request asks for, in a sentence that begins with who asks.
func requestText(q *policy.Request) string {
	var does []string
	switch {
	case q.Kind == policy.Sign:
		for _, op := range q.Ops {
			does = append(does, effect.Of(op))
		}
		if n := len(does); n > 3 {
			does = append(does[:3:3], fmt.Sprintf("and %d operations more", n-3))
		}
		if !q.Broadcast {
			does = append(does, "to be sent by the app")
		}
	case q.Kind == policy.Challenge:
		does = append(does, effect.Signing(q.Account, q.Role, q.Text))
	case q.Kind == policy.Decrypt:
		does = append(does, "decrypts a memo")
	default:
		does = append(does, "logs in")
		if q.ManualSession {
			does[0] += ", by your own link"
		}
		if ch := q.AuthChallenge; ch != nil {
			does = append(does, effect.Signing(q.Account, ch.Role, ch.Text))
		}
	}
	return fmt.Sprintf("%s for %s: %s", q.App, q.Account, strings.Join(does, "; "))
}

// answerWords returns an answer in words, with who gave it.
func answerWords(file string, a *policy.Answer) string {
	text := "allowed"
	switch a.Verdict {
	case policy.Ask:
		text = "a person is asked, " + strings.TrimPrefix(a.Reason, "ask: ")
	case policy.Deny:
		reason := a.Reason
		if a.Code == policy.CodeDenied || a.Code == policy.CodeLimit {
			reason = strings.TrimPrefix(reason, string(a.Code)+": ")
		}
		text = "denied, " + reason
	default:
		for i, rule := range a.Rules {
			text += []string{" by ", ", "}[min(i, 1)]
			text += fmt.Sprintf("%q (%s:%d)", rule.Name, filepath.Base(file), rule.Line)
		}
	}
	if a.Silent {
		text += "; in silence"
	}
	for _, one := range []struct {
		what string
		span time.Duration
	}{{"session", a.Session}, {"can be renewed for", a.Renew}, {"time to answer", a.Timeout}} {
		if one.span > 0 {
			text += "; " + one.what + " " + spanOfDays(one.span)
		}
	}
	for _, c := range a.Consents {
		text += "; needs " + c.String()
	}
	if a.Tell {
		text += "; a person is told"
	}
	if a.Observed != nil {
		text += "; if the observed were in force: " + answerWords(file, a.Observed)
	}
	return text
}

// spanOfDays returns a length of time, in days where they are whole.
func spanOfDays(d time.Duration) string {
	if day := 24 * time.Hour; d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return span(d)
}

// span returns a length of time without its zeros: 24h, not 24h0m0s.
func span(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
