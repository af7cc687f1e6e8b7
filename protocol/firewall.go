package protocol

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// FirewallReason is why [CheckChallenge] refused, as a constant short enough for a metric label.
type FirewallReason string

// Every reason of the challenge firewall, in the order in which they are looked for (HAS §13.4).
const (
	FirewallEmpty       FirewallReason = "empty"
	FirewallSize        FirewallReason = "size"        // more than MaxChallenge bytes
	FirewallUTF8        FirewallReason = "utf8"        // not valid UTF-8
	FirewallChain       FirewallReason = "chain-id"    // begins as a transaction does when it is signed
	FirewallControl     FirewallReason = "control"     // a control character other than tab, LF, CR
	FirewallReplacement FirewallReason = "replacement" // U+FFFD: text was lost on the way
	FirewallBidi        FirewallReason = "bidi"        // a control that changes the order in which text shows
	FirewallBuffer      FirewallReason = "buffer"      // describes bytes: {"type":"Buffer","data":[…]}
)

// FirewallError says why a text must not be signed as a challenge. It does not contain the text.
type FirewallError struct {
	Reason FirewallReason
	Offset int // of the first byte that is refused; 0 for reasons that concern the whole
}

// Error names reason and offset.
func (e *FirewallError) Error() string {
	return fmt.Sprintf("challenge refused: %s at byte %d", e.Reason, e.Offset)
}

// knownChains are the ids of public chains that can be checked against documents at hand
// (transaction reference §1.5).
var knownChains = [][]byte{
	append([]byte{0xbe, 0xea, 0xb0, 0xde}, make([]byte, 28)...), // Hive
	make([]byte, 32), // Steem, and Hive before hard fork 24
	append([]byte{0x42}, make([]byte, 31)...), // Hive mirrornet
	// Hive testnet
	[]byte("\x9a\xfb\xce\x9f\x24\x16\x52\x07\x33\xba\xcb\x37\x03\x15\xd3\x2b\x6b\x2c\x43\xd6\x09\x75\x76\xdf\x1c\x12\x22\x85\x9d\x91\xee\xcc"),
	// dhive's testnet
	[]byte("\x18\xdc\xf0\xa2\x85\x36\x5f\xc5\x8b\x71\xf1\x8b\x3d\x3f\xec\x95\x4a\xa0\xc1\x41\xc4\x4e\x4e\x5c\xb4\xcf\x77\x7b\x9e\xab\x27\x4e"),
}

// CheckChallenge is the challenge firewall (HAS §13.4): it runs before any policy and no policy can
// lift it. It returns nil for a text that may be signed if the policy agrees, else a
// [*FirewallError]. chainIDs are the ids of further chains, 32 bytes each.
//
// A challenge is signed over SHA-256 of its bytes, and so is a transaction, over chain id and
// packed form. A text that is such bytes would be a signed transaction. Each packed transaction
// ends with the zero byte of its empty extensions, so the refusal of control characters alone stops
// every transaction of every Graphene chain; the other rules are there for wallets and people who
// read the text in their own way. The text is to be signed as it is, never the bytes that it may
// describe, as Keychain's mobile wallet does.
//
// A text that passes may still be worth a login somewhere: which texts an application may have
// signed is the policy's business.
func CheckChallenge(text string, chainIDs ...[]byte) error {
	switch {
	case text == "":
		return &FirewallError{Reason: FirewallEmpty}
	case len(text) > MaxChallenge:
		return &FirewallError{Reason: FirewallSize, Offset: MaxChallenge}
	}
	// Before the look at single characters, so that the log tells a forged transaction from a stray
	// control character.
	for _, ids := range [][][]byte{knownChains, chainIDs} {
		for _, id := range ids {
			if strings.HasPrefix(text, string(id)) {
				return &FirewallError{Reason: FirewallChain}
			}
		}
	}
	if err := checkCharacters(text); err != nil {
		return err
	}
	if describesBytes(text) {
		return &FirewallError{Reason: FirewallBuffer}
	}
	return nil
}

func checkCharacters(text string) error {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRuneInString(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return &FirewallError{Reason: FirewallUTF8, Offset: i}
		case r == utf8.RuneError:
			return &FirewallError{Reason: FirewallReplacement, Offset: i}
		case r == '\t' || r == '\n' || r == '\r':
		case r < 0x20 || r >= 0x7f && r <= 0x9f:
			return &FirewallError{Reason: FirewallControl, Offset: i}
		case r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return &FirewallError{Reason: FirewallBidi, Offset: i}
		}
		i += size
	}
	return nil
}

// describesBytes reports whether a JavaScript reader may take the text for a Buffer written as
// JSON: an object that has, among whatever else, a member type that says Buffer and a member data.
// It is laxer than any JSON reader on purpose (equal names, half an object, odd escapes elsewhere):
// no honest application sends such a text, and readers differ.
func describesBytes(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	if text == "" || text[0] != '{' {
		return false
	}
	var isBuffer, hasData bool
	depth := 0
	name := "" // the name before the colon just passed, in the outermost object
	last := "" // the last string of the outermost object
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		case ':':
			if depth == 1 {
				name, last = last, ""
				hasData = hasData || name == "data"
			}
		case ',':
			if depth == 1 {
				name = ""
			}
		case '"':
			end := stringEnd(text, i)
			if depth == 1 {
				last = looseUnquote(text[i:min(end+1, len(text))])
				isBuffer = isBuffer || name == "type" && last == "Buffer"
			}
			i = end
		}
	}
	return isBuffer && hasData
}

// looseUnquote reads the text of a JSON string as far as it can be read. Only short strings matter
// to its caller.
func looseUnquote(quoted string) string {
	if len(quoted) > 64 {
		return ""
	}
	plain, _ := jsontext.AppendUnquote(nil, quoted)
	return string(plain)
}
