package protocol

// maxInteger is 2^53-1. Above it, JavaScript's numbers skip integers.
const maxInteger = 1<<53 - 1

// secondsBelow separates nonces in seconds, which are smaller, from nonces in milliseconds. In
// milliseconds it is March 1973, in seconds the year 5138 (HAS §9.3 rule 1).
const secondsBelow = 100_000_000_000

// Nonce orders the requests of one session: milliseconds since 1970, at least 1. The zero value
// means that the payload has none, as in protocol 0.8 and in challenges of hive-auth-wrapper (HAS
// §9.3 rule 4). A nonce that was sent in seconds has been turned into milliseconds. The caller
// checks whether a nonce is in time and above the last one.
type Nonce int64

// parseNonce reads the JSON text of a nonce: an integer from 1 to 2^53-1, written without exponent
// or fraction.
func parseNonce(value []byte) (Nonce, Reason) {
	n, reason := parseInteger(value)
	switch {
	case reason != "":
		return 0, reason
	case n < 1:
		return 0, ReasonValue
	case n < secondsBelow:
		return Nonce(n * 1000), ""
	}
	return Nonce(n), ""
}

// wire returns the number that parseNonce reads back as n, false if there is none. A nonce below
// secondsBelow can only be written in seconds.
func (n Nonce) wire() (int64, bool) {
	switch {
	case n < 1 || n > maxInteger:
		return 0, false
	case n >= secondsBelow:
		return int64(n), true
	}
	return int64(n) / 1000, n%1000 == 0
}

// parseInteger reads the JSON text of an integer from -(2^53-1) to 2^53-1, written without exponent
// or fraction. The text is valid JSON of any kind.
func parseInteger(value []byte) (int64, Reason) {
	digits := value
	negative := digits[0] == '-'
	if negative {
		digits = digits[1:]
	}
	if len(digits) == 0 || digits[0] < '0' || digits[0] > '9' {
		return 0, ReasonType
	}
	var n int64
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, ReasonType // fraction or exponent
		}
		if n = n*10 + int64(c-'0'); n > maxInteger {
			return 0, ReasonValue
		}
	}
	if negative {
		n = -n
	}
	return n, ""
}
