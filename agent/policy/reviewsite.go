package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// wordsOfLogins are words that texts for a login have on every site.
var wordsOfLogins = []string{"a", "account", "address", "am", "an", "and", "as", "at", "auth", "authenticate",
	"authentication", "authorize", "blockchain", "by", "challenge", "chain", "code", "confirm", "date", "for", "from",
	"has", "hash", "hello", "hi", "hive", "hiveauth", "http", "https", "i", "id", "in", "into", "is", "it", "key",
	"keychain", "log", "logged", "logging", "login", "logon", "me", "message", "my", "name", "nonce", "number", "of",
	"on",
	"please", "posting", "proof", "prove", "random", "request", "secret", "session", "sign", "signature", "signed",
	"signin", "signing", "signup", "test", "text", "that", "the", "this", "time", "timestamp", "to", "token", "up",
	"user",
	"username", "uuid", "valid", "verification", "verify", "wallet", "wants", "welcome", "with", "www", "you", "your"}

// withoutSite finds a pattern of a text to sign in which no word says for which site the text
// is: its place is left free, or there is none. An app that has the text of another site signed
// logs in there. What is written as JSON has members of its own.
func withoutSite(p *place) string {
	m, ok := p.matcher.(pattern)
	if !ok || p.field != "text" || p.name != "text" || !p.allows() || p.entry != nil || p.negated ||
		wildFront(p) != "" || has(p.whole, isWild) || p.rule.letsSentences() {
		return ""
	}
	beside := p.beside
	if beside == nil {
		beside = []matcher{m}
	}
	first := true
	for _, one := range beside {
		said, ok := one.(pattern)
		if !ok {
			continue
		}
		if first && said != m {
			return "" // of the first one all is said
		}
		first = false
		re := said.written()
		if re == nil || strings.HasPrefix(said.begins(), "{") || strings.HasPrefix(said.begins(), "[") {
			return ""
		}
		for _, word := range strings.FieldsFunc(strings.Join(allWords(re), " "), func(r rune) bool {
			return !unicode.IsLetter(r)
		}) {
			if word = strings.ToLower(word); len(word) > 1 && !slices.Contains(wordsOfLogins, word) &&
				!p.rule.namesAccount(word) {
				return ""
			}
		}
	}
	return fmt.Sprintf("text: no word of this says for which site it is, so the app can have a login to another site "+
		"signed; write the site, too, such as glob: 'Login to shop.example as %s *', or have a person asked",
		p.rule.anAccount())
}

// namesAccount reports whether a word stands in the name of an account that the rule is for.
func (r *rule) namesAccount(word string) bool {
	for name := range r.accounts {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}
