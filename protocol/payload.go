package protocol

import "pksa/protocol/hive"

// readPayload takes a clear payload apart: one object with no members but names (HAS §12). A
// payload is never larger than the message that carried it.
func readPayload(what string, text []byte, names ...string) *object {
	o := &object{what: what, names: names}
	if len(text) > MaxData {
		o.fail("", ReasonSize)
		return o
	}
	readText(o, text)
	return o
}

// inner takes apart an object that is the value of a member.
func (o *object) inner(name string, value []byte, names ...string) *object {
	return o.innerOf(name, value, &object{names: names})
}

// innerOf takes it apart into an object that is made already.
func (o *object) innerOf(name string, value []byte, child *object) *object {
	child.what = o.what + " " + name
	if o.err != nil {
		child.err = o.err
		return child
	}
	if value[0] != '{' {
		o.fail(name, ReasonType)
		child.err = o.err
		return child
	}
	child.read(value)
	return child
}

// adopt takes over the failure of an inner object.
func (o *object) adopt(child *object) {
	if o.err == nil {
		o.err = child.err
	}
}

// role reads key_type, which must be one of the given roles, spelt as on the chain (HAS §12).
func (o *object) role(roles ...hive.Role) hive.Role {
	text := o.text("key_type")
	for _, role := range roles {
		if role.String() == text {
			return role
		}
	}
	o.fail("key_type", ReasonValue)
	return 0
}

func (w *writer) role(role hive.Role, allowed ...hive.Role) {
	for _, r := range allowed {
		if r == role {
			w.text("key_type", role.String())
			return
		}
	}
	w.fail("key_type", "value not allowed")
}

// nonce reads a nonce, which may be absent or null. Whether a request needs one is for the caller
// to decide (HAS §9.3 rule 4).
func (o *object) nonce() Nonce {
	value, ok := o.optional("nonce")
	if !ok {
		return 0
	}
	n, reason := parseNonce(value)
	if reason != "" {
		o.fail("nonce", reason)
	}
	return n
}

// onlyNull refuses a member that this kind of payload does not have, and passes over it where it is
// null: some clients write one type of object for several kinds.
func (o *object) onlyNull(name string) {
	if _, ok := o.optional(name); ok {
		o.failDetail("", ReasonMember, foreign([]byte(name)))
	}
}

func (w *writer) nonce(n Nonce) {
	if n == 0 {
		return
	}
	number, ok := n.wire()
	if !ok {
		w.fail("nonce", "value not allowed")
		return
	}
	w.integer("nonce", number, 1)
}

// signingRoles sign transactions. challengeRoles sign challenges or decrypt them (HAS §12).
var (
	signingRoles   = []hive.Role{hive.Posting, hive.Active}
	challengeRoles = []hive.Role{hive.Posting, hive.Active, hive.Memo}
)
