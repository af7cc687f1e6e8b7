package policy

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"pksa/agent/yamlnode"
	"pksa/protocol/hive"
	"pksa/protocol/plain"
)

// Keys of every rule and limit, then of each section.
var (
	commonKeys = []string{
		"name", "comment", "mode", "request", "accounts", "apps", "key", "operations", "transaction", "text",
		"broadcast", "transaction_by", "on_behalf_of", "hours", "days", "from", "until",
	}
	sectionKeys = map[section][]string{
		allowSection: with("takeover", "session", "renew", "tell"),
		askSection: with("takeover", "session", "renew", "only", "timeout", "approvers", "approvals",
			"tell_first"),
		denySection:  with("answer"),
		limitSection: with("requests", "count", "spend", "sum", "of", "per", "over"),
	}
	// keysOf says which kinds of request a key is about. What is not here is about all.
	keysOf = map[string][]Kind{
		"operations": {Sign}, "transaction": {Sign}, "broadcast": {Sign}, "on_behalf_of": {Sign}, "takeover": {Sign},
		"transaction_by": {Sign},
		"spend":          {Sign}, "sum": {Sign}, "text": {Challenge}, "session": {Auth}, "renew": {Auth},
		"key": {Sign, Challenge, Decrypt},
	}
)

func with(more ...string) []string { return append(slices.Clone(commonKeys), more...) }

const defaultSession = 24 * time.Hour

func (c *compiler) rule(n *yamlnode.Node, s section) *rule {
	r := &rule{section: s, line: n.Line}
	c.nodes[r], c.section = n, s
	m, ok := c.Mapping(n, "a rule", sectionKeys[s])
	if !ok {
		return r
	}
	c.common(m, r)
	if m.Has("session") {
		r.session = c.span(m.Value("session"), "session")
	}
	if m.Has("renew") {
		r.renew = c.span(m.Value("renew"), "renew")
		if r.renew > MostRenew {
			c.Complain(m.Value("renew"), "a session is renewed within 30d of its end at most: nothing is left of "+
				"it then")
		}
	}
	if m.Has("tell") {
		word, _ := c.OneOf(m.Value("tell"), "tell", "true", "false")
		r.tell = word == "true"
	}
	if m.Has("timeout") {
		r.timeout = c.span(m.Value("timeout"), "timeout")
	}
	c.readConsent(m, r)
	if m.Has("only") {
		word, _ := c.OneOf(m.Value("only"), "only", "uncovered")
		r.onlyUncovered = word == "uncovered"
	}
	if m.Has("answer") {
		word, _ := c.OneOf(m.Value("answer"), "answer", "reject", "ignore")
		r.silent = word == "ignore"
	}
	return r
}

// common reads what rules and limits share.
func (c *compiler) common(m yamlnode.Mapping, r *rule) {
	c.readName(m, r)
	if m.Has("comment") {
		c.Scalar(m.Value("comment"), "comment")
	}
	if m.Has("mode") {
		word, _ := c.OneOf(m.Value("mode"), "mode", "observe")
		r.observe = word == "observe"
	}
	c.readKinds(m, r)
	c.readMust(m, r)
	r.accounts = c.readNames(m, "accounts", c.checkOwnAccount)
	r.apps = c.readNames(m, "apps", c.checkApp)
	r.behalf = c.readNames(m, "on_behalf_of", c.checkAccount)
	// A nil set is anybody. What a rule that permits leaves out must be narrow: nobody else.
	if r.behalf == nil && r.section.permits() && !m.Has("on_behalf_of") {
		r.behalf = nameSet{}
	}
	c.readKeys(m, r)
	c.readBroadcast(m, r)
	c.readMaker(m, r)
	c.readSchedule(m, r)
	if m.Has("takeover") {
		word, _ := c.OneOf(m.Value("takeover"), "takeover", "allowed")
		r.takeover = word == "allowed"
	}
	c.readOperations(m, r)
	if m.Has("text") {
		// Who asks about every text has no other way to say so.
		c.everyText = c.section == askSection
		r.text = c.matcher(m.Value("text"), documentShape, "text")
		c.everyText = false
	}
}

func (c *compiler) readName(m yamlnode.Mapping, r *rule) {
	if !m.Has("name") {
		if !m.Missing("name") {
			return
		}
		c.Complain(m.Node, "a name is missing; it stands in logs, audit and explanations")
		return
	}
	n := m.Value("name")
	name, ok := c.Scalar(n, "name")
	switch {
	case !ok:
		return
	case name == "", len(name) > 100, strings.TrimSpace(name) != name, strings.ContainsFunc(name, plain.Hidden):
		c.Complain(n, "%s: a name is 1 to 100 characters on one line, without blanks around and without characters "+
			"that nobody sees", quote(name))
	case c.names[name] > 0:
		c.Complain(n, "%s is the name of another rule or limit, on line %d; names are unique in the file", quote(name),
			c.names[name])
	default:
		c.names[name] = n.Line
		c.reviewLetters(n, name)
	}
	r.name = name
}

