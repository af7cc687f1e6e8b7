// Package policy decides what the agent answers by itself. The rules stand in one YAML file that
// people write. This package reads the file and judges requests by it.
//
// # Where to start
//
// [Compile] turns a file into a [Policy], or into complaints with line and column. [Policy.Decide]
// judges a [Request] and returns a [Decision]: allow, ask or deny, the rules that gave it, and what
// it costs. [Book] is the memory of limits: the agent fills it from the charges that were stored.
//
// A decision has two halves. [Policy.Prospect] judges the rules, which need no counters, before the
// request waits for its turn. [Prospect.Conclude] adds the limits inside the commit. Decide is both
// in one step.
//
// [Policy.Report] explains a decision to people. [ReadCases] and [Policy.RunCases] run the cases
// that operators write for their policies, [Suggest] drafts a policy from what was seen, and
// [Schema] describes the language to editors. A request is written down in one form everywhere:
// [Written], [ReadRequest].
//
// # What it promises
//
// A decision depends on the policy, the request, the counters and the instant that are passed in,
// and on nothing else: no clock, no I/O, no state, no goroutine. The order of the file does not
// matter. There is a decision for every request, whatever it holds, and no panic; the zero Decision
// denies. What no rule allows is denied, and what is unclear counts against the request.
//
// The cost of a decision does not grow with rules that cannot concern the request: rules are found
// by kind, account, app and operation. Patterns and JSON take time linear in what the application
// sent.
//
// # How a test comes out
//
// In the language, a test is a condition on a field or a text. It has three outcomes: yes, no and
// unclear. A rule that allows needs yes; rules that ask, deny or count take unclear as yes. Fields
// of the chain have types, and their tests are checked when the file is read, so unclear comes
// mostly from JSON: text that two readers may read differently, the number 5 where the file has '5'
// in quotes, a member of what has no members. JSON is read more strictly than any game reads it: a
// name that stands twice makes all of it unclear.
//
// # Where we read the language in the safer of two ways
//
// A number with an exponent is no number. Text in quotes and a JSON number of the same value are
// unclear, whatever their spelling. A member of what is absent is absent, so that .a.b means the
// same as .a: {.b}. In deny and limits, on_behalf_of matches also if one of several accounts is
// named. Numbers of more than 60 digits are never added up. A challenge that asks for decryption is
// judged as decrypt, also inside an auth request. Rules that name keys are not about sessions,
// which need none.
package policy
