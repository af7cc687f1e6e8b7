package agent

// SpendTries uses up what all links have for requests that nothing opens, and so much more that it
// takes them half a minute to have some again.
func (a *Agent) SpendTries() {
	for _, l := range a.links.all() {
		l.MayTry(190_000 * 31)
	}
}
