package protocol_test

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"pksa/protocol"
)

// published is the only vector of the compact form that its makers publish, without its key a
// secret of nobody.
const published = "1AA8rfB6KPUxVmyFtDl9KfDk9nhpELAdPiLblcaLI0EWbZmxvd21hc3Rlcg"

var publishedLink = protocol.PairingLink{Account: "flowmaster", UUID: "0f2b7c1e-8a3d-4c55-9b21-6d0e5f4a7c39",
	Key: "3d9e1a44-2c07-4f88-b6e5-71a2c8d0459b", Host: "wss://hive-auth.arcange.eu"}

// compact encodes the bytes of a compact link.
func compact(body ...string) string {
	return "1" + base64.RawURLEncoding.EncodeToString([]byte(strings.Join(body, "")))
}

// inline returns the beginning of a compact link that names its host.
func inline(host string) string { return "\xff" + string(rune(len(host))) + host }

var twoUUIDs = func() string {
	b, err := hex.DecodeString("0f2b7c1e8a3d4c559b216d0e5f4a7c39" + "3d9e1a442c074f88b6e571a2c8d0459b")
	if err != nil {
		panic(err)
	}
	return string(b)
}()

func TestCompactLink(t *testing.T) {
	elsewhere := publishedLink
	elsewhere.Host = "wss://relay.example:8443/has"
	here := publishedLink
	here.Host = "ws://127.0.0.1:17500"
	whole, err := publishedLink.URI()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		link string
		want protocol.PairingLink
	}{
		"published":            {"https://waivio.example/has#" + published, publishedLink},
		"page with a slash":    {"HTTPS://waivio.example:8443/has/#" + published, publishedLink},
		"page on this machine": {"http://localhost:3000/has#" + published, publishedLink},
		"without the page":     {published, publishedLink},
		"wrapped by a terminal": {"https://waivio.example/has#" + published[:20] + "\r\n  " + published[20:],
			publishedLink},
		"wrapped in the address": {" https://waivio.ex\nample/has#" + published + "\n", publishedLink},
		"index 0, put together":  {compact("\x00", twoUUIDs, "flowmaster"), publishedLink},
		"host inline":            {compact(inline("wss://relay.example:8443/has/"), twoUUIDs, "flowmaster"), elsewhere},
		"this machine inline":    {compact(inline("ws://127.0.0.1:17500"), twoUUIDs, "flowmaster"), here},
		"base64 behind the #": {"https://waivio.example/has#" + strings.TrimPrefix(whole, "has://auth_req/"),
			publishedLink},
	} {
		if got, err := protocol.ParsePairingLink(c.link); err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestCompactLinkRefused(t *testing.T) {
	for name, c := range map[string]struct{ link, field string }{
		"cut in the uuid":          {published[:20], "link"},
		"cut before the account":   {compact("\x00", twoUUIDs), "link"},
		"nothing behind the 1":     {"1", "link"},
		"not base64url":            {"1!!!", "link"},
		"the other alphabet":       {strings.Replace(published, "A", "+", 1), "link"},
		"padding":                  {published + "=", "link"},
		"bits left over":           {published[:len(published)-1] + "h", "link"},
		"a relay that has no name": {compact("\x07", twoUUIDs, "alice"), "host"},
		"inline and no length":     {compact("\xff"), "link"},
		"inline and cut":           {compact("\xff\x40wss://relay.example"), "link"},
		"inline and empty":         {compact("\xff\x00", twoUUIDs, "alice"), "host"},
		"inline and in the clear":  {compact(inline("ws://relay.example"), twoUUIDs, "alice"), "host"},
		"no account":               {compact("\x00", twoUUIDs, "Alice!"), "account"},
		"another version":          {"https://waivio.example/has#2" + published[1:], "link"},
		"another page":             {"https://waivio.example/login#" + published, "link"},
		"page alone":               {"https://waivio.example/has", "link"},
		"page with a query":        {"https://waivio.example/has?x#" + published, "link"},
		"another scheme":           {"mailto://waivio.example/has#" + published, "link"},
	} {
		link, err := protocol.ParsePairingLink(c.link)
		var refused *protocol.PairingLinkError
		if !errors.As(err, &refused) || refused.Field != c.field {
			t.Errorf("%s: %v, %v; want a refusal of %q", name, link, err, c.field)
		}
	}
}

// A wrapped link comes line by line. Where the form shows its end, a whole one needs no further
// line; the account of the compact form may go on.
func TestLinkMayGoOn(t *testing.T) {
	whole, err := publishedLink.URI()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want bool
	}{
		{"", false}, {" \n", false}, {whole, false}, {whole[:70], true}, {linkJSON("wss://relay.example"), false},
		{linkJSON("ws://relay.example"), false}, // whole, and wrong in itself
		{"https://waivio.example/h", true}, {"https://waivio.example/has#" + published, true},
		{published[:30], true}, {published, true}, {strings.Repeat("1", protocol.MaxPairingLink), false},
	} {
		if got := protocol.LinkMayGoOn(c.text); got != c.want {
			t.Errorf("%.40q: %t", c.text, got)
		}
	}
}

// FuzzCompactLink: what the compact form is read as can be written as a link, and is read from that
// as the same; its bytes alone decide.
func FuzzCompactLink(f *testing.F) {
	f.Add([]byte("\x00" + twoUUIDs + "flowmaster"))
	f.Add([]byte(inline("wss://relay.example/") + twoUUIDs + "alice"))
	f.Add([]byte("\xff\xff"))
	f.Fuzz(func(t *testing.T, body []byte) {
		link, err := protocol.ParsePairingLink(compact(string(body)))
		if err != nil {
			return
		}
		uri, err := link.URI()
		if err != nil {
			t.Fatalf("%x: %v", body, err)
		}
		if again, err := protocol.ParsePairingLink(uri); err != nil || again != link {
			t.Fatalf("%x: written as %q, which gave %v", body, uri, err)
		}
		if !strings.HasSuffix(string(body), string(link.Account)) {
			t.Errorf("%x: account %s", body, link.Account)
		}
	})
}
