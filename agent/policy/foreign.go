package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// sayings is what to say to words that people know from other tools: each line has words, then what
// is said to them.
type sayings [][2]string

// plainWord takes marks from a word, and makes its letters small, so that is_not and isNot are one.
func plainWord(word string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", "$", "", " ", "").Replace(word))
}

// to returns what is said to a word, "" if nothing is.
func (s sayings) to(word string) string {
	word = plainWord(word)
	for _, line := range s {
		if slices.Contains(strings.Fields(line[0]), word) {
			return line[1]
		}
	}
	return ""
}

// keysOfOtherTools are keys of the file or of a rule.
var keysOfOtherTools = sayings{
	{"effect verdict decision permit target policy sid",
		"; the section says what happens: put the rule under allow, ask or deny"},
	{"rulename ruleid policyname policyid", "; did you mean \"name\"?"},
	{"priority order precedence weight rank override overrides final quick",
		"; leave it out: deny comes before ask, and ask before allow, whatever the order is"},
	{"enabled disabled enable disable active", "; leave it out: a rule is in force while it stands in the file"},
	{"condition conditions if where match matches filter filters", "; conditions are tests of fields, such as " +
		"operations: [vote: {author: bob}], and the times hours, days, from, until"},
	{"when schedule", "; say hours, days, from or until, in UTC; conditions are tests of fields, such as " +
		"operations: [vote: {author: bob}]"},
	{"unless except exception exceptions exclude excluding excludes", "; write a rule under deny for it, which " +
		"comes before allow, or a test of a field such as {not: bob}"},
	{"default defaultaction defaultpolicy fallback", "; what no rule allows is denied, and that cannot be changed; " +
		"otherwise: ignore at the top says only that such requests are not answered"},
	{"timezone tz zone", "; all times are UTC: leave it out, and write the hours of UTC"},
	{"rule rules statement statements policies acl acls grants permissions", "; rules stand under allow, ask, deny " +
		"and limits"},
	{"principal principals subject subjects who src source identity caller actor actors", "; apps says who may ask, " +
		"and accounts whose key answers"},
	{"verb verbs action actions method methods resource resources scope scopes dst object objects", "; request is " +
		"the kind of request, and operations what may be signed"},
	{"role roles rolebinding rolebindings bindings binding relations relation permissionset",
		"; there are no roles: each rule says apps and accounts, and a list names several: friends: [bob, carol]"},
	{"permission authority keytype level", "; key says which key: posting, active or memo; accounts says whose"},
	{"username useraccount wallet wallets address addresses", "; accounts says whose key answers"},
	{"selector selectors matchlabels labels", "; apps says who may ask"},
	{"consensus quorum approvals", "; one person answers: a rule under ask has a person asked"},
	{"include includes import imports extends", "; a policy is one file"},
	{"variables vars env groups group aliases sets define", "; say lists at the top: friends: [bob, carol], used as " +
		"$friends"},
	{"max maximum maxamount amount limit limits quota budget rate ratelimit threshold window period " +
		"interval cooldown burst daily",
		"; a limit, under limits, says requests, count, spend or sum, such as spend: 10.000 HBD per 24h"},
	{"ip host hosts network cidr origin domain url", "; requests come through relays, which know no address of the " +
		"application; apps says who may ask"},
	{"approvers approver approve approval confirm", "; a rule under ask has a person asked"},
	{"log notify alert", "; leave it out: every request is in the audit trail"},
}

// sectionsOfOtherTools are names of what allow, ask and deny are here.
var sectionsOfOtherTools = sayings{
	{"permit permits accept whitelist allowlist allowed allows grant grants permite", `; did you mean "allow"?`},
	{"forbid forbidden drop reject block blacklist blocklist denylist denied denies prohibit",
		`; did you mean "deny"?`},
	{"confirm prompt approve approval review asks", `; did you mean "ask"?`},
	{"on jobs name steps apiversion kind metadata spec package chain table model schema type id",
		"; leave it out: a policy is version, lists, allow, ask, deny, limits and otherwise"},
}

// fieldsOfOtherTools are names of fields, by what they are here. The first that an operation has is
// meant.
var fieldsOfOtherTools = sayings{
	{"destination dest dst recipient recipients receiver beneficiary target payto toaccount", "to payee"},
	{"sender source src fromaccount payer", "from"},
	{"value sum quantity qty amountcurrency", "amount"},
	{"message note text comment description", "memo body"},
	{"content", "body"},
	{"username user account voteraccount", "voter author owner account"},
	{"percent percentage power", "weight"},
	{"tag tags app", "json_metadata"},
	{"payload data", "json"},
}

