// Package effect says in one short English sentence what a request does, for people. Start with
// [Of], which takes an operation; [Signing] does the same for a text.
//
// # What it promises
//
// A sentence is made of the typed values that are serialised and signed, never of what an
// application sent in words. Texts from outside are quoted, so that they can neither steer a
// terminal nor pass for our own words, and long ones are cut. Every operation that can be signed
// has a sentence of its own in phrases.go; the golden file in testdata shows all of them.
package effect

import (
	"fmt"
	"strconv"
	"strings"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

const (
	maxEffect = 400 // bytes of an effect in words; what is longer is cut
	maxQuoted = 80  // bytes of a text from outside within it
)

// Of returns what an operation does, in one sentence of at most 400 bytes: "pays 1.000 HBD from
// alice to bob".
func Of(op hive.Operation) string {
	w := words{op}
	if phrase, ok := phrases[op.Name()]; ok {
		return plain.Cut(phrase(w), maxEffect)
	}
	var fields []string
	for _, f := range op.Definition().Fields {
		fields = append(fields, f.Name+" "+w.of(f.Name))
	}
	return plain.Cut(op.Name()+": "+op.Definition().Does+" ("+strings.Join(fields, ", ")+")", maxEffect)
}

// Signing returns what it means to sign a text with the key of a role, in one sentence.
func Signing(account hive.AccountName, role hive.Role, text string) string {
	return fmt.Sprintf("signs the text %s with the %s key of %s", quoted(text), role, account)
}

// words is an operation whose fields are written as words.
type words struct{ op hive.Operation }

// fill returns the template with each {field} replaced by the field as words.
func (w words) fill(template string) string {
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, _ := strings.Cut(rest, "}")
		out.WriteString(w.of(name))
		template = after
	}
}

func (w words) value(field string) hive.Value {
	v, _ := w.op.Field(field)
	return v
}

func (w words) is(field string) bool    { return w.value(field) == true }
func (w words) given(field string) bool { return w.value(field) != nil }
func (w words) number(field string) int64 {
	n, _ := w.value(field).(int64)
	return n
}

// none reports whether an amount is zero.
func (w words) none(field string) bool {
	a, _ := w.value(field).(hive.Asset)
	return a.Amount == 0
}

// empty reports whether a text or an account name is empty.
func (w words) empty(field string) bool {
	v := w.value(field)
	return v == hive.AccountName("") || v == ""
}

// either fills the one template or the other, by a field that is true or false.
func (w words) either(field, yes, no string) string {
	if w.is(field) {
		return w.fill(yes)
	}
	return w.fill(no)
}

// memo returns the end of a sentence that names the memo; empty if there is none.
func (w words) memo() string {
	text, _ := w.value("memo").(string)
	switch {
	case text == "":
		return ""
	case hive.IsEncryptedMemo(text):
		return ", with an encrypted memo"
	}
	return ", with the memo " + quoted(text)
}

// amounts returns the amounts of the fields that are not zero.
func (w words) amounts(fields ...string) string {
	var some []string
	for _, field := range fields {
		if !w.none(field) {
			some = append(some, w.of(field))
		}
	}
	return strings.Join(some, " and ")
}

// percent returns hundredths of a percent as text.
func percent(n int64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%d.%02d", n/100, n%100), "0"), ".") + "%"
}

// of returns the value of a field as words.
func (w words) of(field string) string {
	switch v := w.value(field).(type) {
	case nil:
		return "unchanged"
	case string:
		return text(v)
	case hive.AccountName:
		if v == "" {
			return "nobody"
		}
		return string(v)
	case []hive.AccountName:
		return join(v, func(name hive.AccountName) string { return string(name) })
	case []int64:
		return join(v, func(n int64) string { return strconv.FormatInt(n, 10) })
	case hive.Beneficiaries:
		return join(v, func(b hive.Beneficiary) string { return string(b.Account) + " " + percent(int64(b.Weight)) })
	case hive.Authority:
		return holders(v)
	case []hive.Prop:
		return join(v, func(p hive.Prop) string { return text(p.Name) })
	case hive.Blob:
		return strconv.Itoa(len(v)) + " bytes"
	case hive.PublicKey:
		if v.IsNull() {
			return "no key"
		}
		return v.String()
	case bool, int64, uint64, hive.PairID:
		return fmt.Sprint(v)
	case fmt.Stringer: // amounts, prices, instants
		return v.String()
	}
	return "…" // of operations that are never signed
}

// holders returns who satisfies an authority.
func holders(a hive.Authority) string {
	var all []string
	for _, k := range a.KeyAuths {
		all = append(all, weighted(k.Key.String(), k.Weight))
	}
	for _, h := range a.AccountAuths {
		all = append(all, weighted(string(h.Account), h.Weight))
	}
	switch {
	case a.WeightThreshold == 0:
		return "anybody"
	case len(all) == 0:
		return "nobody"
	case a.WeightThreshold == 1:
		return strings.Join(all, " or ")
	}
	return fmt.Sprintf("%d of %s", a.WeightThreshold, strings.Join(all, " + "))
}

func weighted(who string, weight uint16) string {
	if weight == 1 {
		return who
	}
	return fmt.Sprintf("%d×%s", weight, who)
}

func join[T any](list []T, word func(T) string) string {
	if len(list) == 0 {
		return "none"
	}
	all := make([]string, len(list))
	for i, item := range list {
		all[i] = word(item)
	}
	return strings.Join(all, ", ")
}

// text returns a text from outside: as it is if it looks like a name, else quoted.
func text(s string) string {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.') {
			return quoted(s)
		}
	}
	if s == "" || len(s) > maxQuoted {
		return quoted(s)
	}
	return s
}

func quoted(s string) string { return plain.Quote(s, maxQuoted) }
