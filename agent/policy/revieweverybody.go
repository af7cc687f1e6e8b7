package policy

// reviewEverybody warns of a rule by which every app gets in, or reads, for every account.
func (c *compiler) reviewEverybody(r *rule) {
	if r.section != allowSection || r.observe || r.apps != nil || c.valueOfKey(r, "accounts") != nil {
		return
	}
	what := ""
	switch {
	case r.kinds[Auth]:
		what = "opens sessions"
	case r.kinds[Decrypt]:
		what = "decrypts"
	case r.kinds[Challenge]:
		what = "signs texts"
	default:
		return
	}
	c.Warn(c.nodes[r], "rule %q %s for any app and every account of this wallet, also those that are added later; "+
		"name the apps, or say \"accounts: [%s]\"", r.name, what, r.anAccount())
}