// otherField returns what to write instead of a name that an operation has no field of, "" if
// nothing is known about it.
func otherField(name string, known []string) string {
	if slices.Contains([]string{"asset", "currency", "symbol", "token", "coin", "unit"}, plainWord(name)) &&
		slices.Contains(known, "amount") {
		return "; the asset stands in the amount, such as {max: 1.000 HBD}; tokens of side chains go by custom_json"
	}
	if plainWord(name) == "tags" && slices.Contains(known, "json_metadata") {
		return "; tags stand in the metadata: json_metadata: {.tags: {any: art}}"
	}
	for _, field := range strings.Fields(fieldsOfOtherTools.to(name)) {
		if slices.Contains(known, field) {
			return didYouMean(field, known)
		}
	}
	return ""
}

// sampleOperations are operations with the fields that people think of first.
var sampleOperations = []string{"transfer", "vote", "comment", "custom_json", "comment_options"}

// policyKeyHint returns what to do about a key that stands on the wrong level of a policy, or that
// people know from other tools; "" if nothing is known about it, or it stands in another file.
func policyKeyHint(key string, known []string) string {
	top, inRule := slices.Contains(known, "lists"), slices.Contains(known, "apps")
	says := keysOfOtherTools.to(key)
	switch {
	case !top && !inRule:
		return ""
	case top && sectionsOfOtherTools.to(key) != "":
		return sectionsOfOtherTools.to(key)
	case top && strings.HasPrefix(key, "default "):
		return keysOfOtherTools.to("default")
	case top && isRuleKey(key):
		return "; it is a key of a rule, and stands in the list under allow, ask, deny or limits"
	case inRule && slices.Contains([]string{"version", "lists", "allow", "ask", "deny", "limits", "otherwise"}, key):
		return "; it stands at the top of the file"
	case slices.Contains(operationNames, key):
		return fmt.Sprintf("; it is an operation: a rule says operations: [%s]", key)
	case slices.Contains(known, "spend") && says != "":
		return says
	case slices.Contains((&shape{kind: aJSON}).matchers(), key):
		return "; it is a test of a field, such as operations: [transfer: {amount: {max: 1.000 HBD}}]"
	}
	for _, name := range slices.Concat(sampleOperations, operationNames) {
		if _, ok := fieldsOf(name)[key]; ok {
			return fmt.Sprintf("; it is a field of an operation: operations: [%s: {%s: …}]", name, key)
		}
	}
	return says
}

// isRuleKey reports whether a word is a key of rules or limits.
func isRuleKey(key string) bool {
	for s := allowSection; s <= limitSection; s++ {
		if slices.Contains(sectionKeys[s], key) {
			return true
		}
	}
	return false
}

// operationsOfOtherTools are names by which people know operations.
var operationsOfOtherTools = sayings{
	{"like upvote downvote unvote", "; write vote"},
	{"post reply publish edit", "; write comment, for posts and answers alike"},
	{"reblog resteem follow unfollow mute", "; write custom_json: {id: follow}"},
	{"delegate undelegate delegation", "; write delegate_vesting_shares"},
	{"powerup stake", "; write transfer_to_vesting"},
	{"powerdown unstake", "; write withdraw_vesting"},
	{"send pay payment sendtoken", "; write transfer"},
	{"claim redeem harvest claimrewards", "; write claim_reward_balance"},
	{"swap trade exchange buy sell order", "; write limit_order_create; orders of Hive-Engine are custom_json"},
	{"login", "; a login is request: auth, or request: challenge where a text is signed"},
	{"auth session challenge decrypt sign", "; that is a kind of request, and stands under request"},
	{"not except", "; a rule names what it is about: name the others, or deny these under deny"},
}

