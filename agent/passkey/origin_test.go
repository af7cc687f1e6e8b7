package passkey_test

import (
	"strings"
	"testing"

	"pksa/agent/passkey"
)

func TestOrigins(t *testing.T) {
	for _, tt := range []struct{ origin, want string }{ // want is the relying party, or a part of the error
		{"https://wallet.example", "wallet.example"},
		{"https://wallet.example:8443", "wallet.example"},
		{"https://a-b.c1.wallet.example", "a-b.c1.wallet.example"},
		{"https://box.tail1234.ts.net", "box.tail1234.ts.net"},
		{"https://xn--bcher-kva.example", "xn--bcher-kva.example"},
		{"https://wallet", "wallet"},
		{"http://localhost", "localhost"},
		{"http://localhost:8080", "localhost"},
		{"https://localhost:8443", "localhost"},

		{"http://wallet.example", "error: browsers make passkeys without TLS for localhost only"},
		{"http://a.localhost", "error: browsers make passkeys without TLS for localhost only"},
		{"https://192.168.1.2", "error: browsers make no passkeys for IP addresses"},
		{"https://127.0.0.1:8443", "error: browsers make no passkeys for IP addresses"},
		{"http://127.0.0.1:8080", "error: browsers make no passkeys for IP addresses"},
		{"https://127.1", "error: browsers make no passkeys for IP addresses"},
		{"https://0x7f000001", "error: browsers make no passkeys for IP addresses"},
		{"https://2130706433", "error: browsers make no passkeys for IP addresses"},
		{"https://99999999999999999999999", "error: browsers make no passkeys for IP addresses"},
		{"https://1.2.3.4.", "error: browsers make no passkeys for IP addresses"},
		{"https://a.0X7f", "error: browsers make no passkeys for IP addresses"},
		{"https://[::1]:8443", "error: browsers make no passkeys for IP addresses"},
		{"https://[fe80::1%25eth0]", "error: browsers make no passkeys for IP addresses"},

		{"https://wallet.example/", "error: wanted it as browsers write it: https://wallet.example"},
		{"https://wallet.example/pksa", "error: wanted it as browsers write it: https://wallet.example"},
		{"https://wallet.example?", "error: wanted it as browsers write it: https://wallet.example"},
		{"https://wallet.example#a", "error: wanted it as browsers write it: https://wallet.example"},
		{"https://anna@wallet.example", "error: wanted it as browsers write it: https://wallet.example"},
		{"https://Wallet.Example", "error: wanted it as browsers write it: https://wallet.example"},
		{"HTTPS://wallet.example", "error: wanted it as browsers write it: https://wallet.example"},
		{"https://wallet.example:443", "error: wanted it as browsers write it: https://wallet.example"},
		{"https://wallet.example:", "error: wanted it as browsers write it: https://wallet.example"},
		{"https://wallet.example:08443", "error: wanted it as browsers write it: https://wallet.example:8443"},
		{"http://localhost:80", "error: wanted it as browsers write it: http://localhost"},

		{"", "error: wanted an address as browsers write it"},
		{"wallet.example", "error: wanted an address as browsers write it"},
		{"//wallet.example", "error: wanted an address as browsers write it"},
		{"localhost:8080", "error: wanted an address as browsers write it"},
		{"wss://wallet.example", "error: wanted an address as browsers write it"},
		{"https://", "error: wanted an address as browsers write it"},
		{"https:wallet.example", "error: wanted an address as browsers write it"},
		{"https://wallet.example:0", "error: the port"},
		{"https://wallet.example:65536", "error: the port"},
		{"https://wallet.example.", "error: the name of the host"},
		{"https://wallet..example", "error: the name of the host"},
		{"https://-wallet.example", "error: the name of the host"},
		{"https://wal_let.example", "error: the name of the host"},
		{"https://*.example", "error: the name of the host"},
		{"https://" + strings.Repeat("a", 64) + ".example", "error: the name of the host"},
		{"https://" + strings.Repeat("a.", 125) + "example", "error: the name of the host is too long"},
		{"https://bücher.example", "error: write a name with other letters"},
	} {
		site, err := passkey.ParseOrigin(tt.origin)
		want, refused := strings.CutPrefix(tt.want, "error: ")
		switch {
		case refused && (err == nil || !strings.HasPrefix(err.Error(), want) || site != passkey.Site{}):
			t.Errorf("%s: %+v, %v; want %s", tt.origin, site, err, want)
		case !refused && (err != nil || site != passkey.Site{Origin: tt.origin, RPID: want}):
			t.Errorf("%s: %+v, %v", tt.origin, site, err)
		}
	}
}
