package protocol

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"pksa/protocol/hive"
	"pksa/protocol/host"
	"pksa/protocol/secret"
)

// PairingLink is the content of the QR code that a web page shows: which request to answer, at
// which relay, and with which session key (HAS §6). Key is a secret. A PairingLink prints without
// it; only [PairingLink.URI] writes it.
type PairingLink struct {
	Account hive.AccountName
	UUID    UUID
	Key     secret.Text // the session key; not empty
	Host    string      // relay: "wss://…" without trailing slash, or "ws://…" of this machine
}

// PairingLinkError is the refusal of a pairing link. It quotes nothing of the link.
type PairingLinkError struct {
	Field   string // "link", "account", "uuid", "key" or "host"
	Problem string
}

// Error returns field and problem.
func (e *PairingLinkError) Error() string {
	if e.Field == "link" {
		return "pairing link: " + e.Problem
	}
	return "pairing link: " + e.Field + ": " + e.Problem
}

const (
	linkScheme  = "has"
	linkCommand = "auth_req/"
	webLinkPage = "has" // of https://…/has#…
	maxLinkKey  = 1024  // bytes; known applications use 36 or 64
	maxLinkHost = 512   // bytes
)

// ParsePairingLink reads what a person scans or pastes: a link has://auth_req/…, the base64 after
// it, the JSON inside, or the link https://…/has#… that chat bots send, in its compact form
// (compact.go) or with that base64 behind the #. It is lenient about the form (white space around,
// the case of the scheme, line ends and blanks inside, either base64 alphabet, padding, %2B %2F
// %3D, further members of the object) and strict about the content (HAS §6). Errors are
// *PairingLinkError.
//
// The reference wallets check none of the fields. A host that begins with https:// is read as
// wss://, because Keychain's extension writes it so.
func ParsePairingLink(s string) (PairingLink, error) {
	if len(s) > MaxPairingLink {
		return PairingLink{}, &PairingLinkError{"link", "too long"}
	}
	s = strings.TrimSpace(s)
	if strings.HasPrefix(s, "{") {
		return linkOfJSON([]byte(s))
	}
	payload, err := linkPayload(s)
	if err != nil {
		return PairingLink{}, err
	}
	if compact, ok := strings.CutPrefix(payload, compactVersion); ok {
		return linkOfCompact(compact)
	}
	text, ok := anyBase64(percentDecoder.Replace(payload))
	if !ok {
		return PairingLink{}, &PairingLinkError{"link", "not base64"}
	}
	return linkOfJSON(text)
}

// LinkMayGoOn reports whether a text may be the first lines of a pairing link that a terminal
// wrapped: it is none yet, or it is in the compact form, whose account ends where the text ends.
func LinkMayGoOn(s string) bool {
	s = strings.TrimSpace(s)
	if s == "" || len(s) >= MaxPairingLink {
		return false
	}
	_, err := ParsePairingLink(s)
	var refused *PairingLinkError
	if errors.As(err, &refused) {
		return refused.Field == "link"
	}
	payload, err := linkPayload(s)
	return err == nil && strings.HasPrefix(payload, compactVersion)
}

// linkOfJSON reads the object inside a link.
func linkOfJSON(text []byte) (PairingLink, error) {
	o := &object{names: []string{"account", "uuid", "key", "host"}, open: true}
	readText(o, text)
	if o.err != nil {
		return PairingLink{}, linkError(o.err)
	}
	link := PairingLink{Account: o.account(), UUID: o.uuid(), Key: secret.Text(o.sealed("key", maxLinkKey)),
		Host: o.text("host")}
	if o.err != nil {
		return PairingLink{}, linkError(o.err)
	}
	var err error
	if link.Host, err = relayURL(link.Host); err != nil {
		return PairingLink{}, err
	}
	return link, nil
}

func linkError(e *DecodeError) error {
	if e.Member == "" {
		return &PairingLinkError{"link", e.Reason.sentence()}
	}
	return &PairingLinkError{e.Member, e.Reason.sentence()}
}

