package passkey

import (
	"encoding/base64"

	"pksa/keystore/linejson"
	"pksa/protocol/plain"
)

// ceremony is what client data was made for (§5.8.1).
type ceremony string

const (
	create ceremony = "webauthn.create"
	get    ceremony = "webauthn.get"
)

// quoted is how much of a foreign text stands in an error.
const quoted = 100

// checkClientData checks what the browser says of the page that asked (§5.8.1). Members that are
// not known may stand in it, as the specification says; none may come twice.
func checkClientData(text []byte, made ceremony, want Expected) error {
	if err := bounded("client data", text, MostClientData); err != nil {
		return err
	}
	// §7.1 steps 5 and 6, §7.2 steps 9 and 10. A mark of byte order is not passed over.
	v, err := linejson.Parse(text)
	if err != nil {
		return refuse(Malformed, "the client data of the browser is no strict JSON")
	}
	members, err := v.Object()
	if err != nil {
		return refuse(Malformed, "the client data of the browser is no JSON object")
	}
	texts := map[string]string{}
	for _, m := range members {
		switch m.Name {
		case "type", "challenge", "origin":
			if texts[m.Name], err = m.Value.Text(); err != nil {
				return refuse(Malformed, "%s in the client data of the browser is no text", m.Name)
			}
		case "crossOrigin": // level 3, §7.1 and §7.2
			if inside, err := m.Value.Bool(); err != nil {
				return refuse(Malformed, "crossOrigin in the client data of the browser is neither true nor false")
			} else if inside {
				return refuse(WrongOrigin, "the page stands inside a page of another site")
			}
		case "topOrigin": // level 3, §5.8.1: it stands only where crossOrigin is true
			return refuse(WrongOrigin, "the page stands inside a page of another site")
		}
	}
	switch {
	case texts["type"] != string(made): // §7.1 step 7, §7.2 step 11
		return refuse(WrongType, "the browser made it for %s, and %q is wanted", quote(texts["type"]), made)
	case len(want.Challenge) < MinChallenge, // §7.1 step 8, §7.2 step 12
		texts["challenge"] != base64.RawURLEncoding.EncodeToString(want.Challenge):
		return refuse(WrongValue, "the browser made it for another question than this one")
	case want.Site.Origin == "" || texts["origin"] != want.Site.Origin: // §7.1 step 9, §7.2 step 13
		return refuse(WrongOrigin, "the browser made it on a page of %s, and the settings say %q",
			quote(texts["origin"]), want.Site.Origin)
	}
	return nil
}

func quote(text string) string { return plain.Quote(text, quoted) }
