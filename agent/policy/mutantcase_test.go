package policy_test

const testsOfCases = "TestCases|TestCasesOfSteps|TestDenialsThatProveNothing|TestFailedCasesEnds"

const testsOfCoverage = "TestCoverage|TestCoverageOfOtherRules"

// brokenCases are mistakes in how cases are judged: a test that passes for a wrong reason.
var brokenCases = []mutant{
	{"a case judges what is never signed by the rules", "report.go",
		"if code, reason := q.NeverSigned(); code != \"\" {",
		"if code, reason := q.NeverSigned(); false {", testsOfCases},
	{"a denial that proves nothing passes", "caserun.go", "why != \"\" && e.Verdict == Deny", "why != \"\" && false",
		testsOfCases},
	{"a denial that is meant fails", "caserun.go", "d.Verdict == Deny && e.Code == \"\"", "d.Verdict == Deny",
		testsOfCases},
	{"nothing is charged between steps", "caserun.go", "book.Add(now, d.Charges)", "_ = d.Charges", testsOfCases},
	{"what is asked is charged", "caserun.go", "if d.Verdict == Allow {\n\t\t\t\tbook.Add(now, d.Charges)",
		"if d.Verdict != Deny {\n\t\t\t\tbook.Add(now, slices.Concat(d.Charges, d.Reserved()))", testsOfCases},
	{"no time passes between steps", "caserun.go", "now = now.Add(step.After)", "_ = step.After", testsOfCases},
	{"a step is judged once", "caserun.go", "for n := range step.Times", "for n := range min(1, step.Times)",
		testsOfCases},
	{"what is in force counts as observed", "caserun.go", "if d.Observed != nil {", "if false {", testsOfCases},
	{"a counter of another asset is one", "casecounters.go", "if slices.Contains(units, charge.Unit) {", "if true {",
		testsOfCases},
	{"any word is a code", "casesteps.go", `c.OneOf(m.Value("code"), "code", codes...)`,
		`c.Scalar(m.Value("code"), "code")`, "TestStepsAreReadStrictly"},
	{"whoever is named is another app", "report.go", "if !one.foreign {\n\t\t\t\treturn false",
		"if !one.foreign {\n\t\t\t\tcontinue", "TestReportOfOthers"},
	{"what is for no app is for another", "report.go", "others := false", "others := true", "TestReportOfOthers"},
	{"a deny rule is for an app", "report.go", "if one.Section == denySection.String() {", "if false {",
		"TestReportOfOthers"},
	{"the window with the most room counts", "casecounters.go", "left.Cmp(least) < 0", "left.Cmp(least) > 0",
		testsOfCases},
	{"a step asks for what the case asks for", "casesteps.go", "if own.Has(\"request\") {", "if false {",
		testsOfCases},
	{"a test that says no goes on", "casecover.go", "if p != nil && !ok {", "if false {", testsOfCoverage},
	{"doubt in a test of an allow rule is a yes", "casecover.go", "t.rule.hit(m.check(s, v))",
		"m.check(s, v) != no", "TestCoverage|TestCoverageTakesDoubtAsTheRule"},
	{"a limit with room has refused", "casecover.go", "if !st.Room {", "if true {", testsOfCoverage},
	{"the last element of a list is looked at", "casecover.go", "all = append(all, items...)",
		"all = append(all, items[max(0, len(items)-1):]...)", testsOfCoverage},
}
