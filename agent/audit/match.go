package audit

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"pksa/agent/ledger"
	"pksa/protocol/hive"
)

// matcher tests records by a filter. A search looks at millions of records of which few fit, so the
// cheap tests come first: those of the ledger's own fields, then whether what is looked for can
// stand in the bytes of the content, and only then the content itself.
type matcher struct {
	Filter
	amounts Amounts
	text    string // in lower case
	lower   []byte // reused
}

// matcher makes the filter ready. The error is one of [ParseAmounts].
func (f *Filter) matcher() (*matcher, error) {
	m := &matcher{Filter: *f, text: strings.ToLower(f.Text)}
	m.TxID, m.UUID = strings.ToLower(f.TxID), strings.ToLower(f.UUID)
	var err error
	if f.Amount != "" {
		m.amounts, err = ParseAmounts(f.Amount)
	}
	return m, err
}

// fits reports whether a record is one of those that are asked for.
func (m *matcher) fits(r *ledger.Record) bool { return m.asked(r) && m.became(r) && m.worded(r) }

// asked tests what a request keeps, whatever becomes of it: who asked, when, and for what.
func (m *matcher) asked(r *ledger.Record) bool {
	switch {
	case m.Account != "" && m.Account != r.Account,
		m.App != "" && m.App != r.App,
		m.Session != 0 && m.Session != r.Session,
		m.UUID != "" && m.UUID != r.Key.UUID,
		!m.Since.IsZero() && r.Time.Before(m.Since),
		!m.Until.IsZero() && r.Time.After(m.Until),
		m.Request != 0 && m.Request != r.Number && m.Request != r.Ref && !mentions(r, m.Request):
		return false
	}
	return m.ofKind(r) && m.ofTransaction(r) && m.ruled(r) && m.operates(r)
}

func (m *matcher) ofKind(r *ledger.Record) bool {
	if m.Kind == "" || m.Kind == r.Kind || m.Kind == recordTypes[r.Type] {
		return true
	}
	return bytes.Contains(r.Content, []byte(m.Kind)) && member(r.Content, "request") == m.Kind
}

func (m *matcher) ofTransaction(r *ledger.Record) bool {
	if m.TxID == "" || r.TxID != [20]byte{} && strings.HasPrefix(hex.EncodeToString(r.TxID[:]), m.TxID) {
		return true
	}
	return bytes.Contains(r.Content, []byte(m.TxID)) && strings.HasPrefix(member(r.Content, "transaction"), m.TxID)
}

func (m *matcher) ruled(r *ledger.Record) bool {
	if m.Rule == "" {
		return true
	}
	if plainASCII(m.Rule) && !mayHold(r.Content, m.Rule) {
		return false
	}
	whole := recordOf(r).Unpacked() // what is compressed is searched, too
	return whole.names(m.Rule)
}

// became tests what became of a request, or what another record says that happened.
func (m *matcher) became(r *ledger.Record) bool {
	if m.Result == "" || m.Result == r.Outcome {
		return true
	}
	judged := r.Type == ledger.RecordJudged || r.Type == ledger.RecordDecided
	if judged && m.Result == verdicts[r.Verdict] {
		return true
	}
	out := Record{}
	if bytes.Contains(r.Content, []byte(m.Result)) {
		out = recordOf(r)
	}
	return m.Result == out.Result
}

// worded tests for a code, and for a part of any text.
func (m *matcher) worded(r *ledger.Record) bool {
	if m.Code != "" && (!bytes.Contains(r.Content, []byte(m.Code)) || !m.coded(recordOf(r))) {
		return false
	}
	if m.text == "" {
		return true
	}
	if !m.maySay(r) {
		return false
	}
	whole := recordOf(r).Unpacked()
	return whole.says(m.text)
}

func (m *matcher) coded(r Record) bool {
	return member(r.Content, "code") == m.Code || r.counts(m.Code)
}

// maySay reports whether a record can have the text. It reports true where only reading it can
// tell: where signs are written in another way than they read, or have other forms of the same
// letter.
func (m *matcher) maySay(r *ledger.Record) bool {
	if !plainASCII(m.text) || bytes.Contains(r.Content, []byte(`"cut":`)) {
		return true
	}
	var special bool
	if m.lower, special = appendLower(m.lower[:0], r.Content); special {
		return true
	}
	if bytes.Contains(m.lower, []byte(m.text)) {
		return true
	}
	bare := Record{Outcome: r.Outcome, Account: r.Account, App: r.App}
	if r.TxID != [20]byte{} {
		bare.TxID = hex.EncodeToString(r.TxID[:])
	}
	return bare.named(m.text)
}

