package node

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// verdictKind is what the answer of a node to a broadcast means (tx §5.6).
type verdictKind uint8

const (
	unknown   verdictKind = iota // the node may have the transaction
	unreached                    // the node never got it
	sent                         // the node has it
	refused                      // the node refuses it, and so will all others
	lagging                      // the node refuses it, perhaps because it lags: try another one
	later                        // the node refuses it until the next block
	deaf                         // the node takes no transactions from anybody: the next one may
)

type verdict struct {
	kind   verdictKind
	code   string
	reason string
	voice  string // of the node, in a refusal
}

// verdictByName holds the verdicts on errors of a node by the name of the error (tx §5.4).
var verdictByName = map[string]verdict{
	"tx_missing_active_auth":           {kind: refused, code: CodeMissingAuthority},
	"tx_missing_owner_auth":            {kind: refused, code: CodeMissingAuthority},
	"tx_missing_posting_auth":          {kind: refused, code: CodeMissingAuthority},
	"tx_missing_other_auth":            {kind: refused, code: CodeMissingAuthority},
	"tx_missing_witness_auth":          {kind: refused, code: CodeMissingAuthority},
	"tx_irrelevant_sig":                {kind: refused, code: codeSignature},
	"tx_duplicate_sig":                 {kind: refused, code: codeSignature},
	"tx_combined_auths_with_posting":   {kind: refused, code: codeSignature},
	"transaction_expiration_exception": {kind: lagging, code: codeExpired},
	"transaction_tapos_exception":      {kind: lagging, code: codeTapos},
	"not_enough_rc_exception":          {kind: refused, code: codeNotEnoughRC},
	"assert_exception":                 {kind: refused, code: codeInvalid},
	"parse_error_exception":            {kind: refused, code: codeInvalid},
	"bad_cast_exception":               {kind: refused, code: codeInvalid},
	"invalid_arg_exception":            {kind: refused, code: codeInvalid},
	"out_of_range_exception":           {kind: refused, code: codeInvalid},
}

// namesByCode holds the same names by number, for nodes that send no name.
var namesByCode = map[int64]string{
	3010000: "tx_missing_active_auth", 3020000: "tx_missing_owner_auth", 3030000: "tx_missing_posting_auth",
	3040000: "tx_missing_other_auth", 3050000: "tx_irrelevant_sig", 3060000: "tx_duplicate_sig",
	3070000: "tx_missing_witness_auth", 3080000: "tx_combined_auths_with_posting",
	4030100: "transaction_expiration_exception", 4030200: "transaction_tapos_exception",
	4100100: "not_enough_rc_exception", 10: "assert_exception",
}

// nodeCode reports whether a node reports errors of its own under this outer code (tx §5.4). Other
// codes come from front ends, which do not know whether the node received anything.
func nodeCode(code int64) bool { return code == -32003 || code == -32000 }

// name returns the kind of error, from its name, its number, or the beginning of its message; empty
// if the error is not one of a node.
func (e *rpcError) name() string {
	if e.data.Name != "" {
		return e.data.Name
	}
	if name := namesByCode[e.data.Code]; name != "" {
		return name
	}
	if !nodeCode(e.Code) {
		return ""
	}
	for _, start := range []struct{ text, name string }{
		{"missing required posting authority:", "tx_missing_posting_auth"},
		{"missing required active authority:", "tx_missing_active_auth"},
		{"missing required owner authority:", "tx_missing_owner_auth"},
		{"missing required other authority:", "tx_missing_other_auth"},
		{"duplicate signature included:", "tx_duplicate_sig"},
		{"irrelevant signature included:", "tx_irrelevant_sig"},
		{"transaction expiration exception:", "transaction_expiration_exception"},
		{"transaction tapos exception:", "transaction_tapos_exception"},
		{"payer has not enough RC mana", "not_enough_rc_exception"},
		{"Assert Exception:", "assert_exception"},
	} {
		if strings.HasPrefix(e.Message, start.text) {
			return start.name
		}
	}
	return ""
}

// assertion matches the beginning of an assertion's message, with the C++ condition if there is
// one. Conditions hold no texts of users.
var assertion = regexp.MustCompile(`^Assert Exception:(?:[^:"']{1,120}: )?`)