// reviewLetters warns of a name that may look like another one: with letters of another script, or
// with spaces that are not the usual one.
func (c *compiler) reviewLetters(n *yamlnode.Node, name string) {
	if i := strings.IndexFunc(name, func(ch rune) bool { return ch >= utf8.RuneSelf }); i >= 0 {
		ch, _ := utf8.DecodeRuneInString(name[i:])
		c.Warn(n, "the name %s has the character %q (%U): other letters can look like the usual ones; write names "+
			"with the letters a to z, digits and signs of a plain keyboard", quote(name), ch, ch)
	}
}

// readKinds settles which kinds of request the rule is about: the one it says, and where it may
// leave that out, those that its other keys are about.
func (c *compiler) readKinds(m yamlnode.Mapping, r *rule) {
	r.kinds = map[Kind]bool{Auth: true, Sign: true, Challenge: true, Decrypt: true}
	said := ""
	if n := m.Value("request"); n != nil && n.Kind == yamlnode.List && !c.Bad(n) {
		c.Complain(n, "request is a single value: write a rule for each kind of request")
		return
	}
	if m.Has("request") {
		word, ok := c.OneOf(m.Value("request"), "request", kindNames[Auth:]...)
		if !ok {
			return
		}
		said = word
		for k := range r.kinds {
			r.kinds[k] = k.String() == word
		}
	}
	// Each key that is about some kinds only leaves those. A rule for none of them would be dead,
	// and whoever wrote it believes that it works.
	for _, key := range sectionKeys[r.section] {
		about := keysOf[key]
		if about == nil || !m.Has(key) {
			continue
		}
		left := map[Kind]bool{}
		for k, on := range r.kinds {
			if on && slices.Contains(about, k) {
				left[k] = true
			}
		}
		if len(left) == 0 {
			c.complainKind(m.Key(key), said, about)
			continue
		}
		r.kinds = left
	}
}

func (c *compiler) complainKind(key *yamlnode.Node, said string, about []Kind) {
	if said == "" {
		c.Complain(key, "%s is for request: %s, and another key of this rule is for other requests; none is both",
			key.Text, about[0])
		return
	}
	c.Complain(key, "%s is not for request: %s, but for %s", key.Text, said, joinKinds(about))
}

func joinKinds(kinds []Kind) string {
	var words []string
	for _, k := range kinds {
		words = append(words, k.String())
	}
	return strings.Join(words, ", ")
}

// readMust complains about what a rule that permits has to say.
func (c *compiler) readMust(m yamlnode.Mapping, r *rule) {
	if m.Has("operations") && m.Has("transaction") {
		c.Complain(m.Key("transaction"),
			"say operations (each by itself) or transaction (these, all, in this order), not both")
	}
	if !r.section.permits() {
		return
	}
	// In deny and limits all that is left out is any, and that is safe. Here it would permit.
	for _, key := range []string{"request", "apps"} {
		if m.Missing(key) {
			c.Complain(m.Node, "%s is required in %s%s", key, r.section, map[string]string{
				"request": ": auth, sign, challenge or decrypt", "apps": ": a list of apps, or any"}[key])
		}
	}
	if !m.Has("request") || c.Bad(m.Value("request")) {
		return
	}
	switch {
	case r.kinds[Sign] && !m.HasAny("operations", "transaction"):
		c.Complain(m.Node, "operations or transaction is required with request: sign")
	case r.kinds[Challenge] && m.Missing("text"):
		c.Complain(m.Node, `text is required with request: challenge; a signed text can be a credential elsewhere`)
	}
}