// operationHint returns what to write in the place of what is no operation.
func operationHint(name string, s section) string {
	switch {
	case isWord(name, wordsForAll) && s == allowSection:
		return "; in allow each is named; the group posting is what the posting key does, but for custom_json"
	case isWord(name, wordsForAll) && s == askSection:
		return "; write posting, active"
	case isWord(name, wordsForAll):
		return "; leave operations out for all"
	case strings.ContainsAny(name, "!~^") || strings.HasPrefix(name, "-"):
		return operationsOfOtherTools.to("not")
	case strings.ContainsAny(name, "*?"):
		return "; operations have no pattern: name each"
	case strings.ContainsAny(name, ":."):
		return operationHint(name[strings.LastIndexAny(name, ":.")+1:], s)
	case strings.ContainsAny(name, ",|;"):
		return "; each is an entry of its own: [vote, comment]"
	}
	if slices.Contains(operationNames, name) {
		return "; write " + name
	}
	if says := operationsOfOtherTools.to(name); says != "" {
		return says
	}
	near := didYouMean(strings.TrimSuffix(strings.ToLower(name), "_operation"),
		append([]string{groupPosting, groupActive}, operationNames...))
	if near == "" {
		return fieldHint(name)
	}
	return near
}

// fieldHint returns where a field stands that is written like an operation, "" if it is none.
func fieldHint(name string) string {
	for _, operation := range operationNames {
		if fieldsOf(operation)[name] != nil {
			return fmt.Sprintf("; that is a field, and stands below its operation, such as %s: {%s: …}", operation,
				name)
		}
	}
	return ""
}

// valuesOfOtherTools are words in the place of one of the few that a key takes, by that key.
var valuesOfOtherTools = map[string]sayings{
	"request": {
		{"login signin logon connect token",
			"; auth opens a session, and a login to a site is challenge: a text is signed"},
		{"session authenticate", "; write auth"},
		{"encrypt memo", "; write decrypt, for memos that are read"},
		{"signing signs signature signtx transaction broadcast operation operations post pay",
			"; write sign, and name the operations"},
		{"signbuffer message text", "; write challenge, and the text"},
	},
	"mode": {
		{"audit monitor dryrun warn log test shadow permissive report simulate evaluate count learning",
			`; did you mean "observe"?`},
		{"enforce enforcing enabled on active block true strict", "; leave mode out: a rule is in force without it"},
		{"off disabled disable inactive none false", "; take the rule out, or write # before its lines"},
	},
	"answer": {
		{"drop silent silence none", `; did you mean "ignore"?`},
		{"deny refuse denied block no", `; did you mean "reject"?`},
	},
	"otherwise": {
		{"drop silent silence none", `; did you mean "ignore"?`},
		{"deny refuse denied block no", `; did you mean "reject"?`},
		{"allow accept permit pass yes any", "; what no rule allows is denied: write allow rules for all that may be"},
		{"ask", "; write a rule under ask, with operations: [posting, active]"},
	},
	"takeover": {{"true yes allow on", `; did you mean "allowed"?`}, {"false no deny denied off",
		"; leave takeover out"}},
	"over": {{"reject refuse block drop", `; did you mean "deny"?`}, {"allow observe log", "; write mode: observe"}},
	"only": {{"unlisted other others rest uncovered true", `; did you mean "uncovered"?`}},
}

// valueHint returns what to write instead of a value that a key does not take, "" if nothing is
// known about it.
func valueHint(key, word string, known []string) string {
	if says := valuesOfOtherTools[key].to(word); says != "" {
		return says
	}
	switch {
	case key == "days":
		return dayHint(word)
	case key == "request" && slices.Contains(operationNames, word):
		return fmt.Sprintf("; that is an operation: write request: sign and operations: [%s]", word)
	case key == "request" && (isWord(word, wordsForAll) || strings.ContainsAny(word, ",|")):
		return "; a rule is for one kind: write a rule for each (under deny and limits, leave request out for all)"
	}
	return ""
}

func dayHint(word string) string {
	day := strings.ToLower(word)
	switch {
	case isWord(word, wordsForAll), isWord(word, []string{"daily", "everyday"}):
		return "; leave days out for all"
	case allDigits(word):
		return "; days are named"
	case dayOf(day) != "":
		return "; write " + dayOf(day)
	}
	return ""
}

// dayOf returns the short name of a day that is written in full, "" for anything else.
func dayOf(word string) string {
	word = strings.ToLower(word)
	if len(word) > 3 && strings.HasSuffix(word, "day") && slices.Contains(weekdays, word[:3]) {
		return word[:3]
	}
	return ""
}