// constant returns the text of the error as the node's own code has it, before any value is put in:
// the format or, without one, the message after the condition. certain is true for a format: no
// text of the transaction is in it, so it can be believed.
func (e *rpcError) constant() (text string, certain bool) {
	if len(e.data.Stack) > 0 && e.data.Stack[0].Format != "" {
		return e.data.Stack[0].Format, true
	}
	return e.Message[len(assertion.FindString(e.Message)):], false
}

// lockWord matches errors of a node that did not get access to its own database: it is busy, and
// another one should be asked.
var lockWord = regexp.MustCompile(`(?i)\block\b`)

const duplicateText = "Duplicate transaction check failed"

// categoryBalance is the category of assertions about money.
const categoryBalance = "balance"

// category returns what kind of assertion it is, empty if the node names none, as older nodes do.
// It is a constant of the node's code, and so goes before all words.
func (e *rpcError) category() string {
	var data struct {
		Category string `json:"category"`
	}
	if len(e.data.Stack) == 0 || len(e.data.Stack[0].Data) > maxValues || unmarshal(e.data.Stack[0].Data,
		&data) != nil {
		return ""
	}
	return data.Category
}

// verdictByText holds the verdicts on assertions by a part of their text. Only the first changes
// what is done; the others choose the words for people.
var verdictByText = []struct {
	text string
	verdict
}{
	{"custom json operation(s) this block", verdict{kind: later, code: codeTooSoon}},
	{"Transaction too large", verdict{kind: refused, code: codeTooLarge}},
	{"Transaction is too large", verdict{kind: refused, code: codeTooLarge}},
	{"object graph too deep", verdict{kind: refused, code: codeTooLarge}},
	{"signature is not canonical", verdict{kind: refused, code: codeSignature}},
	{"sufficient funds", verdict{kind: refused, code: codeBalance}},
	{"Insufficient ", verdict{kind: refused, code: codeBalance}},
	{"insufficient ", verdict{kind: refused, code: codeBalance}},
	{"does not exist", verdict{kind: refused, code: codeNoAccount}},
	{"doesn't exist", verdict{kind: refused, code: codeNoAccount}},
	{"unknown account", verdict{kind: refused, code: codeNoAccount}},
	{"Can only vote once every", verdict{kind: refused, code: codeTooSoon}},
	{"You may only post once every", verdict{kind: refused, code: codeTooSoon}},
	{"You may only comment once every", verdict{kind: refused, code: codeTooSoon}},
}

// busy reports whether the node says that it is too busy to answer.
func busy(e *rpcError) bool {
	if e == nil {
		return false
	}
	switch e.name() {
	case "":
		return true // a front end that has no node, or does not reach it
	case "assert_exception":
		return false
	}
	return verdictByName[e.name()].kind == unknown && lockWord.MatchString(e.Message)
}

// verdictOf returns the verdict on an error of a node. An error that is not recognised is unknown,
// which is always safe: the transaction is then looked up.
func verdictOf(e *rpcError) verdict {
	name := e.name()
	v, ok := verdictByName[name]
	if !ok {
		return verdict{kind: unknown, reason: "node: " + clip(e.Message)}
	}
	if name == "assert_exception" {
		v = verdictOfAssertion(e, v)
	}
	v.reason = reasonFor(e, name, v)
	return v
}

func verdictOfAssertion(e *rpcError, v verdict) verdict {
	text, certain := e.constant()
	if strings.HasPrefix(text, duplicateText) {
		return verdict{kind: sent, code: codeDuplicate}
	}
	if certain && e.lacksMethod(text) {
		return verdict{kind: deaf, code: codeNoMethod}
	}
	// Elsewhere in the error the same words may come from the transaction, where an application put
	// them, or from a node of another version. Neither shows that the node has the transaction.
	if strings.Contains(e.Message, duplicateText) || strings.Contains(e.data.Message, duplicateText) {
		return verdict{kind: unknown}
	}
	if certain && lockWord.MatchString(text) || !certain && strings.HasPrefix(text, "Unable to acquire") {
		return verdict{kind: unknown}
	}
	category := e.category()
	if category == categoryBalance {
		return verdict{kind: refused, code: codeBalance}
	}
	for _, a := range verdictByText {
		if strings.Contains(text, a.text) && (category == "" || a.code != codeBalance) {
			return a.verdict
		}
	}
	return v
}

var (
	missingAuthority = regexp.MustCompile(`(?i)Missing (Posting|Active|Owner) Authority ([a-z0-9.-]{3,16})`)
	resourceCredits  = regexp.MustCompile(`Account: ([a-z0-9.-]{3,16}) has (-?[0-9]+) RC, needs ([0-9]+) RC`)
)

