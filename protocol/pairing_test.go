package protocol_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"pksa/protocol"
)

func linkJSON(host string) string {
	text, _ := json.Marshal(host)
	return `{"account":"alice","uuid":"` + testUUID + `","key":"k","host":` + string(text) + `}`
}

func TestLinkHosts(t *testing.T) {
	for host, want := range map[string]string{
		"wss://relay.example":               "wss://relay.example",
		"wss://relay.example/":              "wss://relay.example",
		"wss://relay.example/has/":          "wss://relay.example/has",
		"wss://relay.example:8443":          "wss://relay.example:8443",
		"WSS://Relay.Example":               "wss://relay.example",
		"https://relay.example/":            "wss://relay.example",
		"wss://[2001:db8::1]:8443/":         "wss://[2001:db8::1]:8443",
		"ws://localhost:3000/":              "ws://localhost:3000",
		"ws://127.0.0.1":                    "ws://127.0.0.1",
		"ws://127.9.9.9:1":                  "ws://127.9.9.9:1",
		"ws://[::1]:3000":                   "ws://[::1]:3000",
		"wss://xn--bcher-kva.example":       "wss://xn--bcher-kva.example",
		"ws://relay.example":                "",
		"ws://localhost.evil.example":       "",
		"ws://127.0.0.1.evil.example":       "",
		"ws://127.1":                        "",
		"ws://0x7f000001":                   "",
		"ws://0.0.0.0":                      "",
		"ws://10.0.0.1":                     "",
		"http://localhost":                  "",
		"wss://":                            "",
		"wss:///path":                       "",
		"wss:relay.example":                 "",
		"//relay.example":                   "",
		"relay.example":                     "",
		"":                                  "",
		"wss://relay.example//":             "",
		"wss://user@relay.example":          "",
		"wss://user:pw@relay.example":       "",
		"wss://@relay.example":              "",
		"wss://relay.example?x=1":           "",
		"wss://relay.example?":              "",
		"wss://relay.example#x":             "",
		"wss://relay.example#":              "",
		"wss://relay.example:":              "",
		"wss://relay.example:0":             "",
		"wss://relay.example:65536":         "",
		"wss://relay.example:x":             "",
		"wss://relay.example\\@evil":        "",
		"wss://relay example":               "",
		"wss://relay.example\n":             "",
		" wss://relay.example":              "",
		"wss://bücher.example":              "",
		"wss://relay%2eexample":             "",
		"file:///etc/passwd":                "",
		"javascript://relay.example":        "",
		"wss://" + strings.Repeat("a", 600): "",
	} {
		link, err := protocol.ParsePairingLink(linkJSON(host))
		if link.Host != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", host, link.Host, err, want)
		}
		var refused *protocol.PairingLinkError
		if err != nil && (!errors.As(err, &refused) || refused.Field != "host") {
			t.Errorf("%q: %v", host, err)
		}
	}
}

// A terminal that wraps a link puts line ends and blanks into it.
func TestLinkWrapped(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(linkJSON("wss://relay.example")))
	for _, link := range []string{
		encoded[:20] + "\n" + strings.TrimRight(encoded[20:], "="),
		encoded[:20] + " " + encoded[20:],
		"has://auth_req/" + encoded[:20] + "\r\n  " + encoded[20:40] + "\n" + encoded[40:] + "\n",
		"has://auth_req/\n" + encoded,
	} {
		if got, err := protocol.ParsePairingLink(link); err != nil || got.Host != "wss://relay.example" {
			t.Errorf("%q: %v, %v", link, got, err)
		}
	}
}

