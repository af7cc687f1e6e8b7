// Package policy decides what the agent answers by itself. One YAML file, written by people, says
// it; this package reads the file and judges requests.
//
// # Where to start
//
// [Compile] turns a file into a [Policy], or into complaints that name line and column.
// [Policy.Decide] judges a [Request] and returns a [Decision]: allow, ask or deny, which rules gave
// that, and what it costs. [Book] is the memory of limits: the agent fills it from charges that
// were stored.
//
// For people there are [Policy.Report], which says why and what would have been needed, [ReadTests]
// with [Policy.Test], [Suggest] and [Schema]. A request is written down in one form everywhere:
// [Written], [ReadRequest].
//
// # What it promises
//
// A decision depends on the policy, the request, the counters and the instant that are passed in,
// and on nothing else: no clock, no I/O, no state, no goroutine. It depends on no order within the
// file. It is total: whatever the request holds, there is an answer and no panic, and the zero
// Decision denies. What nobody allows is denied, and what cannot be told counts against the
// request.
//
// The cost of a decision does not grow with rules that cannot concern the request: rules are found
// by kind, account, app and operation. Patterns and JSON take time linear in what the application
// sent.
//
// # How a test comes out
//
// Tests have three outcomes: yes, no and unclear. A rule that allows needs yes; rules that ask,
// deny or count take unclear as yes. Chain fields are typed and checked when the file is read, so
// unclear comes mostly from JSON: text that two readers may read differently, the text "5" where
// the file says 5 in quotes, a member of what has none. JSON is read more strictly than any game
// does: a name that stands twice makes all of it unclear.
//
// # Where we read the language in the safer of two ways
//
// A number with an exponent is no number. Text in quotes and a JSON number of the same value are
// unclear, whatever their spelling. A member of what is absent is absent, so that .a.b says the
// same as .a: {.b}. In deny and limits on_behalf_of matches also if one of several accounts is
// named. Numbers of more than 60 digits are never added up. A challenge that asks for decryption is
// judged as decrypt, also inside an auth request. What names keys is not about sessions, which need
// none.
package policy
