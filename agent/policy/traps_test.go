package policy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var fileOfTrap = regexp.MustCompile(`testdata/warn/([a-z_]+)\.yaml\)`)

// The page of traps names each file with a trap once, and no other.
func TestThePageListsEveryTrap(t *testing.T) {
	page, err := os.ReadFile("../../examples/docs/traps.md")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]int{}
	for _, m := range fileOfTrap.FindAllStringSubmatch(string(page), -1) {
		named[m[1]]++
	}
	for _, file := range inputs(t, "warn", 40) {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		if strings.HasSuffix(name, ".right") || name == "nothing_to_warn_of" {
			continue
		}
		if named[name] != 1 {
			t.Errorf("examples/docs/traps.md names %s %d times; add a row for it", name, named[name])
		}
		delete(named, name)
	}
	for name := range named {
		t.Errorf("examples/docs/traps.md names %s, which is no file", name)
	}
}

// knownTraps are the ways in which people were seen to write a policy that does something else than
// it seems to, each with the file that falls into it and what the check says there.
var knownTraps = []struct{ trap, file, says string }{
	{"to: any in deny", "warn/word_for_all", "no word for all, so the rule denies nothing else"},
	{"to: any in allow", "warn/word_for_all", "no word for all, so the rule matches nothing else"},
	{"text: any", "warn/word_for_all", `text: "any" is that text and no word for all`},
	{"amount: {not: {min: …}}", "warn/not_of_another_asset", "with not, every amount of HIVE passes"},
	{"each in deny", "warn/evaded_by_one_more", "each is evaded by one more element"},
	{"exactly in deny", "warn/evaded_by_one_more", "exactly is evaded by one more element"},
	{"transaction in deny", "warn/transaction_in_deny", "in deny, transaction matches these operations alone"},
	{"any in allow", "warn/any_in_allow", "in allow, any takes a list of which one element fits"},
	{"comment_options named: beneficiaries", "warn/rewards_given_away", "free beneficiaries gives all rewards"},
	{"comment_options named: payout", "warn/rewards_given_away", "can renounce the rewards of a post"},
	{"a limit with hours", "warn/limit_of_some_hours", "that counts only at its times, hours:"},
	{"a limit with until", "warn/limit_of_some_hours", "that counts only at its times, until:"},
	{"a limit narrower than the rule", "warn/limit_of_some_recipients", "with its own test of to"},
	{"per on a free field", "warn/fresh_counters", "one counter for each value of a field that the app chooses"},
	{"per on a field with a pattern", "warn/counters_of_chosen_values", "a new value is a new budget"},
	{"payee where tokens move", "warn/payee_sees_no_tokens", "payee sees no tokens"},
	{"text: {not: …}", "warn/any_text_to_sign", "lets nearly any text be signed"},
	{".login without members", "warn/any_text_to_sign", "members that are not named are free"},
	{"a pattern with .* around", "warn/pattern_with_a_wild_front", "takes any text that has those words somewhere"},
	{"the active key with apps: any", "warn/active_key_of_all", "and any app, also those that are added later"},
	{"the active key without accounts", "warn/active_key_of_all", "and names no accounts"},
	{"token transfers without sum", "warn/tokens_without_limit", "lets tokens go without any limit"},
	{"where that no operation can meet", "warn/limit_that_counts_nothing", "what fits where fits no rule"},
	{"deny of transfer alone", "warn/one_way_to_pay_denied", "recurrent_transfer through, which pays"},
	{"a deny rule that shadows", "warn/shadowed_by_deny", "denies all of it, and deny comes before allow"},
	{"an impossible weight", "warn/no_such_value", "is not within -10000 to 10000"},
	{"an impossible price", "warn/no_such_value", "a price is more than zero"},
	{"takeover for nothing", "warn/takeover_said_for_nothing", "takeover is given, but the rule names neither"},
	{`apps: ["*"]`, "warn/name_like_a_word", "is only what has that name, and no word for all"},
	{"on_behalf_of in deny", "warn/on_behalf_of_in_deny", "denies what the account asks for itself, too"},
	{"a timeout of many minutes", "warn/longer_than_requests_live", "a yes after that reaches nobody"},
	{"a limit that is never full", "warn/limit_that_never_fills", "more than one each second"},
	{"a test that each value fits", "warn/each_value_fits", "recurrent_transfer through, which pays mallory too"},
	{"1,5 HBD", "bad/commas", "commas are not read"},
	{"a tab", "bad/tab", "tab"},
	{"in", "bad/from_other_tools", `"in" is no test here`},
	{"gt", "bad/from_other_tools", `"gt" is no test here; write min or max`},
	{"starts_with", "bad/from_other_tools", `"starts_with" is no test here; write glob`},
	{"equals", "bad/from_other_tools", `"equals" is no test here`},
	{"mon-fri", "bad/from_other_tools", "days are named one by one"},
	{"per day", "bad/from_other_tools", `"day" is no span of time`},
	{"$list as operations", "bad/from_other_tools", "a list holds values, and no operations"},
	{"null", "bad/from_other_tools", "and null is none"},
	{"a length", "bad/from_other_tools", "there is no test of how long a text is"},
	{"a rule behind a line end that few see", "bad/hidden_rule", "a character that nobody sees"},
}

// Each trap that people fell into has a file, and the check says there what it is.
func TestEachKnownTrapHasItsFile(t *testing.T) {
	for _, k := range knownTraps {
		text, err := os.ReadFile("testdata/" + k.file + ".golden")
		if err != nil || len(text) == 0 || !strings.Contains(string(text), k.says) {
			t.Errorf("%s: %s.golden does not say %q (%v)", k.trap, k.file, k.says, err)
		}
	}
}
