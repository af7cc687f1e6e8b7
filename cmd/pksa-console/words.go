package main

import (
	"cmp"
	"html/template"
	"regexp"
	"strings"
	"time"

	"pksa/protocol/plain"
)

// words are what the pages say things with.
var words = template.FuncMap{
	"effect": effectParts, "became": became, "time": stamp, "pretty": pretty, "join": strings.Join,
	"span": func(d time.Duration) string { return strings.TrimSuffix(strings.TrimSuffix(d.String(), "0s"), "0m") },
	"left": func(until time.Time) string { return time.Until(until).Truncate(time.Second).String() },
	"iso":  func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"past": func(until time.Time) bool { return !time.Now().Before(until) },
}

// became returns what a record says became of it; "" if its type has said it already.
func became(r record) string {
	if what := cmp.Or(r.Result, r.Outcome, r.Verdict); what != r.Type {
		return what
	}
	return ""
}

// stamp writes a time as every page has it.
func stamp(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// part is a piece of a sentence; a loud one is an amount or who gets it.
type part struct {
	Text string
	Loud bool
}

// loud finds amounts, and the names of accounts behind the words that lead to them.
var loud = regexp.MustCompile(`\b[0-9][0-9,.]* [A-Z][A-Z0-9.]{2,15}\b|` +
	`@[a-z][a-z0-9.-]{2,15}\b|\b(?:to|from|of|as) [a-z][a-z0-9.-]{2,15}\b`)

// effectParts cuts a sentence of the wallet into what is loud and what is not. From the first
// quotation mark on it is an application's text, in which nothing is loud.
func effectParts(sentence string) (parts []part) {
	own, foreign := sentence, ""
	if at := strings.IndexByte(sentence, '"'); at >= 0 {
		own, foreign = sentence[:at], sentence[at:]
	}
	at := 0
	for _, m := range loud.FindAllStringIndex(own, -1) {
		from := m[0]
		if word := own[m[0]:m[1]]; word[0] >= 'a' { // lower case: the word before a name stays quiet
			from += strings.IndexByte(word, ' ') + 1
		}
		parts = append(parts, part{own[at:from], false}, part{own[from:m[1]], true})
		at = m[1]
	}
	return append(parts, part{own[at:] + foreign, false})
}

// shown returns a page with every rune visible: what turns the direction of a line, or is not seen,
// could make one text look like another.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && !plain.Visible(r) {
			return '\ufffd'
		}
		return r
	}, text)
}
