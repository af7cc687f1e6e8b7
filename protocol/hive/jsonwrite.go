package hive

// AppendString appends text as a JSON string that the node's reader turns back
// into exactly that text. The node knows five escapes and drops the backslash
// of all others, so \u003c would be read as "u003c" and the signature would
// fail; everything else goes out raw (tx §5.3). Text with other control
// characters cannot be sent at all: see [CheckSendable].
func AppendString(dst []byte, text string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(text); i++ {
		escaped := escapeOf(text[i])
		if escaped == 0 {
			continue
		}
		dst = append(dst, text[start:i]...)
		dst = append(dst, '\\', escaped)
		start = i + 1
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}

func escapeOf(c byte) byte {
	switch c {
	case '"', '\\':
		return c
	case '\n':
		return 'n'
	case '\r':
		return 'r'
	case '\t':
		return 't'
	}
	return 0
}