// linkPayload returns what stands behind the scheme of a link, without the line ends and blanks
// that a terminal or a mail program put into it.
func linkPayload(s string) (string, error) {
	s = strings.Join(strings.Fields(s), "")
	scheme, rest, ok := strings.Cut(s, "://")
	switch {
	case !ok:
	case strings.EqualFold(scheme, linkScheme):
		if s, ok = strings.CutPrefix(rest, linkCommand); !ok {
			return "", &PairingLinkError{"link", "not an auth_req link: it makes no session"}
		}
	case strings.EqualFold(scheme, "https"), strings.EqualFold(scheme, "http"):
		// The page behind it only hands the link on to a phone, and is never asked here.
		address, fragment, _ := strings.Cut(rest, "#")
		if _, path, _ := strings.Cut(address, "/"); strings.TrimSuffix(path, "/") != webLinkPage {
			return "", &PairingLinkError{"link", "the address of a web page, and not of one that is named has"}
		}
		s = fragment
	default:
		return "", &PairingLinkError{"link", "its scheme is neither has nor https"}
	}
	if s == "" {
		return "", &PairingLinkError{"link", "empty"}
	}
	return s, nil
}

var percentDecoder = strings.NewReplacer("%2B", "+", "%2b", "+", "%2F", "/", "%2f", "/", "%3D", "=", "%3d", "=")

// anyBase64 reads base64 in one of the two alphabets, but not both mixed, with correct padding or
// none.
func anyBase64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, false
	}
	body := strings.TrimRight(s, "=")
	if len(body) != len(s) && (len(s)%4 != 0 || len(s)-len(body) > 2) {
		return nil, false
	}
	encoding := base64.RawStdEncoding
	if strings.ContainsAny(body, "-_") {
		encoding = base64.RawURLEncoding
	}
	text, err := encoding.Strict().DecodeString(body)
	return text, err == nil
}

// relayURL checks and normalises the address of a relay.
func relayURL(address string) (string, error) {
	fail := func(problem string) (string, error) { return "", &PairingLinkError{"host", problem} }
	for _, c := range []byte(address) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"<>\^{|}%@`+"`", c) >= 0 {
			return fail("has a character that no relay address needs")
		}
	}
	if strings.ContainsAny(address, "?#") {
		return fail("has a query or fragment")
	}
	u, err := url.Parse(address)
	if err != nil || len(address) > maxLinkHost || u.Opaque != "" || u.Hostname() == "" ||
		strings.Contains(u.Path, "//") {
		return fail("not an address such as wss://relay.example")
	}
	if _, port, ok := strings.Cut(afterName(u.Host), ":"); ok && !validPort(port) {
		return fail("its port is not a number from 1 to 65535")
	}
	switch u.Scheme {
	case "wss", "https":
		u.Scheme = "wss"
	case "ws":
		if !host.Loopback(u.Hostname()) {
			return fail("ws:// is allowed for this machine only; wss:// is wanted")
		}
	default:
		return fail("its scheme is neither wss nor https")
	}
	return u.Scheme + "://" + strings.ToLower(u.Host) + strings.TrimSuffix(u.Path, "/"), nil
}

// afterName returns the part of host:port after the brackets of an IPv6 address, or all of it.
func afterName(hostport string) string {
	return hostport[strings.LastIndexByte(hostport, ']')+1:]
}

func validPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// URI returns the link as has://auth_req/…, with its members in the order of HAS §6. The result
// contains the session key: anybody who reads it can open the session.
func (l PairingLink) URI() (string, error) {
	w := &writer{what: "pairing link"}
	w.open()
	w.account("account", l.Account)
	w.uuid(l.UUID)
	if l.Key == "" || len(l.Key) > maxLinkKey {
		w.fail("key", "value not allowed")
	}
	w.text("key", string(l.Key))
	address, err := relayURL(l.Host)
	if err != nil {
		return "", err
	}
	w.text("host", address)
	w.close()
	text, err := w.done()
	if err != nil {
		return "", err
	}
	return linkScheme + "://" + linkCommand + base64.StdEncoding.EncodeToString(text), nil
}

// Format writes the link without its key.
func (l PairingLink) Format(f fmt.State, verb rune) { secret.Format(f, verb, l) }
