package node

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// verdictKind is what a node's answer to a broadcast means (tx §5.6).
type verdictKind uint8

const (
	unknown   verdictKind = iota // it may have the transaction
	unreached                    // it never got it
	sent                         // it has it
	refused                      // it will not have it
	lagging                      // it refuses, which may be its own fault: another one is tried
	later                        // it refuses for the time of a block
)

type verdict struct {
	kind   verdictKind
	code   string
	reason string
}

// verdictByName are the errors of the node by name and number (tx §5.4).
var verdictByName = map[string]verdict{
	"tx_missing_active_auth":           {kind: refused, code: CodeMissingAuthority},
	"tx_missing_owner_auth":            {kind: refused, code: CodeMissingAuthority},
	"tx_missing_posting_auth":          {kind: refused, code: CodeMissingAuthority},
	"tx_missing_other_auth":            {kind: refused, code: CodeMissingAuthority},
	"tx_missing_witness_auth":          {kind: refused, code: CodeMissingAuthority},
	"tx_irrelevant_sig":                {kind: refused, code: CodeSignature},
	"tx_duplicate_sig":                 {kind: refused, code: CodeSignature},
	"tx_combined_auths_with_posting":   {kind: refused, code: CodeSignature},
	"transaction_expiration_exception": {kind: lagging, code: CodeExpired},
	"transaction_tapos_exception":      {kind: lagging, code: CodeTapos},
	"not_enough_rc_exception":          {kind: refused, code: CodeNotEnoughRC},
	"assert_exception":                 {kind: refused, code: CodeInvalid},
	"parse_error_exception":            {kind: refused, code: CodeInvalid},
	"bad_cast_exception":               {kind: refused, code: CodeInvalid},
	"invalid_arg_exception":            {kind: refused, code: CodeInvalid},
	"out_of_range_exception":           {kind: refused, code: CodeInvalid},
}

var namesByCode = map[int64]string{
	3010000: "tx_missing_active_auth", 3020000: "tx_missing_owner_auth", 3030000: "tx_missing_posting_auth",
	3040000: "tx_missing_other_auth", 3050000: "tx_irrelevant_sig", 3060000: "tx_duplicate_sig",
	3070000: "tx_missing_witness_auth", 3080000: "tx_combined_auths_with_posting",
	4030100: "transaction_expiration_exception", 4030200: "transaction_tapos_exception",
	4100100: "not_enough_rc_exception", 10: "assert_exception",
}

// nodeCodes are the outer codes under which a node reports errors of its own (tx §5.4); other codes
// are those of front ends, which do not know whether the node received anything.
func nodeCode(code int64) bool { return code == -32003 || code == -32000 }

// name is the kind of error, from the name, the number, or the beginning of the message; empty if
// it is none of a node.
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

// assertion takes the C++ condition, if there is one, from the sentence of an assertion. Conditions
// have blanks inside their brackets and no texts of users in them.
var assertion = regexp.MustCompile(`^Assert Exception:(?:[^:"']{1,120}: )?`)

// constant is the part of the error that the node's own code wrote, before any value was put in:
// the format, or, where there is none, the beginning of the message. Texts of the transaction are
// not in it, so it can be believed.
func (e *rpcError) constant() (text string, certain bool) {
	if len(e.data.Stack) > 0 && e.data.Stack[0].Format != "" {
		return e.data.Stack[0].Format, true
	}
	return e.Message[len(assertion.FindString(e.Message)):], false
}

// lockWord tells that a node did not get at its own database: it is busy, and another one should be
// asked.
var lockWord = regexp.MustCompile(`(?i)\block\b`)

const duplicateText = "Duplicate transaction check failed"

// verdictByText are assertions worth telling apart. All but the first few only choose words.
var verdictByText = []struct {
	text string
	verdict
}{
	{"custom json operation(s) this block", verdict{kind: later, code: CodeTooSoon}},
	{"Transaction too large", verdict{kind: refused, code: CodeTooLarge}},
	{"Transaction is too large", verdict{kind: refused, code: CodeTooLarge}},
	{"object graph too deep", verdict{kind: refused, code: CodeTooLarge}},
	{"signature is not canonical", verdict{kind: refused, code: CodeSignature}},
	{"sufficient funds", verdict{kind: refused, code: CodeBalance}},
	{"Insufficient ", verdict{kind: refused, code: CodeBalance}},
	{"insufficient ", verdict{kind: refused, code: CodeBalance}},
	{"does not exist", verdict{kind: refused, code: CodeNoAccount}},
	{"doesn't exist", verdict{kind: refused, code: CodeNoAccount}},
	{"unknown account", verdict{kind: refused, code: CodeNoAccount}},
	{"Can only vote once every", verdict{kind: refused, code: CodeTooSoon}},
	{"You may only post once every", verdict{kind: refused, code: CodeTooSoon}},
	{"You may only comment once every", verdict{kind: refused, code: CodeTooSoon}},
}

