package policy

import "slices"

// What every key of the language says, in one sentence or two: for the schema that editors show,
// and for the reference under examples/policies, which is made of these tables. A test compares
// them with what the compiler takes.
var (
	fileKeys = []keyDoc{
		{"version", "The version of the language: `2`, or `1`, where what is probably not meant is a warning only."},
		{"lists", "Named lists, used as `$name` wherever a value or a list stands: `friends: [bob, carol]`."},
		{"allow", "Rules that allow what they match."},
		{"ask", "Rules that have a person asked about what they match, also where an allow rule matches too."},
		{"deny", "Rules that deny what they match, whatever other rules say."},
		{"limits", "How often, how many and how much, within a rolling window."},
		{"otherwise", "What becomes of what no rule names: `reject` (default) says no, `ignore` stays silent."},
	}
	ruleKeys = []keyDoc{
		{"name", "Unique in the file, at most 100 characters of a plain keyboard; it stands in logs, audit and " +
			"explanations. Charges of " +
			"a limit are kept by it."},
		{"comment", "For people."},
		{"mode", "`observe`: answers are as if the rule or limit were not there, and the audit trail records where " +
			"it would have changed one."},
		{"request", "What is asked for: `auth` (a session), `sign` (a transaction), `challenge` (a signed text), " +
			"`decrypt` (a memo). Required in allow and ask."},
		{"accounts", "Whose key answers: a list; left out or `any`: every account of the keystore. Name them in " +
			"`auth` and `challenge` rules of a wallet with several accounts: a login does not say inside what is " +
			"sealed for which account it is, so a relay can deliver it as another one's. `policy check` knows how " +
			"many there are, and warns."},
		{"apps", "The apps that ask: a list, or `any`. Required in allow and ask."},
		{"key", "`posting`, `active`, `memo`, `signing` (of a witness: for `witness_set_properties`), or a list. " +
			"Left out: `posting` (`memo` for decrypt) in allow and ask, " +
			"all in deny and limits. It is compared with what each operation needs, not with `key_type`: one that " +
			"needs two " +
			"keys needs a rule with both in allow and ask, and one of them is enough in deny and limits."},
		{"operations", "`sign`: names of operations, names with tests of their fields, or the groups `posting` and " +
			"(not in allow) `active`; an operation has to fit one of them. In allow `posting` leaves out " +
			"custom_json and beneficiaries, and it lets comment_options renounce the rewards of a post."},
		{"transaction", "`sign`: these operations, all, in this order, nothing else. A value `$1.permlink` is that " +
			"field of the first."},
		{"text", "`challenge`: a test of the text to sign. Required in allow and ask. A signed text can be a login " +
			"elsewhere. Texts with invisible characters are refused, whatever it says."},
		{"broadcast", "`sign`: `true` we send it (default in allow and ask), `false` the app gets it signed, `any` " +
			"(default in deny and limits). What is handed out signed goes through the relay in clear: the relay can " +
			"read it, send it, and keep it from the app."},
		{"transaction_by", "`sign`: who makes the transaction: `wallet` (default in allow and ask), `application`, " +
			"which then sets its expiration, within `limits.transaction_life` of the settings, and gets the " +
			"signatures, sealed; `any` (default in deny and limits)."},
		{"on_behalf_of", "`sign`: accounts whose authority an operation may need besides that of the request's " +
			"account: a list, or `any`. Left out in allow and ask: nobody's."},
		{"hours", "When the rule holds, in UTC, the end excluded: `08:00-20:00`; it may pass midnight. With `days`, " +
			"each hour belongs to the day on which it lies: `22:00-02:00` on `[fri]` is the first two hours and the " +
			"last two of Friday."},
		{"days", "Days of the week on which the rule holds, in UTC: `[mon, fri]`."},
		{"from", "When the rule begins to hold: `2027-01-01` or `2027-01-01T12:00:00Z`."},
		{"until", "When the rule ceases to hold; that instant is excluded."},
		{"takeover", "`allowed`: the rule may match account_update and account_update2 that can take the account " +
			"over. Allow and ask."},
		{"session", "`auth`: how long the session lives, such as `30d`; left out `24h`. Of several rules the " +
			"shortest holds. Allow and ask."},
		{"renew", "`auth`: an application whose session has expired gets it again by its auth_key, without a new " +
			"link, within this time of the end: `7d`, at most `30d`. Left out: it does not. Every rule that lets the " +
			"login pass must say it; the shortest holds. Allow and ask."},
		{"tell", "`true`: it is allowed at once, and a person is told by the notifiers of the settings. Allow."},
		{"only", "`uncovered`: a person is asked only where no allow rule matches. Ask."},
		{"timeout", "How long a person is waited for, such as `50s`; then it is denied. Ask."},
		{"approvers", "Whose yes counts, with a passkey: a list of approvers, or `any` of them. Left out, and " +
			"without `approvals`: whoever can answer, also at the command line. Where several rules ask, what each " +
			"of them demands. Ask."},
		{"approvals", "How many different approvers must say yes, each with a passkey: 1 to 5; left out: 1. Ask."},
		{"tell_first", "`true`: a yes counts once a notifier with `content: full` has taken a message of all that " +
			"the request does. A yes at the command line needs none. Ask."},
		{"answer", "`reject` (default) says no, `ignore` stays silent so that another wallet may answer. Deny."},
	}
	limitKeys = []keyDoc{
		{"requests", "How many requests: `20 per 1h`, or a list of such. The window is `request` or 1s to 366d."},
		{"count", "How many operations, or other parts of a request: `3 per request`."},
		{"spend", "How much value: `10.000 HBD per 24h`, or a list. An asset that is not listed has no room."},
		{"sum", "How many tokens, of numbers inside JSON that `of` finds: `500 per 24h`."},
		{"of", "What `sum` adds up: `list` is the field that holds JSON, `where` a test of each of its elements, " +
			"`field` the path to the number, `times` that to its price."},
		{"per", "One counter for each: `[account]`, `[app]`, `[actor]`, `[.to]` (a field), " +
			"`[.json.contractPayload.symbol]` (a path into JSON), or several together. JSON without one text or " +
			"number there, such as a list of actions, has no room. At most 10,000 that an app opened are in use, " +
			"and one request opens 1,000."},
		{"over", "Without room: `deny` (default), or `ask` a person."},
	}
	sumKeys = []keyDoc{
		{"list", "The field that holds JSON, such as `json`."},
		{"where", "A test of each element; what is clearly not meant is left out."},
		{"field", "The path to the number in each element, such as `.contractPayload.quantity`."},
		{"times", "The path to a number by which it is multiplied, such as `.contractPayload.price`: then the sum is " +
			"one " +
			"of value. What has a price of 0 costs nothing, so test the price, too."},
	}
	matcherKeys = []keyDoc{
		{"min", "At least: a number, an instant, or an amount with all its decimals."},
		{"max", "At most."},
		{"within", "An instant at most so far from now, before or after it: `5m`, `7d`. In JSON a number of seconds " +
			"or milliseconds since 1970, or a text of such a number or of ISO 8601. A request whose instant comes to " +
			"the edge while it waits for its turn is told busy."},
		{"not", "None of: values, lists of them, `min`, `max`, `within`, `glob`, `regexp`."},
		{"glob", "The whole text, `*` for any run and `?` for one character. `$account` and `$actor` are filled in."},
		{"regexp", "The whole text, RE2; single quotes keep backslashes. `$account` and `$actor` are filled in, but " +
			"for within brackets and behind a backslash."},
		{"present", "`true` or `false`: for what can be absent."},
		{"members", "The JSON object has no members beside these."},
		{"each", "Every element of a list fits, and there is one. A JSON value that is no list is a list of one."},
		{"any", "At least one element of a list fits."},
		{"exactly", "The list has these elements in this order."},
		{"size", "How many elements a list has: a number, or a test of it."},
	}
)