func TestLinkErrorsNameTheField(t *testing.T) {
	good := linkJSON("wss://relay.example")
	encoded := base64.StdEncoding.EncodeToString([]byte(good + "  "))
	for _, c := range []struct{ name, link, field string }{
		{"duplicate", strings.Replace(good, `{`, `{"key":"x",`, 1), "link"},
		{"trailing text", good + "x", "link"},
		{"bad UTF-8", strings.Replace(good, `"k"`, "\"\xff\"", 1), "link"},
		{"account missing", strings.Replace(good, "account", "Account", 1), "account"},
		{"account null", strings.Replace(good, `"alice"`, "null", 1), "account"},
		{"uuid upper case name", strings.Replace(good, "uuid", "UUID", 1), "uuid"},
		{"key empty", strings.Replace(good, `"k"`, `""`, 1), "key"},
		{"key too long", strings.Replace(good, `"k"`, `"`+strings.Repeat("k", 1025)+`"`, 1), "key"},
		{"host number", strings.Replace(good, `"wss://relay.example"`, "1", 1), "host"},
		{"too long", good + strings.Repeat(" ", protocol.MaxPairingLink), "link"},
		{"too much padding", encoded + "====", "link"},
		{"padding in the middle", encoded[:20] + "==" + encoded[20:], "link"},
		{"both alphabets", "has://auth_req/-+" + encoded, "link"},
		{"other percent escape", "has://auth_req/%41" + encoded, "link"},
		{"bits left over", "has://auth_req/e31", "link"},
		{"command in another case", "has://AUTH_REQ/" + encoded, "link"},
		{"no command", "has://" + encoded, "link"},
		{"uuid only", "has://auth_req/" + testUUID, "link"},
		{"nothing", "", "link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			link, err := protocol.ParsePairingLink(c.link)
			var refused *protocol.PairingLinkError
			if !errors.As(err, &refused) || refused.Field != c.field {
				t.Errorf("got %v, %v; want a refusal of %q", link, err, c.field)
			}
		})
	}
	if _, err := protocol.ParsePairingLink("Has://auth_req/" + encoded); err != nil {
		t.Error(err)
	}
}

func TestLinkKeepsItsKey(t *testing.T) {
	link := protocol.PairingLink{Account: "alice", UUID: testUUID, Key: "s3cret", Host: "wss://relay.example"}
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "link", link, "pointer", &link)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "link", link, "pointer", &link)
	marshalled, err := json.Marshal(map[string]any{"a": link, "b": &link})
	if err != nil {
		t.Fatal(err)
	}
	texts := []string{log.String(), string(marshalled), fmt.Sprint(fmt.Errorf("x: %v", link))}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		texts = append(texts, fmt.Sprintf(verb, link), fmt.Sprintf(verb, &link),
			fmt.Sprintf(verb, []protocol.PairingLink{link}))
	}
	for _, text := range texts {
		if strings.Contains(text, "s3cret") || strings.Contains(text, "733363726574") ||
			!strings.Contains(text, "[redacted]") {
			t.Errorf("printed as %s", text)
		}
	}
	_, err = protocol.ParsePairingLink(`{"account":"alice","uuid":"` + testUUID + `","key":"s3cret","host":"s3cret"}`)
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
	uri, err := link.URI()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := protocol.ParsePairingLink(uri); err != nil || again != link {
		t.Errorf("the address lost something: %v", err)
	}
}

func TestLinkURIRefuses(t *testing.T) {
	good := protocol.PairingLink{Account: "alice", UUID: testUUID, Key: "k", Host: "wss://relay.example"}
	for name, spoil := range map[string]func(*protocol.PairingLink){
		"account": func(l *protocol.PairingLink) { l.Account = "" },
		"uuid":    func(l *protocol.PairingLink) { l.UUID = "x" },
		"key":     func(l *protocol.PairingLink) { l.Key = "" },
		"host":    func(l *protocol.PairingLink) { l.Host = "ws://relay.example" },
	} {
		link := good
		spoil(&link)
		if uri, err := link.URI(); err == nil {
			t.Errorf("%s: %s", name, uri)
		}
	}
}

// What is no link at all is said once, without a field.
func TestPairingLinkErrorNamesFieldOnce(t *testing.T) {
	_, err := protocol.ParsePairingLink("has://auth_req/%%%")
	if err == nil || err.Error() != "pairing link: not base64" {
		t.Errorf("%v", err)
	}
}
