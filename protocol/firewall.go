package protocol

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/plain"
)

// FirewallReason is the reason of a refusal by [CheckChallenge], short enough for a metric label.
type FirewallReason string

// The reasons of the challenge firewall, in the order of the checks (HAS §13.4).
const (
	FirewallEmpty       FirewallReason = "empty"
	FirewallSize        FirewallReason = "size"        // more than MaxChallenge bytes
	FirewallUTF8        FirewallReason = "utf8"        // not valid UTF-8
	FirewallChain       FirewallReason = "chain-id"    // begins with a chain id, as signed transactions do
	FirewallControl     FirewallReason = "control"     // a control character other than tab, LF, CR
	FirewallReplacement FirewallReason = "replacement" // U+FFFD: text was lost on the way
	FirewallBidi        FirewallReason = "bidi"        // a mark that changes the order in which text is shown
	FirewallInvisible   FirewallReason = "invisible"   // a character that nobody sees, such as U+200B
	FirewallBuffer      FirewallReason = "buffer"      // describes bytes: {"type":"Buffer","data":[…]}
)

// FirewallError is the refusal of a text that must not be signed as a challenge. It does not
// contain the text.
type FirewallError struct {
	Reason FirewallReason
	Offset int // of the first byte that is refused; 0 for reasons that concern the whole
	// Rune is the character, for FirewallInvisible only: a log cannot show it otherwise.
	Rune rune
}

// Error returns reason and offset.
func (e *FirewallError) Error() string {
	if e.Reason == FirewallInvisible {
		return fmt.Sprintf("challenge refused: %s character %U at byte %d: what people read is not what would be "+
			"signed",
			e.Reason, e.Rune, e.Offset)
	}
	return fmt.Sprintf("challenge refused: %s at byte %d", e.Reason, e.Offset)
}

// knownChains are the ids of the public chains (tx §1.5, see package hive).
var knownChains = [][]byte{
	append([]byte{0xbe, 0xea, 0xb0, 0xde}, make([]byte, 28)...), // Hive
	make([]byte, 32), // Steem, and Hive before hard fork 24
	append([]byte{0x42}, make([]byte, 31)...), // Hive mirrornet
	// Hive testnet
	[]byte("\x9a\xfb\xce\x9f\x24\x16\x52\x07\x33\xba\xcb\x37\x03\x15\xd3\x2b" +
		"\x6b\x2c\x43\xd6\x09\x75\x76\xdf\x1c\x12\x22\x85\x9d\x91\xee\xcc"),
	// dhive's testnet
	[]byte("\x18\xdc\xf0\xa2\x85\x36\x5f\xc5\x8b\x71\xf1\x8b\x3d\x3f\xec\x95" +
		"\x4a\xa0\xc1\x41\xc4\x4e\x4e\x5c\xb4\xcf\x77\x7b\x9e\xab\x27\x4e"),
}

// CheckChallenge decides whether a text may be signed as a challenge, if the policy agrees too. It
// is the challenge firewall of HAS §13.4: it runs before the policy, and no policy can switch it
// off. It returns nil or a [*FirewallError]. chainIDs are the ids of further chains, 32 bytes each.
//
// The attack: the signature of a challenge signs the SHA-256 of its bytes. The signature of a
// transaction signs the SHA-256 of the chain id and the packed transaction. So a text of just these
// bytes would become a signed transaction. Every packed transaction ends with the zero byte of its
// empty extensions. The refusal of control characters therefore stops the transactions of every
// Graphene chain. The other rules protect people and programs that read the text differently. Sign
// the text itself, never the bytes that it may describe; Keychain's mobile wallet does the latter.
//
// A text that passes can still be the login of some web page. Which texts an application may have
// signed is decided by the policy.
func CheckChallenge(text string, chainIDs ...[]byte) error {
	switch {
	case text == "":
		return &FirewallError{Reason: FirewallEmpty}
	case len(text) > MaxChallenge:
		return &FirewallError{Reason: FirewallSize, Offset: MaxChallenge}
	}
	// The chain comes before single characters, so that the log shows a forged transaction as one
	// and not as a control character.
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
		case r >= utf8.RuneSelf && plain.Undrawn(r) && !joins(text, i, size):
			return &FirewallError{Reason: FirewallInvisible, Offset: i, Rune: r}
		}
		i += size
	}
	return nil
}

// describesBytes reports whether a JavaScript reader may take the text for a Buffer in JSON: an
// object with a member type that is "Buffer" and a member data. It accepts more than any JSON
// reader on purpose (equal names, half an object, wrong escapes), because readers differ and no
// honest application sends such a text.
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

// looseUnquote returns the text of a JSON string as far as it can be read. Long strings give "":
// the caller looks for short ones.
func looseUnquote(quoted string) string {
	if len(quoted) > 64 {
		return ""
	}
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return string(text)
}
