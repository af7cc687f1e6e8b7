package policy

import (
	"slices"

	"pksa/agent/yamlnode"
)

// otherFile returns what a file is that stands in the place of a policy, "" if it seems to be one.
func otherFile(root *yamlnode.Node) string {
	switch {
	case isPolicy(root):
	case hasKey(root, "cases"):
		return "this is a file of cases and no policy; `pksa policy test FILE` judges them"
	case hasKey(root, "request") && hasKey(root, "account"):
		return "this is a request and no policy; `pksa policy explain FILE` judges it"
	}
	return ""
}

// isPolicy reports whether a file has what only policies have.
func isPolicy(root *yamlnode.Node) bool {
	return slices.ContainsFunc([]string{"version", "allow", "ask", "deny", "limits"}, func(key string) bool {
		return hasKey(root, key)
	})
}

func hasKey(n *yamlnode.Node, key string) bool {
	return slices.ContainsFunc(n.Entries, func(e yamlnode.Entry) bool { return e.Key.Text == key })
}
