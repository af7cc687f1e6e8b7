package client_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"crypto/tls"
	"crypto/x509"
	"errors"

	"pksa/agent/client"
	"pksa/agent/relay"
	"pksa/protocol"
	"pksa/protocol/hive"
)

func TestSessionIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		if _, err := w.client.Sign(t.Context(), s, vote(1)); err != nil {
			t.Fatal(err)
		}
		saved, err := s.Save()
		if err != nil {
			t.Fatal(err)
		}
		again, err := client.LoadSession(saved)
		if err != nil {
			t.Fatal(err)
		}
		if again.Account() != "alice" || again.AuthKey() != s.AuthKey() ||
			again.Expires().UnixMilli() != s.Expires().UnixMilli() {
			t.Errorf("loaded %s", saved)
		}
		if _, err := w.client.Sign(t.Context(), again, vote(1)); err != nil {
			t.Error(err)
		}
		var nonces []protocol.Nonce
		for _, req := range w.requests[1:] {
			text, _ := relayOpen(t, s.AuthKey(), req.Data)
			data, err := protocol.DecodeSignReqData([]byte(text))
			if err != nil {
				t.Fatal(err)
			}
			nonces = append(nonces, data.Nonce)
		}
		if len(nonces) != 2 || nonces[1] <= nonces[0] {
			t.Errorf("nonces %v", nonces)
		}
	})
}

func TestSessionOver(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		s := w.login()
		time.Sleep(25 * time.Hour)
		if _, err := w.client.Sign(t.Context(), s, vote(1)); !errors.Is(err, client.ErrSessionOver) {
			t.Errorf("error %v", err)
		}
		if _, err := w.client.Challenge(t.Context(), nil, client.Challenge{}); err == nil {
			t.Error("no session was taken")
		}
	})
}

func TestBadSavedSessions(t *testing.T) {
	for _, text := range []string{
		"", "{}", "[]", `{"account":"alice"}`, `{"account":"A","auth_key":"k"}`, `{"account":"alice","auth_key":""}`,
		`{"account":"alice","auth_key":"topsecret","more":1}`, `{"account":"alice","auth_key":"topsecret","nonce":-1}`,
		`{"account":"alice","auth_key":"topsecret"} {}`, `{"account":"alice","auth_key":"topsecret","expires":-1}`,
		`{"account":"alice","auth_key":"k","auth_key":"topsecret"}`, `{"account":"alice","AUTH_KEY":"topsecret"}`,
		`{"account":"alice","auth_key":"topsecret","nonce":9007199254740991}`,
	} {
		_, err := client.LoadSession([]byte(text))
		if err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("%s: error %v", text, err)
		}
	}
}

// TestSavedForm holds the form of saved sessions, which older programs have written.
func TestSavedForm(t *testing.T) {
	for _, text := range []string{
		`{"account":"alice","auth_key":"k"}`,
		`{"account":"alice","auth_key":"k","token":"t","expires":1700000060000,"nonce":1700000000000}`,
	} {
		s, err := client.LoadSession([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if saved, err := s.Save(); err != nil || string(saved) != text {
			t.Errorf("saved as %s, %v, wanted %s", saved, err, text)
		}
	}
	if saved, err := client.NewSession("alice", "\xff").Save(); err == nil {
		t.Errorf("a key that is not UTF-8 was saved as %q", saved)
	}
}

func TestSessionIsNotPrinted(t *testing.T) {
	s := client.NewSession("alice", "topsecret")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "session", s, "grant", &client.Grant{Session: s})
	inside, err := json.Marshal(client.Grant{Session: s})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s %q %d %x", s, s, s, s, s, s, s),
		fmt.Sprintf("%+v", client.Grant{Session: s}),
		log.String(), string(inside),
	} {
		if strings.Contains(text, "topsecret") || strings.Contains(text, fmt.Sprintf("%x", "topsecret")) {
			t.Errorf("printed as %s", text)
		}
	}
}

