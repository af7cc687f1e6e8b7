package policy

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"pksa/agent/yamlnode"
)

// Letters of one alphabet that look like those of another one, within a word: who reviews the file
// reads a word that the rule does not have.

// looksLatin are letters of other alphabets that nobody tells from the letters a to z; looksSmall
// are some that look like large ones, but for their size.
const (
	looksLatin = "асеһіјӏорԛѕухԝԁ" + "АВСЕНІЈКМОРЅТХУԜ" + // Cyrillic
		"ονρυικ" + "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧ" + // Greek
		"օոսհց" + "ɡɑ" // Armenian, and of the phonetic alphabet
	looksSmall = "вкмнтг"
)

// otherForms are letters and digits of full width, as East Asian texts have them, those of
// mathematics, and Roman numbers.
var otherForms = &unicode.RangeTable{
	R16: []unicode.Range16{{Lo: 0x2160, Hi: 0x217f, Stride: 1}, {Lo: 0xff10, Hi: 0xff5a, Stride: 1}},
	R32: []unicode.Range32{{Lo: 0x1d400, Hi: 0x1d7ff, Stride: 1}},
}

// reviewLooks warns of words of two alphabets in the values and members of rules, limits and lists.
// Of names another warning says so.
func (c *compiler) reviewLooks(n *yamlnode.Node, key string) {
	if n.Kind == yamlnode.Scalar {
		text := n.Text
		if key == "regexp" {
			text = unworded.ReplaceAllString(text, " ")
		}
		if word, ch := twoAlphabets(text); word != "" {
			c.Warn(n, "the word %s has the character %q (%U), which looks like a letter of another alphabet: the "+
				"rule is about that word, and not about the one that one reads; write it anew", quote(word), ch, ch)
		}
	}
	for _, item := range n.Items {
		c.reviewLooks(item, key)
	}
	for _, e := range n.Entries {
		c.reviewLooks(e.Key, "")
		if !slices.Contains(keysOfNames, e.Key.Text) {
			c.reviewLooks(e.Value, e.Key.Text)
		}
	}
}

// keysOfNames are keys whose values are names, or words for people only.
var keysOfNames = []string{"name", "comment", "apps"}

// unworded matches what is no word in a regular expression: classes, escapes and flags.
var unworded = regexp.MustCompile(`\\[pP]\{[^}]*\}|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?[a-zA-Z]*`)

// twoAlphabets returns a word of a text in which a letter looks like one of the alphabet of the
// others, or which is made of such letters alone and joined to another word; "" if there is none.
func twoAlphabets(text string) (string, rune) {
	notInWord := func(ch rune) bool { return !unicode.IsLetter(ch) && !unicode.IsDigit(ch) && !unicode.IsMark(ch) }
	if strings.IndexFunc(text, looksOther) < 0 {
		return "", 0
	}
	for _, joined := range strings.Fields(text) {
		latin := strings.IndexFunc(joined, isLatin) >= 0
		for _, word := range strings.FieldsFunc(joined, notInWord) {
			i := strings.IndexFunc(word, looksOther)
			if i < 0 || !latin {
				continue
			}
			ch := []rune(word[i:])[0]
			if strings.IndexFunc(word, isLatin) >= 0 || strings.Trim(word, looksLatin) == "" {
				return word, ch
			}
		}
	}
	return "", 0
}

func isLatin(ch rune) bool { return 'a' <= ch && ch <= 'z' || 'A' <= ch && ch <= 'Z' }

func looksOther(ch rune) bool {
	return strings.ContainsRune(looksLatin+looksSmall, ch) || unicode.Is(otherForms, ch)
}
