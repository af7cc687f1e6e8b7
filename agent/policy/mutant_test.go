package policy_test

import (
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	mutants = flag.Int("mutants", 0, "break the engine in each `n`th of the ways of mutant_test.go, and see the "+
		"other tests fail; 0 for none")
	mutantsFrom = flag.Int("mutantsfrom", 0, "which of each `n` mutants it is: any number")
)

// mutant is a way to break the engine: in a file, one text for another. The test that meets it is
// one of several, perhaps: it runs first, because all tests for each mutant would take longer than
// all else.
type mutant struct{ says, file, old, new, test string }

// testsOfReview are those that can meet a mutant of the review, which gives nothing but warnings.
const testsOfReview = "TestWarnings|TestWhatNeverMatchesNeverDoes|TestCertainRelationsOfTestsHold"

// brokenWays are mistakes that somebody may make when changing this code. Each lets something
// through that the language does not, or refuses what it permits.
var brokenWays = []mutant{
	{"a deny rule does not beat others", "decide.go", "case len(m.deny) > 0:\n\t\tfirst",
		"case len(m.deny) > 0 && len(m.allow) == 0:\n\t\tfirst",
		"TestSeveralActors"},
	{"asked only where nothing allows, whatever the rule says", "decide.go", "case r.onlyUncovered:", "case true:",
		"TestReportNamesTheDoubt"},
	{"asked about what is covered", "decide.go", "if len(m.allow) == 0 {", "if true {",
		"TestTheFirstPage"},
	{"observed rules are in force", "decide.go", "if r.observe && !j.observed {\n\t\t\treturn",
		"if false {\n\t\t\treturn",
		"TestOnlyWhatIsAllowedIsCharged"},
	{"observed limits never show", "conclude.go", "l.observe && !c.observed {", "l.observe {",
		"TestExample8SupportDesk"},
	{"time goes back", "decide.go", "now.Before(latest) {", "false {",
		"TestTimeNeverGoesBack"},
	{"one silent rule silences the others", "decide.go",
		"slices.ContainsFunc(m.deny, func(r *rule) bool { return !r.silent })", "!firstByName(m.deny).silent",
		"TestAgainstNaiveEvaluator"},
	{"a yes stands for a limit that denies", "conclude.go", "case !l.over:",
		"case !l.over && !c.scope.request.Approved:",
		"TestUnclearCostNeverHasRoom"},
	{"a yes does not stand for a limit that asks", "conclude.go", "case !c.scope.request.Approved:\n\t\t\tc.overAsk",
		"default:\n\t\t\tc.overAsk",
		"TestUnclearCostNeverHasRoom"},
	{"a yes does not stand for a rule that asks", "conclude.go", "if c.scope.request.Approved {", "if false {",
		"TestTheFirstPage"},
	{"limits keep the hours of the first half", "conclude.go", "at.now = now.UTC()", "at.now = s.at.UTC()",
		"TestConcludeIsDecide"},
	{"a policy that was replaced decides", "prospect.go", "case s.policy != inForce:", "case false:",
		"TestSecondHalfComparesNothing"},
	{"a request that was changed is not judged again", "prospect.go", "case !s.judged.same(s.request):", "case false:",
		"TestConcludeIsDecide"},
	{"other operations pass for those that were judged", "prospect.go", "&q.Ops[0] == &other.Ops[0]", "true",
		"TestConcludeIsDecide"},
	{"hours are those of the first half", "prospect.go",
		"return s.rules.steady.holds(now) && s.observed.steady.holds(now)",
		"return true",
		"TestSecondHalfComparesNothing"},
	{"observed hours are those of the first half", "prospect.go",
		"return s.rules.steady.holds(now) && s.observed.steady.holds(now)",
		"return s.rules.steady.holds(now)",
		"TestProspectOfObservedHours"},
	{"limits have the hours of the first half", "prospect.go", "s.counted.known && s.counted.holds(at.now)",
		"s.counted.known",
		"TestConcludeIsDecide"},
	{"what nobody named ends the search for a deny rule", "decide.go", "case !j.forbidden && forbids:", "case false:",
		"TestAgainstNaiveEvaluator"},
	{"a silent denial ends the search for one that speaks", "decide.go",
		"return j.spoken || !forbids && j.policy.otherwise", "return true",
		"TestAgainstNaiveEvaluator"},
	{"what asks at another hour is not seen behind a denial", "decide.go", "j.mayAsk = j.mayAsk || j.policy.asks",
		"_ = j",
		"TestAskBehindADenialOfAnHour"},
	{"surely denied, until the hour comes", "prospect.go", "case j.denied() && !j.timed:", "case j.denied():",
		"TestAskBehindADenialOfAnHour"},
	{"a rule that asks at certain hours never asks", "prospect.go", "j.timed && j.mayAsk, ", "",
		"TestAskBehindADenialOfAnHour"},
	{"a limit that asks never asks", "prospect.go", ", s.limitMayAsk():", ":",
		"TestOutlookHolds"},
	{"the longest session holds", "decision.go", "b < a {", "b > a {",
		"TestAgainstNaiveEvaluator"},
	{"the longest renewal holds", "decide.go", "r.renew < j.decision.Renew", "r.renew > j.decision.Renew",
		"TestRenew"},
	{"a rule that says nothing of renewals counts for nothing", "decide.go", "if i == 0 || r.renew < j",
		"if i == 0 || r.renew != 0 && r.renew < j",
		"TestRenew"},
	{"a renewal outlives a denial", "decide.go", "d.Session, d.Renew, d.Timeout = 0, 0, 0",
		"d.Session, d.Timeout = 0, 0",
		"TestAgainstNaiveEvaluator"},
	{"allow takes unclear for yes", "rule.go", "o == unclear && r.section != allowSection", "o == unclear",
		"TestWarnings"},
	{"deny takes unclear for no", "rule.go", "o == unclear && r.section != allowSection",
		"o == unclear && r.section == askSection",
		"TestATextIsComparedWithANumberThatHasAnExponent"},
	{"a group takes the account over", "rule.go", "(e.group || !r.takeover)", "!r.takeover",
		"TestGroupTakesNothingOver"},
	{"the posting group has beneficiaries", "rule.go", "known == yes && len(items) == 0",
		"known == yes && len(items) >= 0",
		"TestEveryOperation"},
	{"the end of hours is included", "rule.go", "minute < w.hours.end\n\t}", "minute <= w.hours.end\n\t}",
		"TestAgainstNaiveEvaluator"},
	{"until is included", "rule.go", "!now.Before(w.until)", "now.After(w.until)",
		"TestEdgesOfDates"},
	{"the last actor speaks for all", "rule.go", "all = all && (named || actor == q.Account)",
		"all = named || actor == q.Account",
		"TestSeveralActors"},
	{"operations may follow a transaction", "rule.go", "len(r.entries) != len(s.operations)",
		"len(r.entries) > len(s.operations)",
		"TestAgainstNaiveEvaluator"},
	{"what is absent is not what not says", "matcher.go", "return unclear\n\t}\n\treturn m.matcher.check(s, v).not()",
		"return yes\n\t}\n\treturn m.matcher.check(s, v).not()",
		"TestCertainRelationsOfTestsHold"},
	{"each takes an empty list", "matcher.go", "if len(items) == 0 {", "if false {",
		"TestCertainRelationsOfTestsHold"},
	{"max is excluded", "matcher.go", "outcomeOf(order <= 0)", "outcomeOf(order < 0)",
		"TestPageTeachesWhatIsTrue"},
	{"an amount of any asset fits", "matcher.go", "outcomeOf(v.asset.Symbol == limit.asset.Symbol)", "yes",
		"TestBadFiles"},
	{"a dot takes no line break", "matcher.go", "`\\A(?s:`", "`\\A(?:`",
		"TestWarnings"},
	{"a pattern takes a part of the text", "matcher.go", "`)\\z`", "`)`",
		"TestWarnings"},
	{"the last of two equal names counts", "json.go", "twice {", "twice && false {",
		"TestUnclearCostNeverHasRoom"},
	{"the instant a window ago counts", "series.go", "grain) > from })", "grain) >= from })",
		"TestWindowIsOpenAtItsStart"},
	{"a slice leaves as soon as its charges may", "grain.go", "return at + grain - over", "return at - over",
		"TestChargeLeavesWithItsSlice"},
	{"what a window in force sees is merged", "grain.go", "age >= perWindow*grain", "age >= grain",
		"TestKeepDropsWhatIsTooOld"},
	{"what was counted before a split is forgotten", "split.go", "s = sh.sum(common(name, dims), dims)",
		"_ = common(name, dims)",
		"TestWhatWasChargedBeforeASplitCountsInEverySplit"},
	{"a full budget is over", "room.go", "total.Cmp(q.most) <= 0", "total.Cmp(q.most) < 0",
		"TestPageTeachesWhatIsTrue"},
	{"an asset that is not named is free", "room.go", "states = append(states, l.state(none, c, counters, now))",
		"_ = none",
		"TestReasons"},
	{"a cost that cannot be told is none", "room.go", "st.Room = \"unclear\", false", "st.Room = \"unclear\", true",
		"TestUnclearCostNeverHasRoom"},
	{"what costs nothing needs room", "room.go", "own.Sign() == 0 || ", "",
		"TestCostOfNothingHasRoom"},
	{"a negative number gives room", "limit.go", "if d.negative {", "if false {",
		"TestUnclearCostNeverHasRoom"},
	{"what may be meant is not summed", "limit.go", "t.where.check(s, item) == no", "t.where.check(s, item) != yes",
		"TestAgainstNaiveEvaluator"},
	{"one of several actors is counted", "limit.go", "actors = append(actors, string(a))",
		"actors = []string{string(a)}",
		"TestLimitOfSeveralActors"},
	{"decryption passes for a challenge", "request.go", "if c.Decrypt {", "if false {",
		"TestAgainstNaiveEvaluator"},
	{"a higher key does as well", "check.go", "q.Role != needed {", "q.Role < needed {",
		"TestWitnessKey"},
	{"a posting key signs what needs active too", "check.go", "slices.Max(roles)", "slices.Min(roles)",
		"TestLevels"},
	{"what needs two keys has the rights of one", "check.go", "if len(need.Active) > 0 {",
		"if len(need.Active) > 0 && len(roles) == 0 {",
		"TestLevels"},
	{"a rule for one key allows what needs two", "rule.go", "len(roles) > 0 && missing == 0", "missing < len(roles)",
		"TestLevels"},
	{"a rule against one key misses what needs two", "rule.go", "\treturn missing < len(roles)",
		"\treturn missing == 0",
		"TestLevels"},
	{"only the accounts of one level are looked at", "request.go", "slices.Concat(need.Active, need.Posting)",
		"slices.Concat(need.Active)",
		"TestSeveralActors"},
	{"rules of an account are not found", "index.go", "k.account = name", "_ = name",
		"TestDecisionStopsEarly"},
	{"charges are forgotten after 31 days whatever the window is", "limit.go", "longest = max(longest, q.window)",
		"_ = q",
		"TestChargesLiveAsLongAsTheLongestWindow"},
	{"a book forgets charges after 31 days whatever the window is", "split.go", "-max(lc.longest, atLeastKept)",
		"-atLeastKept",
		"TestKeepDropsWhatIsTooOld"},
	{"the end of hours past midnight is included", "rule.go", "<= minute || minute < w.hours.end",
		"<= minute || minute <= w.hours.end",
		"TestTheEndOfHoursPastMidnightIsExcluded"},
	{"a text is never a number with an exponent", "matcher.go", "(v.odd || d.compare(v.number) == 0)",
		"(d.compare(v.number) == 0)",
		"TestLiteralsMatchAsOneByOne"},
	{"a field that another operation lacks is different", "matcher.go",
		"other.kind == isAbsent || other.kind == isUnreadable {\n\t\treturn unclear",
		"other.kind == isAbsent || other.kind == isUnreadable {\n\t\treturn no",
		"TestAFieldThatTheOtherOperationLacks"},
	{"what waits for a person is charged", "conclude.go", "= Ask, d.Charges, nil", "= Ask, d.Charges, d.Charges",
		"TestOnlyWhatIsAllowedIsCharged"},
	{"what only would be allowed is charged", "conclude.go", "o.Charges, o.reserved = nil, nil", "o.reserved = nil",
		"TestOnlyWhatIsAllowedIsCharged"},
	{"charges of another account count after a change of per", "split.go", "if _, ok := dims[name]; ok {",
		"if false {",
		"TestWhatWasChargedBeforeASplitCountsInEverySplit"},
	{"the sums of an app have no bound", "thin.go", "if h.n <= max(h.next, lc.most) {", "if true {",
		"TestSumsOfOneApp"},
	{"the bound of sums is below its number", "thin.go", "if h.n <= max(h.next, lc.most) {",
		"if h.n < max(h.next, lc.most) {",
		"TestSumsOfOneApp"},
	{"the sums of other apps are thinned", "thin.go", "range lc.openedBy(opener) {", "range lc.openedBy(1) {",
		"TestThinnedAgainstUnbounded"},
	{"thinned charges are forgotten", "thin.go", "if i < last && points[i+1].end-begin <= length {",
		"if i <= last && points[min(i+1, last)].end-begin <= length {", "TestLastOfEach"},
	{"thinned charges come back to a window that they left", "thin.go", "left := s.left(from, grain)",
		"left := 0 * s.left(from, grain)", "TestThinnedAgainstUnbounded"},
	{"a thinned counter forgets other assets", "thin.go", "&rare{next: s.next()}", "&rare{}",
		"TestThinnedAgainstUnbounded"},
	{"sums of a counter that is opened again are not counted", "split.go", "t.held.n += n", "t.held.n += 0 * n",
		"TestThinnedAgainstUnbounded"},
	{"nobody counts what is left after a sweep", "thin.go", "lc.holds(s.opener).n += s.weights()", "_ = s",
		"TestThinnedAgainstUnbounded"},
	{"sums that are large weigh as others", "thin.go", "return largeSum * len(s.points)", "return len(s.points)",
		"TestLargeSumsWeighMore"},
	{"of charges at one instant one counts", "series.go", "if all.points[last].sum = sum; large {", "if large {",
		"TestWhatWasChargedBeforeASplitCountsInEverySplit"},
	{"a pattern that leaves one character out takes every text", "matcher.go", "!m.MatchString(one+\"7\")",
		"false", "TestTakesEveryText"},
}

