package policy

import (
	"slices"

	"pksa/agent/yamlnode"
)

// mostByHand is how many items a list has that a person writes. In longer ones, which programs
// write, one item too many means nothing.
const mostByHand = 20

// inOrder are the keys under which a list says something by what stands twice in it.
var inOrder = []string{"transaction", "operations", "exactly"}

// reviewTwice warns of a value that stands twice in a list of which one has to match: another one
// was probably meant.
func (c *compiler) reviewTwice(n *yamlnode.Node) {
	for _, item := range n.Items {
		c.reviewTwice(item)
	}
	for _, e := range n.Entries {
		if e.Value.Kind == yamlnode.List && len(e.Value.Items) <= mostByHand && !slices.Contains(inOrder, e.Key.Text) {
			c.warnOfTwice(e.Value.Items)
		}
		c.reviewTwice(e.Value)
	}
}

// warnOfTwice warns of the first value of a list that stands there already.
func (c *compiler) warnOfTwice(items []*yamlnode.Node) {
	for i, item := range items {
		if item.Kind == yamlnode.Scalar && slices.ContainsFunc(items[:i], func(other *yamlnode.Node) bool {
			return other.Kind == yamlnode.Scalar && other.Text == item.Text && other.Quoted == item.Quoted
		}) {
			c.Warn(item, "%s stands twice in this list, where once says the same; is another one missing? Else take "+
				"it "+
				"out", quote(item.Text))
			return
		}
	}
}
