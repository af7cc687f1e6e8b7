package audit

import (
	"encoding/json"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"pksa/agent/ledger"
	"pksa/agent/policy"
)

// AnswerRefused is the name of the event that a relay did not take an answer, which the trail has
// as given: its outcome is committed before anybody can refuse it. The content names the requests
// whose answers it may be about.
const AnswerRefused = "answer refused by a relay"

// searchMemory is what a search may take before the collector runs as often as it has to. The
// process has some memory beside it, and 64 MiB at most in all.
const searchMemory = 20 << 20

// SpareCollector has Go's collector run less often, as long as the process takes little memory: a
// search makes and drops records all the time, and holds few. It is for a process that does nothing
// else. The function that it returns ends that.
func SpareCollector() (end func()) {
	percent, limit := debug.SetGCPercent(300), debug.SetMemoryLimit(searchMemory)
	return func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}
}

// mentions reports whether an event that a relay refused an answer is about a request, or may be.
func mentions(r *ledger.Record, number uint64) bool {
	if r.Type != ledger.RecordEvent || r.Outcome != AnswerRefused || r.Number < number {
		return false
	}
	var content struct{ Requests []uint64 }
	return json.Unmarshal(r.Content, &content) == nil && slices.Contains(content.Requests, number)
}

// names reports whether the decision names a rule, or a limit that it looked at.
func (r *Record) names(name string) bool {
	var content struct {
		Rules  []policy.RuleRef
		Limits []policy.LimitState `json:"limits_before"`
		Cost   []policy.Charge
	}
	if json.Unmarshal(r.Content, &content) != nil {
		return false
	}
	return slices.ContainsFunc(content.Rules, func(rule policy.RuleRef) bool { return rule.Name == name }) ||
		slices.ContainsFunc(content.Limits, func(l policy.LimitState) bool { return l.Limit.Name == name }) ||
		slices.ContainsFunc(content.Cost, func(c policy.Charge) bool { return c.Limit == name })
}

// counts reports whether the record is a sum with denied requests of this code.
func (r *Record) counts(code string) bool {
	d, _ := r.Denials()
	return slices.ContainsFunc(d.Counts, func(c DenialCount) bool { return string(c.Code) == code })
}

// says reports whether any text of the record has this part, which is in lower case.
func (r *Record) says(part string) bool {
	if r.named(part) {
		return true
	}
	var content any
	return json.Unmarshal(r.Content, &content) == nil && holds(content, part)
}

// named reports whether a text of the record has this part, beside its content.
func (r *Record) named(part string) bool {
	for _, text := range []string{r.Outcome, r.Account, r.App, r.TxID} {
		if strings.Contains(strings.ToLower(text), part) {
			return true
		}
	}
	return false
}

// holds reports whether a text inside a JSON value has this part. It looks at texts as they were
// before they became JSON, so that quotes and signs can be searched for as they are.
func holds(value any, part string) bool {
	switch v := value.(type) {
	case string:
		return strings.Contains(strings.ToLower(v), part)
	case []any:
		return slices.ContainsFunc(v, func(e any) bool { return holds(e, part) })
	case map[string]any:
		for _, e := range v {
			if holds(e, part) {
				return true
			}
		}
	}
	return false
}

// Kinds returns what [Filter.Kind] can be, sorted: kinds of requests, and types of records.
func Kinds() []string {
	kinds := append([]string{"auth", "challenge", "decrypt", "sign"}, slices.Collect(maps.Values(recordTypes))...)
	slices.Sort(kinds)
	return kinds
}

// Results returns the usual values of [Filter.Result], sorted. Names of events and of acts of the
// operator are others.
func Results() []string {
	return []string{"accepted", "admitted", "answered", "busy", "cut off", "decrypted", "denied", "expired", "failed",
		"ignored", "invalid", "no node", "nobody was asked any more", "not signed", "pending", "refused", "session",
		"session and challenge", "signed", "uncertain"}
}

// Codes returns the codes of refusals, sorted.
func Codes() []string {
	codes := []policy.Code{CodeSession, CodeUnavailable, CodeBusy, CodePaused, CodeEnded, CodeGuard, policy.CodeDenied,
		policy.CodeUncovered,
		policy.CodeLimit,
		policy.CodeWrongKey, policy.CodeMixedAuthority, policy.CodeForeignAuthority, policy.CodeUnsupported,
		policy.CodePlainMemo, policy.CodeFirewall, policy.CodeNonce, policy.CodeClock, policy.CodeNobodyToAsk,
		policy.CodeTimeout, policy.CodeRefused, policy.CodeInvalid, "expired"}
	names := make([]string, len(codes))
	for i, code := range codes {
		names[i] = string(code)
	}
	slices.Sort(names)
	return names
}