// brokenReview are ways to be silent about a trap, or to warn where there is none.
var brokenReview = []mutant{
	{"a tag that is not another one stands alone", "reviewtest.go", "p.onlySays() && !has(one.matcher, isNegation) {",
		"p.onlySays() && (true || !has(one.matcher, isNegation)) {", "TestAdviceLeadsSomewhere"},
	{"a key that no operation needs stays", "compileops.go",
		"return name == listed.String() || ok && slices.Contains(usableRoles(d), listed)",
		"return name == listed.String() || ok && slices.Contains(usableRoles(d), listed) || true", "TestBadFiles"},
	{"a number without its asset is HBD", "foreign.go",
		"case bareForm.MatchString(text) && writeAmount(text, hive.HBD) != \"\":",
		"case false:", "TestBadFiles"},
	{"other tools name fields as here", "compileops.go",
		"cmp.Or(didYouMean(name, names), otherField(name, names))",
		"cmp.Or(didYouMean(name, names), \"\")", "TestBadFiles"},
	{"a window behind a slash is not read", "compilelimit.go",
		"if m := perForm.FindStringSubmatch(text); m != nil {",
		"if m := perForm.FindStringSubmatch(text); m == nil {\n\t\t\t_ = m\n\t\t} else if false {", "TestBadFiles"},
	{"what is observed is in force", "decision.go",
		"if r.observe {\n\t\t\trefs",
		"if !r.observe {\n\t\t\trefs", "TestObservedAreNamed"},
	{"a percentage in quotes is meant as one", "reviewforeign.go", "p.shape.kind != aJSON || p.node.Quoted ||",
		"p.shape.kind != aJSON ||", testsOfReview},
	{"a post that earns nothing gives rewards away", "reviewentry.go",
		`e.name != "comment_options" || e.renouncesAll() {`,
		`e.name != "comment_options" {`, "TestAdviceLeadsSomewhere"},
	{"a post that may earn nothing is to", "reviewentry.go",
		"!mayTake(m, assetValue(hive.Asset{Amount: 1, Symbol: hive.HBD})) &&",
		"true &&", "TestAdviceLeadsSomewhere"},
	{"tags stand beside others in secret", "reviewtest.go", "|| p.onlySays() && !has(one.matcher, isNegation) {",
		"|| false && !has(one.matcher, isNegation) {", "TestAdviceLeadsSomewhere"},
	{"SBD is HIVE", "foreign.go", "writeInstead(m[1], hive.HBD)",
		"writeInstead(m[1], hive.HIVE)", "TestBadFiles"},
	{"a week has a day", "literal.go", `"w": {7, "d", ""}`,
		`"w": {1, "d", ""}`, "TestBadFiles"},
	{"a memo in clear is signed", "reviewmemo.go", `if !strings.HasPrefix(begin, "#") || len`,
		"if len", testsOfReview},
	{"a pattern of encrypted memos takes none", "reviewmemo.go", "|| slices.ContainsFunc(encrypted, m.MatchString)",
		"", testsOfReview},
	{"a begin of keys is a begin of words", "reviewmemo.go", "|| len(begin) > longBegin",
		"", testsOfReview},
	{"a rule of no time holds", "reviewtime.go", "if !r.when.meets(schedule{}) {",
		"if false {", testsOfReview},
	{"what holds only at its hour never holds", "reviewtime.go", "minutes = append(minutes, one.hours.start)",
		"_ = one", testsOfReview},
	{"what holds only from its begin never holds", "reviewtime.go", "at := []time.Time{from}",
		"at := []time.Time{}", "TestSchedulesMeet"},
	{"two letters may stand in any order", "reviewtime.go", "a[i+2:] == b[i+2:]",
		"true", "TestNamesWrittenOtherwise"},
	{"names with other marks are other names", "reviewtime.go", `"-", "", "_"`,
		`"_"`, testsOfReview},
	{"a guard at other hours is idle", "reviewtime.go", "return !other.mayMeet(r) })",
		"return other.mayMeet(r) })", testsOfReview},
	{"a list without its dollar sign is not said there", "reviewfile.go", `if n.Kind == yamlnode.Scalar {`,
		`if n.Kind == yamlnode.Scalar && strings.HasPrefix(n.Text, "$") {`, testsOfReview},
	{"each line of a text that is like a rule is said", "reviewfile.go", "!said[line.Line-1]",
		"true", testsOfReview},
	{"a comment beside a key takes it out", "reviewfile.go", "if beside || at == len(lines) {",
		"if beside && at < 0 || at == len(lines) {", testsOfReview},
	{"a comment of the same section takes it out", "reviewfile.go", " && within != m[1]",
		"", testsOfReview},
	{"a limit of some hours binds always", "comparerule.go", "if !want.weekly(inForce) {",
		"if !want.weekly(inForce) && false {", testsOfReview},
	{"a limit that ends binds always", "comparerule.go", "if t.After(want.from) {", "if false {", testsOfReview},
	{"a limit of some accounts binds all", "reviewlimit.go", "case !covers(r.accounts, allowed.accounts):",
		"case false:", testsOfReview},
	{"a limit of some apps binds all", "reviewlimit.go", "case !covers(r.apps, allowed.apps):", "case false:",
		testsOfReview},
	{"a limit of what we send binds all", "reviewlimit.go",
		"case r.broadcast != nil && (allowed.broadcast == nil || *r.broadcast != *allowed.broadcast):", "case false:",
		testsOfReview},
	{"a limit of some recipients binds all", "comparerule.go",
		"return !slices.ContainsFunc(other.fields, func(f fieldMatcher) " +
			"bool { return !e.testsWithin(f.field, f.matcher) })", "return true", testsOfReview},
	{"a limit of how often bounds the amount", "reviewlimit.go",
		"case b.unbound((*limit).spends).limit != nil && b.entry.anyAmount() != \"\":", "case false:", testsOfReview},
	{"limits for one recipient each are none for all", "reviewlimit.go",
		"if list := oneByOne(f.matcher); list != nil {",
		"if list := oneByOne(f.matcher); list != nil && false {", testsOfReview},
	{"savings of one's own are spent", "reviewlimit.go", "case \"transfer_to_savings\", \"transfer_from_savings\":",
		"case \"\":", testsOfReview},
	{"a field with a pattern has few values", "reviewlimit.go", "f.field == field && listed(f.matcher)",
		"f.field == field", testsOfReview},
	{"a signer is chosen by the application", "reviewlimit.go", "return s.Field == field })", "return false })",
		testsOfReview},
	{"a limit that nothing touches is no trap", "reviewnever.go", "case !met:", "case !met && false:", testsOfReview},
	{"where that nothing fits is no trap", "reviewnever.go", "return apart(m, l.of.where) }):", "return false }):",
		testsOfReview},
	{"a rule that is denied whole is no trap", "reviewnever.go", "if d.leaves(r) != \"\" {", "if true {",
		testsOfReview},
	{"a freeze is a trap", "reviewnever.go", " || d.stopsAll()", "", testsOfReview},
	{"a deny rule of some hours denies always", "reviewnever.go", "boundAlways(r.when, []schedule{d.when})", "true",
		testsOfReview},
	{"tests that exclude each other are no trap", "reviewnever.go", "if apart(one, other) || apart(other, one) ||",
		"if (apart(one, other) || apart(other, one)) && false ||", testsOfReview},
	{"a key that the rule lacks is no trap", "reviewnever.go", "if e.refuses(s.Field, value{kind: isList}) {",
		"if false {", testsOfReview},
	{"every test is within another", "within.go", "\treturn withinList(a, b)", "\treturn true", testsOfReview},
	{"what overlaps is apart", "within.go", "return patternsApart(a, b) || listsApart(a, b)", "return true",
		testsOfReview},
	{"deny rules together deny nothing", "reviewnever.go", "len(d) == 1 || len(near) == 1 {", "true {", testsOfReview},
	{"what is paid is not who it goes to", "reviewlimit.go", "paid != nil && within(paid, m) {", "paid == nil {",
		testsOfReview},
	{"words have small letters only", "reviewword.go", "slices.Contains(words, strings.ToLower(text))",
		"slices.Contains(words, text)", testsOfReview},
	{"a size is of every list", "reviewtest.go", "p.testsAt(m.path[:i])", "p.testsAt(m.path[:0*i])", testsOfReview},
	{"a list that holds its own name is meant", "reviewforeign.go",
		"return ok && !slices.ContainsFunc(items,", "return ok && !slices.ContainsFunc(items[:0],", testsOfReview},
	{"one amount in deny is no trap", "reviewforeign.go", "|| !p.evadable || e.kind != isAsset",
		"|| p.evadable || e.kind != isAsset", testsOfReview},
	{"a pattern with one anchor and a wild end is a trap", "reviewforeign.go", "case begins && !wild(re, -1):",
		"case begins:", testsOfReview},
	{"one word for all is enough in a pattern", "reviewword.go", "return !isWord(text, words)\n\t\t}) {",
		"return false\n\t\t}) {", testsOfReview},
	{"blanks make one text of several", "reviewforeign.go", `severalForm = regexp.MustCompile(` + "`^[\\w.$*-]+",
		`severalForm = regexp.MustCompile(` + "`^[\\w .$*-]+", testsOfReview},
	{"a dollar sign that is doubled is filled in", "reviewforeign.go", `strings.HasPrefix(p.node.Text, "$$")`, "false",
		testsOfReview},
	{"a signer is any account of the file", "reviewforeign.go", "if m.check(s, textValue(name)) != no {",
		"if m.check(s, textValue(name)) != no || true {", testsOfReview},
	{"a budget of minutes is a trap beside one of a day", "reviewroom.go",
		"longest[q.unit] = max(longest[q.unit], q.window)",
		"longest[q.unit] = 0", testsOfReview},
	{"a limit has to name each asset", "reviewroom.go", "if len(named) == 0 {", "if len(named) < len(let) {",
		testsOfReview},
	{"bounds of two assets overlap", "within.go", "return a.limit.kind == isAsset && b.limit.kind == isAsset",
		"return false", testsOfReview},
	{"a word under not is an ordinary one", "reviewword.go", "if p.negated {", "if false {", testsOfReview},
	{"games have no words of their own", "reviewword.go", "return p.shape.kind == aJSON &&", "return false &&",
		testsOfReview},
	{"a stop of one key is a trap", "reviewnever.go", "if r.keys != nil {\n\t\treturn r.kinds[Sign]",
		"if r.keys != nil {\n\t\treturn false", testsOfReview},
	{"a deny rule for the rest is meant", "reviewroom.go", "if r.stopsAll() && restNames",
		"if !r.stopsAll() && restNames",
		testsOfReview},
	{"a request holds one payment", "reviewlimit.go", "case !b.rule.ordered && often.limit != nil:", "case false:",
		testsOfReview},
	{"a transaction holds as many payments as fit", "reviewlimit.go", "case !b.rule.ordered && often", "case often",
		testsOfReview},
	{"a limit of some votes counts all", "reviewlimit.go", "case l != nil && (b.seemsToCount(l) ||",
		"case l != nil && (false ||", testsOfReview},
	{"a price may be of one asset", "reviewentry.go", "if one != other && mayBeOf", "if mayBeOf", testsOfReview},
	{"a price of nothing is one", "reviewvalue.go", "p.field == \"exchange_rate\" && v.asset.Amount <= 0",
		"p.field == \"exchange_rate\" && v.asset.Amount < 0", testsOfReview},
	{"all ids but one are few", "reviewentry.go",
		"if !slices.ContainsFunc(strangers, func(id string) bool { return takes(m",
		"if _, not := m.(allOf); not || !slices.ContainsFunc(strangers, func(id string) bool { return takes(m",
		testsOfReview},
	{"nobody evades a question", "reviewrule.go", "if r.evadable(rules) {", "if r.section == denySection {",
		testsOfReview},
	{"a deny rule for an hour keeps tokens for the day", "reviewtoken.go",
		"return len(times) > 0 && boundAlways(by.when, times)", "return len(times) > 0", testsOfReview},
	{"a deny rule for one keeps all from tokens", "reviewtoken.go", "if !known {\n\t\t\t\tto = unknown",
		"if true {\n\t\t\t\tto = unknown", testsOfReview},
	{"payee sees NFTs", "reviewtoken.go", "range slices.Concat(tokenMoves, nftMoves) {", "range tokenMoves {",
		testsOfReview},
	{"a number cut at its comma is two", "compilematcher.go", "case says == \"\":", "case true:", "TestBadFiles"},
	{"an order without a price has one", "reviewtokenprice.go", "if o.price != \"\" {", "if true {", testsOfReview},
	{"all of Hive-Engine is one game", "reviewtokenprice.go", "e.test(\"id\") == nil || whole &&",
		"e.test(\"id\") == nil || whole ||",
		testsOfReview},
	{"an action moves one NFT", "reviewnft.go", "takesJSON(m, action(many...)):", "false:", testsOfReview},
	{"one symbol has one NFT", "reviewnft.go", "return move.bySymbol &&", "return false &&", testsOfReview},
	{"a member of a list allows it", "reviewnft.go", "case mayBeList(m) && takesJSON", "case takesJSON", testsOfReview},
	{"a request holds one operation with NFTs", "reviewnft.go", "case !r.ordered && !slices", "case false && !slices",
		testsOfReview},
	{"a sum bounds no NFTs", "reviewnft.go",
		"return l.of.where == nil || mayTakeSketch(l.of.where, move.json(unknown))",
		"return false", testsOfReview},
	{"a sum finds a number everywhere", "reviewnft.go", "missing = append(missing, move)", "_ = move", testsOfReview},
	{"an action of the rest is named", "reviewnft.go", "return !e.mayHold(move.id, other)", "return true",
		testsOfReview},
	{"a limit of a game is not evaded", "reviewtest.go", "evadable || p.countsLess(rules)", "evadable", testsOfReview},
	{"a limit that counts all is evaded", "reviewtest.go", "!one.apart(r, by) && !one.testsWithin(field, counted)",
		"!one.apart(r, by)", testsOfReview},
	{"words that say what a list is have no order", "reviewtest.go", "!wholeList(p.matcher) || isKind(p.matcher) {",
		"!wholeList(p.matcher) {", testsOfReview},
	{"a bounded front is tame", "reviewpattern.go", "re.Max >= aSentence) && wide", "re.Max >= 1000*aSentence) && wide",
		testsOfReview},
	{"one character holds the front fast", "reviewpattern.go", "if !loose(one) {", "if true {", testsOfReview},
	{"nobody creates an account by its end", "reviewpattern.go", "(free(re, 0, letters) || free(re, -1, letters))",
		"free(re, 0, letters)", testsOfReview},
	{"a memo with a fixed end is wild", "reviewpattern.go", `purpose == "memo" && !free(re, -1, kept)`, "false",
		testsOfReview},
	{"repeated words are no sentence", "reviewpattern.go", "return err == nil && slices.ContainsFunc(small",
		"return err == nil && false && slices.ContainsFunc(small", testsOfReview},
	{"all but one character are few", "reviewpattern.go", "characters > 1000 || of", "of", testsOfReview},
	{"members of members are not free", "reviewtext.go", "range m.path {\n\t\t\tif path",
		"range m.path[:1] {\n\t\t\tif path",
		testsOfReview},
	{"a list of members leaves others free", "reviewtext.go", "closed = true", "closed = false", testsOfReview},
	{"the posting key moves no tokens", "reviewtoken.go", "|| move.byPosting && r.keys", "|| false && r.keys",
		testsOfReview},
	{"all of a game is about tokens", "reviewtoken.go", ` && listed(e.testOf("id"))`, "", testsOfReview},
	{"a stop of something else stops all", "reviewroom.go", "r.mayMeet(other) && r.stops(other) {",
		"r.mayMeet(other) {", testsOfReview},
	{"a full stop is meant", "reviewroom.go", "c.warnWhile(len(stopped) > 0 &&", "c.warnWhile(false &&", testsOfReview},
	{"on behalf of any denies nothing", "reviewrule.go", `if c.valueOfKey(r, "on_behalf_of") == nil ||`,
		"if r.behalf == nil ||", testsOfReview},
	{"a test of the signer is none", "reviewrule.go", "\t\t\treturn !e.testsSigner()\n", "\t\t\treturn true\n",
		testsOfReview},
	{"names have large letters", "reviewaccount.go", "'a' <= r && r <= 'z' ||", "'A' <= r && r <= 'z' ||",
		testsOfReview},
	{"one of several names is none, so all are", "reviewaccount.go", "wanted == \"\" {\n\t\t\t\treturn \"\"\n",
		"wanted == \"\" {\n\t\t\t\tcontinue\n", testsOfReview},
	{"a name that nobody has keeps something out", "reviewaccount.go", "if p.negated {", "if false {", testsOfReview},
	{"room for none is some", "reviewaccount.go", "if none && !l.observe", "if false && none && !l.observe",
		testsOfReview},
	{"savings by one's own name are spent", "reviewlimit.go", " || r.paysItself(e)", "", testsOfReview},
	{"savings to one of one's accounts are one's own", "reviewlimit.go", "return len(r.accounts) == 1 && e.",
		"return len(r.accounts) > 0 && e.", testsOfReview},
	{"an amount of zero is spent", "reviewlimit.go", "\t}\n\treturn e.spendsNothing()", "\t}\n\treturn false",
		testsOfReview},
	{"zero to anybody is a gift", "review.go", " && !e.spendsNothing() &&", " &&", testsOfReview},
	{"a new account is named beforehand", "review.go", " && !slices.Equal(d.Payees, newAccount)", "", testsOfReview},
	{"what nobody may pay is denied by mistake", "reviewtest.go", " && p.permitted(symbol)", "", testsOfReview},
	{"a wrong name in where is any name", "reviewnever.go", "l.of.misspelt(where); wanted != \"\" {",
		"l.of.misspelt(where); wanted != \"\" && false {", testsOfReview},
	{"all of Hive-Engine goes to anybody, too", "reviewtokento.go", "!e.allOf(move) && ", "", testsOfReview},
	{"a deny rule keeps nobody from tokens", "reviewtokento.go", "!r.keptFromStranger(name, move, rules)",
		"rules != nil", testsOfReview},
	{"a deny rule for one keeps strangers out", "reviewtokento.go", "other.mayFindHeld(id, root))",
		"other.mayFindHeld(id, unknown))", testsOfReview},
	{"a deny rule for some hours keeps strangers out", "reviewtokento.go", "&& boundAlways(r.when, times)", "",
		testsOfReview},
	{"a deny rule for another account keeps strangers out", "reviewtokento.go",
		"covers(other.accounts, r.accounts) && ", "", testsOfReview},
	{"orders go to somebody", "reviewtokento.go", "if move.pays() && ", "if ", testsOfReview},
	{"an amount of all the room is too much", "reviewroom.go", "Cmp(l.mostOf(symbol)) <= 0",
		"Cmp(l.mostOf(symbol)) < 0", testsOfReview},
	{"the least of an amount is its max", "reviewroom.go", "case !m.upper:", "case m.upper:", testsOfReview},
	{"the largest room of a limit counts", "reviewroom.go", "q.most.Cmp(most) < 0", "q.most.Cmp(most) > 0",
		testsOfReview},
	{"another asset is an amount of none", "reviewroom.go", "return math.MaxInt64 // of another",
		"return 0 // of another",
		testsOfReview},
	{"no key changes, and the account is taken over", "compileops.go", "return !e.testsWithin(field, isPresent(false))",
		"return true", testsOfReview},
	{"a member that a game demands is left out", "reviewnever.go", " || knownMember(want.path)", "", testsOfReview},
	{"a second sum is the only one", "reviewnever.go", `wanted != "" && l.alone(rules, limits) {`,
		`wanted != "" {`, testsOfReview},
	{"of two equal entries both are too much", "reviewdead.go", " || other.coveredBy(r, r, e) && i < j", "",
		testsOfReview},
	{"a bare name narrows a group", "reviewdead.go", "len(e.fields) == 0 || ", "", testsOfReview},
	{"a group allows all that its key can sign", "reviewdead.go", "!slices.Contains(inGroupAlways, e.name)", "false",
		testsOfReview},
	{"a shorter session is nothing", "reviewdead.go", " && !r.kinds[Auth]", "", testsOfReview},
	{"what a group seems to allow it does", "reviewdead.go", "e != nil && !slices", "false && !slices", testsOfReview},
	{"a rule of some hours covers always", "reviewdead.go",
		"return boundAlways(other.when, []schedule{r.when}) && !slices", "return !slices", testsOfReview},
	{"two negations leave something out", "reviewdead.go", "return apart(one.matcher, other.matcher)",
		"return apart(one.matcher, other.matcher) && false",
		testsOfReview},
	{"bounds that meet leave something out", "reviewdead.go", "order >= 0", "order > 0", testsOfReview},
	{"a value beside its test is a trap", "reviewdead.go", "if i == j || !tests {", "if i == j {",
		testsOfReview},
	{"a rule that asks anyway never asks", "reviewdead.go", "r.section != askSection || !r.onlyUncovered ||",
		"r.section != askSection ||", testsOfReview},
	{"a question about a takeover never asks", "reviewdead.go", "r.ordered || r.takeover ||", "r.ordered ||",
		testsOfReview},
	{"a group asks about what it allows", "reviewdead.go", "!(e.group && r.section == allowSection)", "!e.group",
		testsOfReview},
	{"one operation that is allowed is all", "reviewdead.go", "if i < 0 || e == nil && r.text != nil {\n\t\t\treturn",
		"if i < 0 || e == nil && r.text != nil {\n\t\t\tcontinue", testsOfReview},
}

