package protocol

import (
	"encoding/base64"
	"encoding/hex"

	"pksa/protocol/hive"
	"pksa/protocol/secret"
)

// The compact form of a pairing link was made by Waivio's open-data-layer, because chat programs
// cut long base64 that looks like a token. Behind "1", its version, stands base64url without
// padding of these bytes:
//
//	host     1  its index: 0 is hive-auth.arcange.eu; 255 says that the host follows
//	[length  1  of the host; only behind index 255
//	 host    length, ASCII, as in the other forms]
//	uuid    16
//	key     16  in the form of a uuid
//	account the rest, ASCII
//
// The only vector that its makers publish has index 0. The length behind index 255 is what their
// programs write and read.
const (
	compactVersion    = "1"
	compactHostInline = 255
	compactUUID       = 16 // bytes of a uuid, and of a key
)

// compactHosts are the relays that an index names.
var compactHosts = []string{"wss://hive-auth.arcange.eu"}

// linkOfCompact reads the compact form behind its version.
func linkOfCompact(encoded string) (PairingLink, error) {
	fail := func(field, problem string) (PairingLink, error) {
		return PairingLink{}, &PairingLinkError{field, problem}
	}
	body, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return fail("link", "not base64url, as the compact form has it behind the 1")
	}
	address, body, refused := compactHost(body)
	if refused != nil {
		return PairingLink{}, refused
	}
	if len(body) < 2*compactUUID {
		return fail("link", "cut off: uuid or key is not whole")
	}
	link := PairingLink{UUID: UUID(uuidText(body[:compactUUID])),
		Key: secret.Text(uuidText(body[compactUUID : 2*compactUUID]))}
	if len(body) == 2*compactUUID {
		return fail("link", "cut off: it has no account")
	}
	if link.Account, err = hive.ParseAccountName(string(body[2*compactUUID:])); err != nil {
		return fail("account", ReasonValue.sentence())
	}
	if link.Host, err = relayURL(address); err != nil {
		return PairingLink{}, err
	}
	return link, nil
}

// compactHost returns the address of the relay at the beginning of a compact link, and the rest.
func compactHost(body []byte) (address string, rest []byte, refused *PairingLinkError) {
	if len(body) == 0 {
		return "", nil, &PairingLinkError{"link", "empty behind the 1"}
	}
	index, body := int(body[0]), body[1:]
	switch {
	case index < len(compactHosts):
		return compactHosts[index], body, nil
	case index != compactHostInline:
		return "", nil, &PairingLinkError{"host", "its number stands for no known relay"}
	case len(body) == 0 || len(body) < 1+int(body[0]):
		return "", nil, &PairingLinkError{"link", "cut off: the host is not whole"}
	}
	length := int(body[0])
	return string(body[1 : 1+length]), body[1+length:], nil
}

// uuidText writes 16 bytes as a uuid.
func uuidText(b []byte) string {
	digits := hex.EncodeToString(b)
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:]
}