// reasonFor returns a sentence for people about what is wrong.
func reasonFor(e *rpcError, name string, v verdict) string {
	said := e.sentence()
	switch v.code {
	case codeDuplicate:
		return "the node already had this transaction"
	case CodeMissingAuthority:
		return missingAuthorityReason(name, said)
	case codeNotEnoughRC:
		return creditsReason(said)
	case codeExpired:
		return "the node says that the transaction has expired, or expires more than 24 hours ahead; its time or " +
			"the chain's head here is wrong"
	case codeTapos:
		return "the node does not know the block that the transaction refers to; it lags behind or is on another fork"
	case codeBalance:
		return "there is not enough money on the account: " + said
	case codeNoAccount:
		return "an account of the transaction does not exist: " + said
	case codeTooLarge:
		return "the transaction is too large for a block: " + said
	case codeTooSoon:
		return "the chain wants more time between operations of this kind: " + said
	case codeNoMethod:
		return ErrTakesNone.Error() + ", and the chain was not asked"
	case codeSignature:
		return "the chain does not take the signatures as they are: " + said
	}
	return "the chain refused the transaction: " + said
}

func missingAuthorityReason(name, said string) string {
	role := strings.TrimSuffix(strings.TrimPrefix(name, "tx_missing_"), "_auth")
	whose := ""
	if m := missingAuthority.FindStringSubmatch(said); m != nil {
		role = strings.ToLower(m[1])
		if account, err := hive.ParseAccountName(m[2]); err == nil {
			whose = " of " + string(account)
		}
	}
	return fmt.Sprintf("the signature does not satisfy the %s authority%s: the key was changed on the chain, has "+
		"another role there, or does not weigh enough alone", role, whose)
}

func creditsReason(said string) string {
	m := resourceCredits.FindStringSubmatch(said)
	if m == nil {
		return "the account has not enough resource credits: " + said
	}
	return fmt.Sprintf("%s has %s resource credits and the transaction needs %s: wait for them to recharge, or "+
		"power up HIVE", m[1], m[2], m[3])
}

// sentence returns the node's own sentence with its values put in, clipped.
func (e *rpcError) sentence() string {
	if len(e.data.Stack) > 0 && e.data.Stack[0].Format != "" {
		return clip(e.data.Stack[0].expand())
	}
	return clip(e.Message[len(assertion.FindString(e.Message)):])
}

var placeholder = regexp.MustCompile(`\$\{[A-Za-z0-9_.]{1,40}\}`)

// maxValues is the largest size in bytes of the values of a sentence that are read.
const maxValues = 64 << 10

// expand puts the values into the format (tx §5.4). Both are foreign, and of any size.
func (f stackFrame) expand() string {
	const most = 1 << 10
	if len(f.Format) > most || len(f.Data) > maxValues {
		return f.Format[:min(len(f.Format), most)]
	}
	var values map[string]jsontext.Value
	if unmarshal(f.Data, &values) != nil {
		return f.Format
	}
	return placeholder.ReplaceAllStringFunc(f.Format, func(name string) string {
		value, ok := values[name[2:len(name)-1]]
		if !ok {
			return name
		}
		return valueText(value)
	})
}

// valueText returns a JSON value as a person would write it.
func valueText(v jsontext.Value) string {
	var text string
	if v.Kind() == jsontext.KindString && unmarshal(v, &text) == nil {
		return clip(text)
	}
	return clip(string(v))
}

// notFound reports whether the error is that of get_transaction for a transaction it does not know.
func (e *rpcError) notFound() bool {
	text, _ := e.constant()
	return e.name() == "assert_exception" && (strings.HasPrefix(text, "Unknown Transaction") ||
		strings.HasPrefix(text, "unknown transaction"))
}

// lacksMethod reports whether the constant text of an assertion says that the node does not have
// the method.
func (*rpcError) lacksMethod(text string) bool {
	return strings.HasPrefix(text, "Could not find API") || strings.HasPrefix(text, "Could not find method") ||
		strings.HasSuffix(text, "_plugin not enabled.")
}

// missingAPI reports whether the node does not offer the method.
func (e *rpcError) missingAPI() bool {
	text, _ := e.constant()
	return e.Code == -32601 || e.lacksMethod(text) ||
		strings.Contains(e.Message, "method not found") || strings.Contains(e.Message, "Method not found")
}
