package protocol

// Kind is the kind of a request. The zero value is none and does not encode.
type Kind uint8

// The three kinds of request (HAS §4.3, §4.4, §4.5).
const (
	Auth Kind = iota + 1
	Sign
	Challenge
)

// String returns the kind as the commands spell it: "auth", "sign" or "challenge".
func (k Kind) String() string {
	switch k {
	case Auth:
		return "auth"
	case Sign:
		return "sign"
	case Challenge:
		return "challenge"
	}
	return "unknown"
}

func (k Kind) valid() bool { return k >= Auth && k <= Challenge }
