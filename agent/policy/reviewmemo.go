package policy

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// encrypted are memos as applications encrypt them: a short and a longer one.
var encrypted = []string{
	"#CCwhJsmmbFw37ijiaWnzXsFmF2wFFiwJBy6141a9MjvdKBQ45pXf7hkZwxUUwET2TvMoBr3tNFnk4oKYwvLHhsFhMLoS6HN98ZRTsAq5qx7p" +
		"dNVNAJ76kBz6gdVWWDZJ2",
	"#hzHFEE77Ei2D8FpUUjNDCmka8hdRdEQ65QCmc6qjtyet2hefEDSG3XV579X27M8ihjAoUsQKff6TqmSRZiLnVXJW26VcBv3kcoDToMwKg8tr" +
		"BjAaJtkUkULeevysgPLEGG7sRfFCJfsyGPLBrWjKNz1zD55U6tgf5JHuJDszDUzkV3z2vUSEHXCgj1q36kJuYGni1p279LicKoADR3Ug92" +
		"gT8zjYcUzX8zteNmJ5yZTm1DPiCRr2WgESkh3MS6eRXXEkKmn61KZTKdwCLFE7JqqARdk",
}

// plainMemo finds a memo that begins with # and is no encrypted one, in a rule that permits. Other
// wallets encrypt it; here the application does that, and what it forgot is never signed.
func plainMemo(p *place) string {
	if !p.rule.section.permits() || p.negated || p.entry == nil || p.name != p.field || !p.isMemo() {
		return ""
	}
	switch m := p.matcher.(type) {
	case equals:
		if !strings.HasPrefix(m.text, "#") || hive.IsEncryptedMemo(m.text) {
			return ""
		}
	case pattern:
		begin := (pattern{source: strings.TrimPrefix(m.source, "^"), glob: m.glob}).begins()
		if !strings.HasPrefix(begin, "#") || len(begin) > longBegin || slices.ContainsFunc(encrypted, m.MatchString) {
			return ""
		}
	default:
		return ""
	}
	return fmt.Sprintf("%s: a memo that begins with # is signed only where the app has encrypted it, and none that is "+
		"encrypted fits this, so it never matches; leave the # out, or write {glob: '#*'} for encrypted ones", p.name)
}

// longBegin is how much of a pattern's begin can be said of an encrypted memo by chance. It begins
// with the keys of both sides, so who knows these may have written more.
const longBegin = 20

// isMemo reports whether the test is of the memo of an operation of the chain.
func (p *place) isMemo() bool {
	d, ok := hive.DefinitionOf(p.entry.name)
	return ok && slices.ContainsFunc(d.Fields, func(f hive.FieldDef) bool { return f.Name == p.field && f.Memo })
}