// TestMutants breaks the engine in every way of the list, without touching the files, and wants the
// tests of this package to fail. Without -mutants it looks only whether the list still fits the
// code.
func TestMutants(t *testing.T) {
	for i, m := range slices.Concat(brokenReview, brokenWays, brokenTraps, brokenTexts, brokenActions,
		brokenVain, brokenCases) {
		t.Run(strings.ReplaceAll(m.says, " ", "_"), func(t *testing.T) {
			breaks := *mutants > 0 && i%*mutants == *mutantsFrom%*mutants
			if breaks {
				t.Parallel() // most of these tests use one core
			}
			src, err := os.ReadFile(m.file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(src), m.old); n != 1 {
				t.Fatalf("%q stands %d times in %s", m.old, n, m.file)
			}
			if breaks {
				m.mustBeCaught(t, strings.Replace(string(src), m.old, m.new, 1))
			}
		})
	}
}

// mustBeCaught builds the tests with the broken file, and wants the test of the mutant to fail.
// When it passes, all tests run, and what is said names the one that fails now.
func (m mutant) mustBeCaught(t *testing.T, broken string) {
	t.Helper()
	folder := t.TempDir()
	changed, overlay := filepath.Join(folder, m.file), filepath.Join(folder, "overlay.json")
	original, err := filepath.Abs(m.file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: changed}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{changed: broken, overlay: string(list)} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	tests := filepath.Join(folder, "tests")
	// Without tables for debuggers, and functions as they are written: that takes half of the time.
	if out, err := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-gcflags=-l",
		"-overlay", overlay, "-o", tests, ".").CombinedOutput(); err != nil {
		t.Fatalf("the tests do not build:\n%s", out)
	}
	if failing(ctx, t, tests, "^("+m.test+")$") != "" {
		return
	}
	if other := failing(ctx, t, tests, "."); other != "" {
		t.Errorf("%s passes now, and %s fails: write that one into the list", m.test, other)
		return
	}
	t.Error("no test fails")
}

// failing gives the name of the first test that fails, or nothing.
func failing(ctx context.Context, t *testing.T, tests, run string) string {
	t.Helper()
	out, err := exec.CommandContext(ctx, tests, "-test.failfast", "-test.run", run, "-test.skip", "^TestMutants$").
		CombinedOutput()
	if err == nil {
		return ""
	}
	_, after, found := strings.Cut(string(out), "--- FAIL: ")
	if !found {
		t.Fatalf("the tests do not run: %v\n%s", err, out)
	}
	return strings.Fields(after)[0]
}
