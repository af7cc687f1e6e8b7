package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Members of texts to sign by which sites and services know that a text is for them, and those that
// say what is signed. The others are taken for numbers, times and the like.
var (
	membersOfSites = []string{"site", "app", "application", "dapp", "domain", "origin", "host", "hostname", "url",
		"uri", "website", "aud", "audience", "realm", "client", "client_id", "service", "iss", "issuer"}
	membersOfMeaning = []string{"message", "msg", "text", "statement", "content", "body", "data", "payload", "action",
		"op", "ops", "operation", "operations", "tx", "transaction", "note", "memo", "description"}
)

// freeMeaning finds a test of the members of a text that names all of them, and leaves free what
// the text is for: the application writes that.
func freeMeaning(p *place) string {
	if _, ok := p.matcher.(allOf); !ok || !p.allows() || p.entry != nil || p.name != "text" || p.negated {
		return ""
	}
	tests := membersOf(p.matcher, nil)
	for _, one := range tests {
		if isOneOf(one.path, membersOfSites) && !one.free() {
			return "" // the text is for one site, whatever else it says
		}
	}
	closed, sites, meaning, all := 0, "", "", true
	for _, list := range closedObjects(p.matcher, nil) {
		for _, name := range slices.Sorted(maps.Keys(list.names)) {
			path := append(slices.Clone(list.path), name)
			closed++
			said := slices.DeleteFunc(slices.Clone(tests), func(one inside) bool {
				return len(one.path) < len(path) || !slices.Equal(one.path[:len(path)], path)
			})
			free := !slices.ContainsFunc(said, func(one inside) bool {
				return len(one.path) > len(path) || !one.free()
			})
			all = all && free
			switch where := "." + strings.Join(path, "."); {
			case !free:
			case sites == "" && isOneOf(path, membersOfSites):
				sites = where
			case meaning == "" && isOneOf(path, membersOfMeaning):
				meaning = where
			}
		}
	}
	switch {
	case sites != "":
		return fmt.Sprintf("%s: %s may be anything, so the app has a login to any site signed; test it, such as "+
			"%[2]s: shop.example", p.name, sites)
	case meaning != "":
		return fmt.Sprintf("%s: %s may be anything, so nearly any text is signed; test what it begins with, or name "+
			"the site in a member", p.name, meaning)
	case closed > 0 && all:
		return fmt.Sprintf("%s: each of these members may be anything, so nearly any text is signed; test what they "+
			"hold, such as .site: shop.example", p.name)
	}
	return ""
}

func isOneOf(path, names []string) bool { return slices.Contains(names, path[len(path)-1]) }

// textsOfOthers are what a member holds in a text that is for somebody else, or means something
// else.
var textsOfOthers = []string{"evil.example", "https://evil.example", sentences[0], sentences[2]}

// free reports whether the test of a member takes what a text for somebody else holds there. Of a
// negation another warning says so.
func (m inside) free() bool {
	return !has(m.matcher, isNegation) && slices.ContainsFunc(textsOfOthers, func(text string) bool {
		return takes(m.matcher, textValue(text))
	})
}

// closedObject is an object of which a test names all members.
type closedObject struct {
	path  []string
	names onlyMembers
}

// closedObjects returns the objects of which the tests of one value name all members.
func closedObjects(m matcher, path []string) (list []closedObject) {
	switch m := m.(type) {
	case allOf:
		for _, one := range m {
			list = append(list, closedObjects(one, path)...)
		}
	case inside:
		return closedObjects(m.matcher, append(slices.Clone(path), m.path...))
	case onlyMembers:
		return []closedObject{{path, m}}
	}
	return list
}