// TestLoginIsNotPrinted: neither the secret of a slot nor the link of a pairing, which holds the
// key of the session, is written by anything that prints.
func TestLoginIsNotPrinted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		session := client.NewSession("alice", "topsecret")
		pairing, err := w.client.Pair(t.Context(), client.Auth{Account: "alice", Session: session})
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(pairing.Expires()); left <= 0 || left > time.Minute {
			t.Errorf("the link expires in %s", left)
		}
		auth := client.Auth{Account: "alice", Session: session, Secret: "topsecret"}
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "auth", auth, "pairing", pairing)
		for _, text := range []string{
			fmt.Sprintf("%v %+v %#v %s %q %x", auth, auth, auth, auth, auth, auth),
			fmt.Sprintf("%v %+v %#v %s %q %x", pairing, pairing, pairing, pairing, pairing, pairing), log.String(),
		} {
			for _, secret := range []string{"topsecret", fmt.Sprintf("%x", "topsecret"), pairing.Link()} {
				if strings.Contains(text, secret) {
					t.Errorf("printed as %s", text)
				}
			}
		}
		if !strings.Contains(fmt.Sprint(auth), "alice") {
			t.Errorf("printed as %v: the account is no secret", auth)
		}
	})
}

func TestOneAuthKeyForEachAccount(t *testing.T) {
	bubble(t, func(t *testing.T) {
		w := newWorld(t, nil, nil)
		other := client.NewSession("bob", "")
		if _, err := w.client.Authenticate(t.Context(), client.Auth{Account: "alice", Session: other}); err == nil {
			t.Error("a session of another account was taken")
		}
		if client.NewSession("bob", "").AuthKey() == other.AuthKey() {
			t.Error("two sessions have one key")
		}
		for _, bad := range []hive.AccountName{"", "@alice", "Alice"} {
			if _, err := w.client.Authenticate(t.Context(), client.Auth{Account: bad}); err == nil {
				t.Errorf("account %q was taken", bad)
			}
		}
	})
}

func TestOptions(t *testing.T) {
	bad := map[string]client.Options{
		"no name":            {Relay: "wss://relay.example"},
		"no relay":           {App: protocol.AppInfo{Name: "bot"}},
		"plaintext":          {App: protocol.AppInfo{Name: "bot"}, Relay: "ws://relay.example"},
		"other scheme":       {App: protocol.AppInfo{Name: "bot"}, Relay: "tcp://relay.example"},
		"user":               {App: protocol.AppInfo{Name: "bot"}, Relay: "wss://me:secret@relay.example"},
		"query":              {App: protocol.AppInfo{Name: "bot"}, Relay: "wss://relay.example?x=1"},
		"plaintext in guise": {App: protocol.AppInfo{Name: "bot"}, Relay: "ws://127.0.0.1.example"},
	}
	for name, o := range bad {
		t.Run(name, func(t *testing.T) {
			o.DialContext = nowhere
			if _, err := client.Dial(t.Context(), o); err == nil || errors.Is(err, errNowhere) {
				t.Errorf("error %v", err)
			}
		})
	}
	good := map[string]client.Options{
		"tls":                 {Relay: "wss://relay.example"},
		"https":               {Relay: "https://relay.example/"},
		"loopback":            {Relay: "ws://127.0.0.1:1"},
		"loopback 6":          {Relay: "ws://[::1]:1"},
		"plaintext, as asked": {Relay: "ws://relay.example", Plaintext: true},
	}
	for name, o := range good {
		t.Run(name, func(t *testing.T) {
			o.App.Name, o.DialContext = "bot", nowhere
			if _, err := client.Dial(t.Context(), o); !errors.Is(err, errNowhere) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestNoRedirect(t *testing.T) {
	r, err := relay.New(relay.Options{Keys: keys, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	there := httptest.NewServer(r)
	defer there.Close()
	here := httptest.NewServer(http.RedirectHandler(there.URL, http.StatusTemporaryRedirect))
	defer here.Close()
	for url, ok := range map[string]bool{there.URL: true, here.URL: false} {
		o := client.Options{Relay: strings.Replace(url, "http", "ws", 1), App: protocol.AppInfo{Name: "bot"},
			Logger: silent}
		c, err := client.Dial(t.Context(), o)
		if (err == nil) != ok {
			t.Errorf("%s: error %v", url, err)
		}
		if err == nil {
			c.Close()
		}
	}
}

func TestTLS(t *testing.T) {
	r, err := relay.New(relay.Options{Keys: keys, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewTLSServer(r)
	defer web.Close()
	defer r.Close()
	trust := x509.NewCertPool()
	trust.AddCert(web.Certificate())
	o := client.Options{Relay: web.URL, App: protocol.AppInfo{Name: "bot"}, TLS: &tls.Config{RootCAs: trust},
		Logger: silent}
	c, err := client.Dial(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	o.TLS = nil
	if _, err := client.Dial(t.Context(), o); err == nil {
		t.Error("a certificate of nobody was taken")
	}
}
