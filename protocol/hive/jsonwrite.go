package hive

// AppendString appends text as a JSON string that the node reads back as exactly that text. The
// node knows five escapes and drops the backslash of all others, so it would read \u003c as "u003c"
// and the signature would fail. Everything else is written raw (tx §5.3).
//
// Other control characters cannot be sent at all; [CheckSendable] refuses them before anything is
// signed. Here they are written as \u00xx, so that what is shown and recorded is JSON.
func AppendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		dst = appendEscape(dst, c)
		start = i + 1
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	const digits = "0123456789abcdef"
	return append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
}