// keyWordHint returns what to write instead of a word that is no key.
func keyWordHint(word string, s section) string {
	switch {
	case isWord(word, wordsForAll) && s.permits():
		return "; name those that the rule is for: [posting, active]"
	case isWord(word, wordsForAll):
		return "; leave key out for all"
	case strings.ContainsAny(word, ",|;/ "):
		return "; write a list: [posting, active]"
	}
	return didYouMean(word, []string{"posting", "active", "memo", "signing"})
}

var looseHours = regexp.MustCompile(`^([0-9]{1,2})(?::([0-9]{2}))? ?(am|pm)?-([0-9]{1,2})(?::([0-9]{2}))? ?(am|pm)?$`)

// hoursHint returns a span of hours as the file writes it, "" if it is not clear what was meant.
func hoursHint(text string) string {
	m := looseHours.FindStringSubmatch(strings.ToLower(strings.ReplaceAll(text, " - ", "-")))
	if m == nil {
		return ""
	}
	var ends []string
	for i := 1; i < len(m); i += 3 {
		hour, _ := strconv.Atoi(m[i])
		switch {
		case m[i+2] != "" && (hour < 1 || hour > 12):
			return ""
		case m[i+2] != "":
			hour %= 12
		}
		if m[i+2] == "pm" {
			hour += 12
		}
		end := fmt.Sprintf("%02d:%s", hour, cmp.Or(m[i+1], "00"))
		if _, ok := parseClock(end); !ok {
			return ""
		}
		ends = append(ends, end)
	}
	write := strings.Join(ends, "-")
	if write == text || ends[0] == "24:00" {
		return ""
	}
	return fmt.Sprintf("; write %s if these are hours of UTC", write)
}

// severalNames matches names with blanks between them.
var severalNames = regexp.MustCompile(`^[a-z][a-z0-9.-]{2,}( [a-z][a-z0-9.-]{2,})+$`)

// accountPattern matches what can be a pattern of names.
var accountPattern = regexp.MustCompile(`^[a-z0-9.*?-]+$`)

// accountHint returns what was probably meant by what is no name of an account.
func accountHint(text string) string {
	small := strings.ToLower(text)
	_, err := hive.ParseAccountName(small)
	switch {
	case strings.HasPrefix(text, "@"):
		return ", and no @"
	case strings.HasPrefix(small, "not "):
		return fmt.Sprintf("; all but one is, in a test of a field, {not: %s}", strings.TrimSpace(small[len("not "):]))
	case strings.ContainsAny(text, ",|;") || severalNames.MatchString(text):
		return "; several are a list: [alice, bob]"
	case strings.HasPrefix(text, "!"):
		return "; all but one is {not: bob}"
	case strings.Contains(text, "{{") || strings.Contains(text, "${"):
		return "; nothing is filled in here"
	case strings.Contains(text, ":"):
		return "; a list is $friends, and the account of the request is $account"
	case strings.Trim(text, "“”„«»‘’‚") != text:
		return "; YAML knows the straight quotes only"
	case isWord(text, wordsForSelf):
		return "; the account of the request is $account"
	case isWord(small, wordsForAll):
		return "; there is no word for all: leave the test out if it may be anybody"
	case isWord(small, wordsForNothing) && small != "null":
		return `; there is no word for nobody: where the chain has nobody, that is ""`
	case looksLikeRegexp(text):
		if inner, ok := betweenSlashes(text); ok {
			text = inner
		}
		return fmt.Sprintf("; a pattern is written {regexp: '%s'}", text)
	case strings.ContainsAny(text, "*?") && accountPattern.MatchString(small):
		return fmt.Sprintf("; a pattern is written {glob: '%s'}", small)
	case err == nil:
		return "; write " + small
	}
	return ""
}

var (
	amountTest = regexp.MustCompile(`^(<=|>=|==?|!=|<>|<|>|max|min|up to|at most|at ` +
		`least|under|below|above)\s*([0-9].*)$`)
	amountRange = regexp.MustCompile(`^([0-9.]+)(?: [A-Za-z]+)?\s*(?:-|–|\.\.+|to)\s*([0-9.]+ [A-Za-z]+)$`)
	amountTight = regexp.MustCompile(`^([0-9.]+)([A-Za-z]+)$`)
	amountAhead = regexp.MustCompile(`^([A-Za-z]+) ?([0-9.]+)$`)
)

