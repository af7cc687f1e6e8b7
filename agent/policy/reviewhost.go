package policy

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
)

// Texts to sign name the site that they are for. Whoever bounds them by a pattern of a host has to
// say where the host begins and ends: anybody can have a host that begins, or ends, with the same
// letters.

var (
	// hostAtEnd matches a text that ends with a host, behind which something may go on.
	hostAtEnd = regexp.MustCompile(`(?:^|[^a-z0-9.-])((?:[a-z0-9-]+\.)+[a-z]{2,})(?::[^/@\s]*)?$`)
	// hostAnywhere matches a text that has a host somewhere.
	hostAnywhere = regexp.MustCompile(`(?:^|[^a-z0-9.-])((?:[a-z0-9-]+\.)+[a-z]{2,})(?:$|[^a-z0-9.-])`)
	// hostAtBegin matches a text that begins with a host.
	hostAtBegin = regexp.MustCompile(`^((?:[a-z0-9-]+\.)+[a-z]{2,})(?:$|[^a-z0-9.-])`)
	// lettersAndDots matches a dot between two letters or digits of a regular expression, where a
	// dot of that name is meant.
	lettersAndDots = regexp.MustCompile(`(?:^|[^\\])[a-z0-9]\.[a-z0-9]`)
)

// endsOfHosts are the usual last words of hosts. Of a text with other words nobody can say whether
// it is a host, unless what stands in front of it says so. Those of two letters are countries.
var endsOfHosts = []string{"app", "blog", "com", "dev", "example", "finance", "games", "info", "live", "net",
	"network", "online", "org", "shop", "site", "social", "store", "test", "world", "xyz"}

// hostsOfOthers finds a pattern of a text to sign, or of one of its members, that takes hosts of
// others beside the one that it names.
func hostsOfOthers(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || !p.allows() || p.entry != nil || p.negated || wildFront(p) != "" ||
		has(p.whole, isWild) {
		return ""
	}
	dotted := m
	if !m.glob {
		// What a pattern says of letters and ends, which it has anyway, is not looked at.
		source := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(m.source, "(?i)"), "^"), "$")
		var err error
		if dotted, err = newRegexp(withDots(source)); err != nil {
			return ""
		}
	}
	if says := p.hostBeginsBefore(dotted); says != "" {
		return says
	}
	if says := p.hostGoesOn(dotted); says != "" {
		return says
	}
	return p.hostWithoutDots(m, dotted)
}

// hostGoesOn finds a host behind which the pattern takes anything.
func (p *place) hostGoesOn(m pattern) string {
	re := m.written()
	if re == nil {
		return ""
	}
	for _, word := range firstWords(re) {
		found := hostAtEnd.FindStringSubmatchIndex(word)
		if found == nil || !p.isHost(word[:found[2]], word[found[2]:found[3]]) {
			continue
		}
		var tries []string
		if found[1] == found[3] {
			tries = append(tries, `\.evil\.example`)
		}
		if strings.Contains(m.begins(), "://") {
			tries = append(tries, `@evil\.example`)
		}
		for _, more := range tries {
			text := p.example(m, `[^.]*(?:[a-z0-9-]+\.)*`+regexp.QuoteMeta(word)+more+`(?:[/ ",].*)?`)
			if text == "" {
				continue
			}
			next := "a slash"
			switch {
			case strings.HasSuffix(word[:found[2]], `"`):
				next = "a quote"
			case strings.Contains(m.begins(), " ") && !strings.Contains(word, "://"):
				next = "a blank"
			}
			return fmt.Sprintf("%s: this takes %s, too, which is a host of somebody else; say where the host ends: "+
				"let %s follow %s, or write the whole text", p.name, quote(text), next, word[found[2]:])
		}
	}
	return ""
}

// hostBeginsBefore finds a host in front of which the pattern takes letters.
func (p *place) hostBeginsBefore(m pattern) string {
	re := m.written()
	if re == nil {
		return ""
	}
	for _, word := range firstWords(re) {
		found := hostAtBegin.FindStringSubmatch(word)
		if found == nil || !p.isHost("", found[1]) {
			continue
		}
		if text := p.example(m, `[^.]*evil`+regexp.QuoteMeta(word)+`.*`); text != "" {
			return fmt.Sprintf("%s: this takes %s, too, which is a host of somebody else; say where the host begins, "+
				"such as glob: '*.%s' for the hosts below it, or write the whole text", p.name, quote(text), found[1])
		}
	}
	return ""
}

// hostWithoutDots finds a host in a regular expression whose first dot takes any character, so that
// the host below a name is a name of its own.
func (p *place) hostWithoutDots(m, dotted pattern) string {
	re := dotted.written()
	if m.source == dotted.source || re == nil {
		return ""
	}
	for _, word := range firstWords(re) {
		found := hostAnywhere.FindStringSubmatch(word)
		if found == nil || strings.Count(found[1], ".") < 2 || !p.isHost("", found[1]) {
			continue
		}
		other := strings.Replace(found[1], ".", "-", 1)
		text := p.example(m, `.*`+regexp.QuoteMeta(strings.Replace(word, found[1], other, 1))+`.*`)
		if text == "" {
			continue
		}
		return fmt.Sprintf("%s: in a regexp a dot is any character, so this takes %s, too, which is a host of "+
			"somebody else; write %s", p.name, quote(text), regexp.QuoteMeta(found[1]))
	}
	return ""
}

// mostWords bounds how many words of a pattern are looked at: in a list of many hosts all are
// written alike.
const mostWords = 16

// firstWords returns the first texts that an expression has in it.
func firstWords(re *syntax.Regexp) []string {
	words := literalWords(re)
	return words[:min(len(words), mostWords)]
}

// isHost reports whether a text is a host: by its last word, by what stands in front of it, or by
// the name of the member.
func (p *place) isHost(before, host string) bool {
	end := host[strings.LastIndex(host, ".")+1:]
	return len(end) == 2 || slices.Contains(endsOfHosts, end) || strings.HasSuffix(before, "//") ||
		slices.Contains(membersOfSites, p.name[strings.LastIndex(p.name, ".")+1:])
}

// example returns a text of a form that the pattern takes, and all else that is said about the same
// value; "" if there is none.
func (p *place) example(m pattern, form string) string {
	if !p.steps.left(stepsOfMatch) {
		return ""
	}
	text, n := meet(program(m.String()), program(form), mostOfOneMatch)
	p.steps.left(n)
	if text == "" || !takes(p.whole, textValue(text)) {
		return ""
	}
	return text
}

// withDots returns a regular expression in which each dot between two letters is a dot.
func withDots(source string) string {
	for {
		found := lettersAndDots.FindStringIndex(source)
		if found == nil {
			return source
		}
		dot := found[1] - 2
		source = source[:dot] + `\` + source[dot:]
	}
}