// Of eight bytes in a word: the lowest bit of each, and the highest.
const (
	lowest  = 0x0101010101010101
	highest = 0x80 * lowest
)

// appendLower appends a text in lower case. It reports whether some of it may stand for other signs
// than it is: backslashes, and what is not ASCII. A search spends much of its time here, so it
// takes eight bytes at once; a carry from one byte to the next needs a byte that is not ASCII.
func appendLower(to, text []byte) (lower []byte, special bool) {
	var odd uint64 // its highest bits
	for ; len(text) >= 8; text = text[8:] {
		w := binary.LittleEndian.Uint64(text)
		odd |= w | (highest - (w ^ lowest*'\\'))
		capital := (w + lowest*(0x80-'A')) &^ (w + lowest*(0x80-'Z'-1)) & highest
		to = binary.LittleEndian.AppendUint64(to, w|capital>>2)
	}
	for _, c := range text {
		special = special || c == '\\' || c >= 0x80
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		to = append(to, c)
	}
	return to, special || odd&highest != 0
}

// plainASCII reports whether JSON writes a text as it is.
func plainASCII(text string) bool {
	return !strings.ContainsFunc(text, func(c rune) bool {
		return c < ' ' || c > '~' ||
			strings.ContainsRune(`"\<>&`, c)
	})
}

// mayHold reports whether the content of a record can have a text that JSON writes as it is.
func mayHold(content []byte, text string) bool {
	return bytes.Contains(content, []byte(text)) || bytes.Contains(content, []byte(`"cut":`))
}

// operates reports whether the request has an operation of the name, with the counterparty and an
// amount that are asked for.
func (m *matcher) operates(r *ledger.Record) bool {
	switch {
	case m.Operation == "" && m.Counterparty == "" && m.amounts == nil:
		return true
	case r.Type != ledger.RecordJudged || !mayHold(r.Content, "operations"),
		m.Operation != "" && !mayHold(r.Content, m.Operation),
		m.Counterparty != "" && !mayHold(r.Content, m.Counterparty),
		m.amounts != nil && !mayHold(r.Content, m.amounts.names(hive.Mainnet)) &&
			!mayHold(r.Content, m.amounts.names(hive.Testnet)):
		return false
	}
	var content struct {
		Account    string
		Operations []json.RawMessage
		Cut        *Cut
	}
	whole := recordOf(r).Unpacked()
	if json.Unmarshal(whole.Content, &content) != nil {
		return false
	}
	if cut := content.Cut; cut != nil && len(content.Operations) == 0 {
		if m.Counterparty == "" && m.amounts == nil && cut.Names[m.Operation] > 0 {
			return true // also of the operations that are not kept
		}
		content.Operations = cut.First
	}
	return slices.ContainsFunc(content.Operations, func(raw json.RawMessage) bool {
		return m.operation(raw, hive.AccountName(content.Account))
	})
}

// operation tests one operation. One that cannot be read has a name at least.
func (m *matcher) operation(raw []byte, account hive.AccountName) bool {
	if m.Operation != "" && namesIn([]json.RawMessage{raw})[m.Operation] == 0 {
		return false
	}
	if m.Counterparty == "" && m.amounts == nil {
		return true
	}
	op, err := hive.Mainnet.ParseOperation(raw)
	if err != nil {
		op, err = hive.Testnet.ParseOperation(raw)
	}
	if err != nil {
		return false
	}
	other := hive.AccountName(m.Counterparty)
	return (other == "" || other != account && slices.Contains(op.Accounts(), other)) &&
		(m.amounts == nil || slices.ContainsFunc(op.Amounts(), m.amounts.hold))
}

// member returns a text of a record's content; empty if there is none.
func member(content []byte, name string) string {
	var members map[string]json.RawMessage
	var text string
	if json.Unmarshal(content, &members) != nil || json.Unmarshal(members[name], &text) != nil {
		return ""
	}
	return text
}
