package agent

// InFlight returns how many requests hold a place at the links.
func (a *Agent) InFlight() (n int) {
	for _, l := range a.links.all() {
		n += l.Status().InFlight
	}
	return n
}
