package policy

import "slices"

// appRules finds the rules that may be about the same apps as another one. Of thousands of rules,
// each for an app of its own, these are few.
type appRules struct {
	rules []*rule
	named map[string][]int // places in rules, by app
	any   []int            // of those for any app
}

// rulesByApp sorts rules by the apps that they name.
func rulesByApp(rules []*rule) *appRules {
	a := &appRules{rules: rules, named: map[string][]int{}}
	for i, r := range rules {
		if r.apps == nil {
			a.any = append(a.any, i)
		}
		for app := range r.apps {
			a.named[app] = append(a.named[app], i)
		}
	}
	return a
}

// of returns the rules that may be about an app of this one, itself too, in the order of all.
func (a *appRules) of(r *rule) []*rule {
	if r.apps == nil {
		return a.rules
	}
	at := slices.Clone(a.any)
	for app := range r.apps {
		at = append(at, a.named[app]...)
	}
	slices.Sort(at)
	near := make([]*rule, 0, len(at))
	for _, i := range slices.Compact(at) {
		near = append(near, a.rules[i])
	}
	return near
}