// says returns what a key says, "" if nobody wrote it down.
func says(key string, docs ...[]keyDoc) string {
	for _, d := range slices.Concat(docs...) {
		if d.key == key {
			return d.says
		}
	}
	return ""
}

// Keys of files of requests and of cases, with what they say. The reference is made of it.
var (
	requestKeys = []keyDoc{
		{"request", "`auth`, `sign`, `challenge` or `decrypt`"},
		{"account", "whose key would answer"},
		{"app", "the app that asks"},
		{"key_type", "`posting`, `active` or `memo`; left out: `posting`, `memo` for decrypt. What needs posting and " +
			"active, or the signing key of a witness, says `active`"},
		{"broadcast", "`sign`: `true` (default) or `false`"},
		{"transaction_by", "`sign`: `wallet` (default) or `application`"},
		{"operations", "`sign`: each as `vote: {voter: …}`, or as applications send it; all fields"},
		{"text", "`challenge`: the text to sign"},
		{"challenge", "`auth`: the challenge inside, a map of `key_type`, `text`, `decrypt`"},
		{"by_hand", "`auth`: `true` if the operator made or paired the session"},
		{"approved", "`true` if a person said yes"},
		{"time", "the instant; left out: now for `explain`, 2026-01-01T12:00:00Z for `test`"},
		{"counters", "what limits counted before: a list of maps of `limit`, `used` (`9.500 HBD`, `3`), `of` (which " +
			"counter of a limit with `per`, as `{.to: bob}`), `ago` (default: just now)"},
	}
	caseKeys = []keyDoc{
		{"name", "of the case, unique in the file"},
		{"comment", "for people"},
		{"steps", "instead of one answer: a list of requests, one after the other, " +
			"in which limits count what was " +
			"allowed before, as the agent does"},
	}
	expectKeys = []keyDoc{
		{"expect", "`allow`, `ask` or `deny`"},
		{"rule", "a rule or limit, or a list of them, that must be among those that give the decision"},
		{"code", "the code of the refusal. A case that expects `deny` fails without it where no permission would " +
			"help: `wrong-key`, `foreign-authority`, `unsupported`, `plain-memo`, `firewall`, `invalid`; and where " +
			"nothing but a misspelt app or account keeps the rules away, such as `tipbott`, unless it says " +
			"`uncovered` (by a policy of version 1 it passes, and `policy test` prints the doubt)"},
		{"silent", "`true` if the refusal must be silent, `false` if it must not"},
		{"session", "how long the session must live"},
		{"renew", "how long after its end the session must be renewable"},
		{"timeout", "how long a person must be waited for"},
		{"consents", "whose yes must be demanded, in words, or a list of such: `a yes of 2 of anna, bob`, " +
			"`a yes, after a notification of all of it`; `none`: anybody's is enough"},
		{"observed", "the answer if what is in `mode: observe` were in force: `deny`, or a map of `expect`, " +
			"`code`, " +
			"`rule`"},
		{"room", "what limits must have left afterwards: a list of maps of `limit`, `left` (`9.500 HBD`, " +
			"`3`), `of` " +
			"(which counter of a limit with `per`), `window` (left out: the one with the least room)"},
	}
	stepKeys = []keyDoc{
		{"comment", "for people"},
		{"after", "how much later than the step before: `2h`; left out: at the same instant"},
		{"times", "how often, one right after the other, each with this answer: 1 to 10000"},
	}
	caseFileKeys = []keyDoc{
		{"policy", "the policy file, beside this one; left out: NAME.yaml for NAME_test.yaml"},
		{"account", "for cases that say none"},
		{"app", "for cases that say none"},
		{"time", "for cases that say none"},
		{"cases", "the list of cases"},
	}
)

// keyDoc is a key with what it says.
type keyDoc struct{ key, says string }

func keysIn(docs ...[]keyDoc) (keys []string) {
	for _, doc := range docs {
		for _, d := range doc {
			keys = append(keys, d.key)
		}
	}
	return keys
}