// foreignAmount returns what was probably meant by what is no amount, "" if that is not clear: a
// number that YAML has cut at a comma must not come back as advice.
func foreignAmount(text string) string {
	form, number, upper := "%s", "", ""
	if m := amountRange.FindStringSubmatch(text); m != nil {
		_, symbol, _ := strings.Cut(m[2], " ")
		form, number, upper = "{min: %s, max: %s}", m[1]+" "+symbol, m[2]
	} else if m := amountTest.FindStringSubmatch(text); m != nil {
		number = m[2]
		switch m[1] {
		case "=", "==":
		case "!=", "<>":
			form = "{not: %s}"
		case ">", ">=", "min", "at least", "above":
			form = "{min: %s}"
		default:
			form = "{max: %s}"
		}
	} else if m := amountTight.FindStringSubmatch(text); m != nil {
		number = m[1] + " " + m[2]
	} else if m := amountAhead.FindStringSubmatch(text); m != nil {
		number = m[2] + " " + m[1]
	}
	if number == "" {
		return otherMoney(text)
	}
	amounts := []any{writtenAmount(number)}
	if upper != "" {
		amounts = append(amounts, writtenAmount(upper))
	}
	if slices.Contains(amounts, any("")) {
		return otherMoney(number)
	}
	return "; write " + fmt.Sprintf(form, amounts...)
}

// otherMoney returns how to write an amount of what is none of the assets here, "" if it seems to
// be nothing of the kind. The number is never made another one.
func otherMoney(text string) string {
	m := moneyForm.FindStringSubmatch(text)
	switch {
	case bareForm.MatchString(text) && writeAmount(text, hive.HBD) != "":
		return fmt.Sprintf("; an amount says its asset: %s, %s or %s", writeAmount(text, hive.HIVE),
			writeAmount(text, hive.HBD), writeAmount(text, hive.VESTS))
	case shareForm.MatchString(text):
		return ": nothing here knows a balance to take a share of; write an amount, such as 1.000 HBD"
	case m == nil:
		return ""
	case strings.HasPrefix(text, "$") || strings.EqualFold(m[2], "usd"):
		return ": there are no dollars on the chain; write HBD or HIVE, such as 1.000 HBD"
	}
	switch strings.ToUpper(m[2]) {
	case "SBD":
		return ": SBD is of another chain, and its like here is HBD" + writeInstead(m[1], hive.HBD)
	case "STEEM":
		return ": STEEM is of another chain, and its like here is HIVE" + writeInstead(m[1], hive.HIVE)
	case "SP", "HP", "POWER", "HIVEPOWER", "HIVE POWER":
		return ": Hive Power is counted in VESTS, such as 1.000000 VESTS, whose worth in HIVE grows from day to day"
	case "BLURT", "HIVED", "HIVES", "HIV", "HDB", "VEST", "VESTING", "VSTS":
		return ": the assets are HIVE, HBD and VESTS"
	}
	return ""
}

// writeInstead returns advice to write a number with the asset that was meant.
func writeInstead(number string, symbol hive.Symbol) string {
	if amount := writeAmount(number, symbol); amount != "" {
		return "; write " + amount
	}
	return ""
}

var (
	moneyForm = regexp.MustCompile(`^\$? ?([0-9.]+) ?([A-Za-z]+(?: [A-Za-z]+)?)?$`)
	bareForm  = regexp.MustCompile(`^[0-9]+(?:\.[0-9]+)?$`)
	shareForm = regexp.MustCompile(`^[0-9.]+ ?%`)
)

// keyboard writes digits and marks of other scripts as those of a plain keyboard: full-width ones,
// which input methods write, and blanks that are none.
func keyboard(text string) string {
	return strings.Map(func(ch rune) rune {
		switch {
		case '！' <= ch && ch <= '～':
			return ch - '！' + '!'
		case ch == '、':
			return ','
		case ch == '。':
			return '.'
		case plain.OddSpace(ch):
			return ' '
		}
		return ch
	}, text)
}

// writtenAmount writes an amount with all decimals, "" if it is none.
func writtenAmount(text string) string {
	number, symbol, _ := strings.Cut(text, " ")
	for _, known := range []hive.Symbol{hive.HIVE, hive.HBD, hive.VESTS} {
		if strings.EqualFold(symbol, known.String()) {
			return writeAmount(number, known)
		}
	}
	return ""
}