// readNames reads a list of names, or the word any.
func (c *compiler) readNames(m yamlnode.Mapping, key string, check func(n *yamlnode.Node, name string)) nameSet {
	if !m.Has(key) {
		return nil
	}
	n := m.Value(key)
	if c.Bad(n) || n.Kind == yamlnode.Scalar && n.Text == "any" {
		return nil
	}
	set := nameSet{}
	if n.Kind == yamlnode.Map {
		c.Complain(n, "%s is a list of names, or the word any, and has no tests; what some of them must not do stands "+
			"under deny", key)
		return set
	}
	// A word without brackets is any or the name of a list. A name here may be a misspelt any,
	// which in a deny rule would then forbid nothing.
	if n.Kind == yamlnode.Scalar && !strings.HasPrefix(n.Text, "$") {
		write := "[" + n.Text + "]"
		if n.Null {
			c.Complain(n, "%s is a list, or the word any, and null is none; name whom you mean, or write %s: any",
				key, key)
			return set
		}
		switch {
		case isWord(n.Text, wordsForAll):
			write = "any"
		case strings.Contains(n.Text, "{{"):
			write = "the names: nothing is filled in here"
		case c.lists[n.Text] != nil:
			write = "$" + n.Text
		default:
			c.ComplainOfForm(n, "%s is a list, or the word any; write %s", key, write)
			check(n, n.Text)
			return set
		}
		c.Complain(n, "%s is a list, or the word any; write %s", key, write)
		return set
	}
	items := []*yamlnode.Node{n}
	if n.Kind != yamlnode.Scalar {
		items = c.Sequence(n, key)
	}
	for _, item := range c.expand(items, key) {
		if text, ok := c.Scalar(item, "a name"); ok {
			check(item, text)
			c.reviewName(item, key, text)
			set[text] = true
		}
	}
	return set
}

// expand puts the items of lists in the place of their names.
func (c *compiler) expand(items []*yamlnode.Node, key string) []*yamlnode.Node {
	var out []*yamlnode.Node
	for _, item := range items {
		name, isRef := strings.CutPrefix(item.Text, "$")
		switch list, known := c.lists[name]; {
		case item.Kind != yamlnode.Scalar || !isRef:
			out = append(out, item)
		case !known && (name == accountName || name == actorName):
			c.Complain(item, "$%s has no meaning in %s", name, key)
		case !known:
			c.Complain(item, "there is no list %q%s", name, c.meantList(name))
		default:
			out = append(out, c.expand(list, key)...)
		}
	}
	return out
}

func (c *compiler) checkAccount(n *yamlnode.Node, name string) {
	// There may be an account of that name, but a deny rule that was meant for all and holds for it
	// alone would deny nothing.
	if name == "any" {
		c.Complain(n, "for all accounts write the word any, without brackets")
		return
	}
	if strings.Contains(name, "*") {
		c.Complain(n, "%s is no account name, and no star stands for others; for all accounts write the word any, "+
			"without brackets", quote(name))
		return
	}
	if _, err := hive.ParseAccountName(name); err != nil {
		c.Complain(n, "%s is no account name: 3 to 16 of a-z, 0-9, - and dots%s", quote(name), accountHint(name))
	}
}

// checkOwnAccount checks the name of an account whose key answers.
func (c *compiler) checkOwnAccount(n *yamlnode.Node, name string) {
	c.checkAccount(n, name)
	if known := c.options.Accounts; !c.Bad(n) {
		c.warnWhile(len(known) > 0 && !slices.Contains(known, hive.AccountName(name)), n,
			"%s is no account of the keystore", quote(name))
	}
}

func (c *compiler) checkApp(n *yamlnode.Node, name string) {
	switch {
	case name == "any":
		c.Complain(n, `for all apps write apps: any, without brackets`)
	case name == "" || len(name) > 100 || strings.ContainsFunc(name, notInNames):
		c.Complain(n, "%s is no name of an app", quote(name))
	case strings.ContainsFunc(name, func(ch rune) bool { return ch >= utf8.RuneSelf }):
		c.reviewLetters(n, name)
	default:
		c.warnWhile(len(c.options.Apps) > 0 && !slices.Contains(c.options.Apps, name), n,
			"there is no app %s%s", quote(name), didYouMean(name, c.options.Apps))
	}
}

// notInNames reports whether a rune stands in no name of an app.
func notInNames(r rune) bool { return plain.Hidden(r) || unicode.IsSpace(r) }

// readKeys settles which keys the rule is about. Left out, it is posting, or memo for decrypt, in a
// rule that permits, and every key in one that forbids or counts.
func (c *compiler) readKeys(m yamlnode.Mapping, r *rule) {
	if !m.Has("key") {
		if r.section.permits() {
			r.keys = map[hive.Role]bool{hive.Posting: true}
			if r.kinds[Decrypt] {
				r.keys = map[hive.Role]bool{hive.Memo: true}
			}
			if r.kinds[Auth] {
				r.keys = nil // a session needs no key
			}
		}
		return
	}
	r.keys, r.keysSaid = map[hive.Role]bool{}, true
	unknown := false
	for _, item := range m.Value("key").Each() {
		word, ok := c.Scalar(item, "key")
		role, err := hive.ParseRole(word)
		switch {
		case !ok:
		case role == hive.Owner:
			c.Complain(item, "the owner key signs nothing here; the keystore does not take it")
		case err != nil:
			c.Complain(item, "key: %s is none of posting, active, memo, signing%s", quote(word),
				keyWordHint(word, r.section))
			unknown = true
		default:
			r.keys[role] = true
			c.checkKeyKind(item, role, r)
		}
	}
	if unknown {
		r.keys = nil // what key the operations lack is not known
	}
}