// busy reports whether the node says that it is too busy to answer.
func busy(e *rpcError) bool {
	if e == nil {
		return false
	}
	switch e.name() {
	case "":
		return true // a front end: it has no node, or does not get through to it
	case "assert_exception":
		return false
	}
	return verdictByName[e.name()].kind == unknown && lockWord.MatchString(e.Message)
}

// verdictOf turns an error of a node into a verdict. What it does not recognise is unknown, which
// is always safe: the transaction is then looked up.
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
		return verdict{kind: sent, code: CodeDuplicate}
	}
	// The words somewhere else may come from the transaction, or from a node that words its errors
	// in another way.
	if strings.Contains(e.Message, duplicateText) || strings.Contains(e.data.Message, duplicateText) {
		return verdict{kind: unknown}
	}
	if certain && lockWord.MatchString(text) || !certain && strings.HasPrefix(text, "Unable to acquire") {
		return verdict{kind: unknown}
	}
	for _, a := range verdictByText {
		if strings.Contains(text, a.text) {
			return a.verdict
		}
	}
	return v
}

var (
	missingAuthority = regexp.MustCompile(`(?i)Missing (Posting|Active|Owner) Authority ([a-z0-9.-]{3,16})`)
	resourceCredits  = regexp.MustCompile(`Account: ([a-z0-9.-]{3,16}) has (-?[0-9]+) RC, needs ([0-9]+) RC`)
)

// reasonFor tells people what is wrong.
func reasonFor(e *rpcError, name string, v verdict) string {
	said := e.sentence()
	switch v.code {
	case CodeDuplicate:
		return "the node already had this transaction"
	case CodeMissingAuthority:
		return missingAuthorityReason(name, said)
	case CodeNotEnoughRC:
		return creditsReason(said)
	case CodeExpired:
		return "the node says that the transaction has expired, or expires more than 24 hours ahead; its time or " +
			"the chain's head here is wrong"
	case CodeTapos:
		return "the node does not know the block that the transaction refers to; it lags behind or is on another fork"
	case CodeBalance:
		return "there is not enough money on the account: " + said
	case CodeNoAccount:
		return "an account of the transaction does not exist: " + said
	case CodeTooLarge:
		return "the transaction is too large for a block: " + said
	case CodeTooSoon:
		return "the chain wants more time between operations of this kind: " + said
	case CodeSignature:
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

// sentence is the node's own sentence with its values, clipped.
func (e *rpcError) sentence() string {
	if len(e.data.Stack) > 0 && e.data.Stack[0].Format != "" {
		return clip(e.data.Stack[0].expand())
	}
	return clip(e.Message[len(assertion.FindString(e.Message)):])
}

var placeholder = regexp.MustCompile(`\$\{[A-Za-z0-9_.]{1,40}\}`)

// expand puts the values into the format (tx §5.4).
func (f stackFrame) expand() string {
	const most = 1 << 10
	if len(f.Format) > most || len(f.Data) > 64<<10 {
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

// valueText is a JSON value as a person would write it.
func valueText(v jsontext.Value) string {
	var text string
	if v.Kind() == jsontext.KindString && unmarshal(v, &text) == nil {
		return clip(text)
	}
	return clip(string(v))
}

// notFound reports whether the error says that a transaction is not known, as get_transaction does.
func (e *rpcError) notFound() bool {
	text, _ := e.constant()
	return e.name() == "assert_exception" && (strings.HasPrefix(text, "Unknown Transaction") ||
		strings.HasPrefix(text, "unknown transaction"))
}

// missingAPI reports whether the error says that the node does not offer the method.
func (e *rpcError) missingAPI() bool {
	text, _ := e.constant()
	return e.Code == -32601 || strings.HasPrefix(text, "Could not find API") ||
		strings.HasPrefix(text, "Could not find method") ||
		strings.Contains(e.Message, "method not found") || strings.Contains(e.Message, "Method not found")
}
