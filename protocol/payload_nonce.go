package protocol

// NonceOf reads the nonce of a decrypted payload that is no request, so that it can be used up: the
// same payload might be one to a later version. It is zero if there is none that counts.
func NonceOf(clear []byte) Nonce {
	o := &object{what: "payload", names: []string{"nonce"}, open: true}
	readText(o, clear)
	value, ok := o.raw("nonce")
	if !ok {
		return 0
	}
	n, reason := parseNonce(value)
	if reason != "" {
		return 0
	}
	return n
}