func (c *compiler) checkKeyKind(n *yamlnode.Node, role hive.Role, r *rule) {
	only := -1
	for k, on := range r.kinds {
		if on && only == -1 {
			only = int(k)
		} else if on {
			only = -2
		}
	}
	switch {
	case role == hive.Signing && !r.kinds[Sign]:
		c.Complain(n, "the signing key of a witness signs operations only; leave it out")
	case only == int(Sign) && role == hive.Memo:
		c.Complain(n, "the memo key signs no operations; write posting or active")
	case only == int(Decrypt) && role != hive.Memo:
		c.Complain(n, "decrypt is for the memo key only; leave key out")
	}
}

func (c *compiler) readBroadcast(m yamlnode.Mapping, r *rule) {
	if !m.Has("broadcast") {
		// An application that gets the signed transaction can keep it back and send it later, so
		// that has to be said.
		if r.section.permits() && r.kinds[Sign] {
			yes := true
			r.broadcast = &yes
		}
		return
	}
	word, ok := c.OneOf(m.Value("broadcast"), "broadcast", "true", "false", "any")
	if ok && word != "any" {
		said := word == "true"
		r.broadcast = &said
	}
}

// makers say who makes a transaction.
var makers = []string{"wallet", "application"}

func makerName(exact bool) string {
	if exact {
		return makers[1]
	}
	return makers[0]
}

// readMaker reads who makes the transaction. What lets one of an application pass says so: that one
// can live for longer than ours, and comes back with its signatures.
func (c *compiler) readMaker(m yamlnode.Mapping, r *rule) {
	if !m.Has("transaction_by") {
		if r.section.permits() && r.kinds[Sign] {
			r.exact = new(bool)
		}
		return
	}
	word, ok := c.OneOf(m.Value("transaction_by"), "transaction_by", append(slices.Clone(makers), "any")...)
	if ok && word != "any" {
		said := word == makers[1]
		r.exact = &said
	}
}

func (c *compiler) span(n *yamlnode.Node, what string) time.Duration {
	text, ok := c.Scalar(n, what)
	if !ok {
		return 0
	}
	d, err := parseSpan(text)
	if err != nil {
		c.Complain(n, "%v", err)
	}
	return d
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func (c *compiler) readSchedule(m yamlnode.Mapping, r *rule) {
	r.when.from = c.instant(m, "from")
	r.when.until = c.instant(m, "until")
	if f, u := r.when.from, r.when.until; !f.IsZero() && !u.IsZero() && !f.Before(u) {
		c.Complain(m.Key("until"), "until is not after from; the rule would never hold")
	}
	if m.Has("days") {
		r.when.days = map[time.Weekday]bool{}
		for _, item := range c.days(m.Value("days")) {
			if word, ok := c.OneOf(item, "days", weekdays...); ok {
				r.when.days[time.Weekday(slices.Index(weekdays, word))] = true
			}
		}
	}
	if m.Has("hours") {
		c.readHours(m.Value("hours"), r)
	}
}

func (c *compiler) instant(m yamlnode.Mapping, key string) time.Time {
	if !m.Has(key) {
		return time.Time{}
	}
	text, ok := c.Scalar(m.Value(key), key)
	if !ok {
		return time.Time{}
	}
	t, err := parseInstant(text)
	if err != nil {
		c.Complain(m.Value(key), "%v", err)
	}
	return t
}

func (c *compiler) readHours(n *yamlnode.Node, r *rule) {
	if n.Kind == yamlnode.List && !c.Bad(n) {
		c.Complain(n, "hours is a single span; write another rule for each of the others")
		return
	}
	text, ok := c.Scalar(n, "hours")
	if !ok {
		return
	}
	from, to, dash := strings.Cut(text, "-")
	start, okStart := parseClock(from)
	end, okEnd := parseClock(to)
	switch {
	case !dash || !okStart || !okEnd || start == 24*60:
		c.Complain(n, "%s: hours are written 08:00-20:00, in UTC%s", quote(text), hoursHint(text))
	case start == end:
		c.Complain(n, "%s begins and ends at the same minute; leave hours out for the whole day", quote(text))
	default:
		r.when.hours = &hours{start, end}
	}
}

// parseClock returns the minute of the day; 24:00 is its end.
func parseClock(s string) (int, bool) {
	if len(s) != 5 || s[2] != ':' || !allDigits(s[:2]) || !allDigits(s[3:]) {
		return 0, false
	}
	h, _ := strconv.Atoi(s[:2])
	m, _ := strconv.Atoi(s[3:])
	at := h*60 + m
	return at, m < 60 && at <= 24*60
}
