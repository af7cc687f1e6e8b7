package policy_test

// testsOfDiff are those that can meet a mutant of the search for differences.
const testsOfDiff = "TestDiffFindsEdits|TestDiffFindsWhatIsHidden|TestDiffTellsWhatLimitsForget"

// brokenDiffs are mistakes in the ideas of the search: each makes it say "no difference" where
// there is one.
var brokenDiffs = []mutant{
	{"nothing lies just beside a number", "diffvalues.go", "if step.IsInt() || inJSON {", "if false {", testsOfDiff},
	{"now is the only instant", "diffvalues.go",
		"{0, m.span, m.span + time.Second, -m.span, -m.span - time.Second}", "{0}", testsOfDiff},
	{"instants in JSON are texts of dates only", "diffvalues.go", "number(strconv.FormatInt(at.Unix(), 10))",
		"at.Format(time.DateOnly)", testsOfDiff},
	{"what only one file names is like all else", "diffvalues.go", "if w.only[v.text] {", "if false {", testsOfDiff},
	{"a class of characters has one", "diffvalues.go", "for range min(n, 300) {", "for range min(n, 1) {", testsOfDiff},
	{"what paths lead to stands at the top", "diffvalues.go", "all = append(all, nest(m.path, v))",
		"all = append(all, v)", testsOfDiff},
	{"of two members one is enough", "diffvalues.go", "v = merged(v, of(i))", "v = of(i)", testsOfDiff},
	{"rules that forbid stand alone", "diffsearch.go", "mostPartners = 24 ", "mostPartners = 0 ", testsOfDiff},
	{"rules beside others match other operations", "diffsearch.go",
		"slices.Concat(list[0].entries, row[i].entries)", "list[0].entries", testsOfDiff},
	{"hours have no ends", "diff.go", "w.hours.start, w.hours.start-1, w.hours.end-1, w.hours.end%(24*60))",
		"0)", testsOfDiff},
	{"a day is all of a week", "diff.go", "for n := range 8 {", "for n := range 1 {", testsOfDiff},
	{"windows never end", "difflimits.go", "if q.window > 0 {", "if false {", testsOfDiff},
	{"only the same request comes again", "difflimits.go", "n < last || after > 0 || next != first",
		"n < last && next == first", testsOfDiff},
	{"operations stand once in a request", "diffsearch.go", "all = append(all, 2, 3)", "continue", testsOfDiff},
	{"what no rule names is not tried", "diffsearch.go", "if s.old.otherwise != s.now.otherwise {", "if false {",
		testsOfDiff},
	{"no field is that of another operation", "diffvalues.go", "return []any{fieldOf(m), \"other\"}",
		"return []any{\"other\"}", testsOfDiff},
	{"an account acts for itself only", "diffsearch.go",
		"append([]string{madeStranger}, s.accounts[:min(len(s.accounts), 12)]...)", "[]string{madeStranger}",
		testsOfDiff},
	{"a list of payees has one", "diffvalues.go", "== beneficiariesShape && len(list) > 1 {",
		"== beneficiariesShape && len(list) > 9 {", testsOfDiff},
	{"no order has a price at a bound", "diffvalues.go", "hbd := new(big.Rat).Mul(price, big.NewRat(hives*1000, 1))",
		"hbd := big.NewRat(hives*1000, 1)", testsOfDiff},
	{"a person who is told is nobody", "diff.go", "plain.differs(&others) || d.Tell != other.Tell",
		"plain.differs(&others)",
		testsOfDiff},
}
