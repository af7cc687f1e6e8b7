package policy

import (
	"fmt"
	"strings"
	"time"
)

// Text returns the report for people. The answer comes first, then why, then what would have been
// needed.
func (r *Report) Text() string {
	var b strings.Builder
	base := r.File[strings.LastIndexByte(r.File, '/')+1:]
	fmt.Fprintf(&b, "%s\n", r.Answer)
	if d := r.Session; d > 0 && r.Verdict == Allow {
		fmt.Fprintf(&b, "The session lives %s.\n", windowText(d))
	}
	if d := r.Renew; d > 0 && r.Verdict == Allow {
		fmt.Fprintf(&b, "Within %s of its end it can be had again by its auth_key, without a new link.\n",
			windowText(d))
	}
	if r.Tell {
		b.WriteString("A person is told.\n")
	}
	for _, c := range r.Consents {
		with := ", with passkeys"
		if c.Approvals == 0 {
			with = ""
		}
		fmt.Fprintf(&b, "It takes %v%s.\n", c, with)
	}
	if r.Verdict == Ask && r.Timeout > 0 {
		fmt.Fprintf(&b, "Without a word within %s it is denied.\n", windowText(r.Timeout))
	}
	if r.Observed != nil {
		fmt.Fprintf(&b, "With what is only observed in force: %s%s.\n", r.Observed.Verdict, observedWhy(r.Observed))
	}
	for i := range r.Parts {
		r.Parts[i].writeTo(&b, base)
	}
	if len(r.Touched) > 0 {
		b.WriteString("\nLimits\n")
	}
	for i := range r.Touched {
		r.Touched[i].writeTo(&b, base)
	}
	if len(r.Needed) > 0 {
		b.WriteString("\nWhat would have been needed\n")
	}
	for _, need := range r.Needed {
		fmt.Fprintf(&b, "  - %s\n", need)
	}
	fmt.Fprintf(&b, "\nJudged by %s, sha256 %s, as of %s.\n", r.File, r.SHA256[:16], r.Time.Format(time.RFC3339))
	return b.String()
}

func observedWhy(d *Decision) string {
	if d.Reason == "" {
		return ""
	}
	return ", " + d.Reason
}

func (p *ReportPart) writeTo(b *strings.Builder, file string) {
	fmt.Fprintf(b, "\n%s%s: %s", strings.ToUpper(p.Part[:1]), p.Part[1:], partWords[p.Verdict])
	for i, ref := range p.By {
		b.WriteString(map[bool]string{true: " by ", false: ", "}[i == 0])
		fmt.Fprintf(b, "%q (%s:%d)", ref.Name, file, ref.Line)
	}
	if p.Verdict == Deny && len(p.By) == 0 {
		b.WriteString(", for no rule allows it")
	}
	b.WriteString("\n")
	if p.Content != "" {
		fmt.Fprintf(b, "    %s\n", p.Content)
	}
	for _, doubt := range p.Doubts {
		fmt.Fprintf(b, "  %s; doubt counts against the request\n", doubt)
	}
	var foreign []string
	for _, other := range p.Others {
		if other.foreign {
			foreign = append(foreign, fmt.Sprintf("%q", other.Name))
			continue
		}
		fmt.Fprintf(b, "  not %s %q (%s:%d): %s\n", other.Section, other.Name, file, other.Line, other.Why)
	}
	if foreign != nil {
		fmt.Fprintf(b, "  for other apps: %s\n", strings.Join(foreign, ", "))
	}
	if p.Left > 0 {
		fmt.Fprintf(b, "  %d other rules, which are not listed again\n", p.Left)
	}
}

var partWords = map[Verdict]string{Allow: "allowed", Ask: "asked", Deny: "denied"}

func (l *ReportLimit) writeTo(b *strings.Builder, file string) {
	defer b.WriteString("\n")
	observed := ""
	if l.Observed {
		observed = " (only observed)"
	}
	if !l.Room {
		fmt.Fprintf(b, "  NO ROOM in %s%s", l.Says, observed)
		return
	}
	fmt.Fprintf(b, "  room in limit %q (%s:%d)", l.Limit.Name, file, l.Limit.Line)
	if l.Split != "" {
		fmt.Fprintf(b, " for %s", splitWords(l.Split))
	}
	unit := ""
	if l.Unit != measureSum.String() {
		unit = " " + l.Unit
	}
	used := ""
	if l.Window > 0 {
		used = l.Used + " used and "
	}
	fmt.Fprintf(b, ": %s%s more, at most %s%s per %s%s", used, l.Cost, l.Most, unit, windowText(l.Window), observed)
}
