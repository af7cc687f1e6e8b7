package passkey_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"pksa/agent/passkey"
)

// raw is bytes in base64url without padding, as browsers write them.
type raw []byte

func (r *raw) UnmarshalText(text []byte) (err error) {
	*r, err = base64.RawURLEncoding.DecodeString(string(text))
	return err
}

// made is a passkey that was made and used in a browser: see "by" in testdata/chromium.json.
type made struct {
	Name        string
	Challenge   raw
	ClientData  raw `json:"client_data"`
	Attestation raw
	ID          raw
	Key         raw
	Counter     uint32
	Synced      bool
	BackedUp    bool `json:"backed_up"`
	Assertions  []struct {
		Challenge         raw
		ClientData        raw `json:"client_data"`
		AuthenticatorData raw `json:"authenticator_data"`
		Signature         raw
		Counter           uint32
	}
}

func chromium(t testing.TB) (site passkey.Site, all []made) {
	t.Helper()
	text, err := os.ReadFile("testdata/chromium.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Origin   string
		RPID     string `json:"rp_id"`
		Passkeys []made
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Passkeys) != 4 {
		t.Fatalf("%d passkeys, want 4", len(file.Passkeys))
	}
	site, err = passkey.ParseOrigin(file.Origin)
	if err != nil || site.RPID != file.RPID {
		t.Fatalf("%+v, %v", site, err)
	}
	return site, file.Passkeys
}

// signed returns one of the signatures, and what it was asked for with.
func (m made) signed(site passkey.Site, i int) (passkey.Expected, passkey.Assertion) {
	a := m.Assertions[i]
	return passkey.Expected{Site: site, Challenge: a.Challenge}, passkey.Assertion{CredentialID: m.ID,
		ClientData: a.ClientData, AuthenticatorData: a.AuthenticatorData, Signature: a.Signature}
}

func TestChromium(t *testing.T) {
	site, all := chromium(t)
	for _, m := range all {
		t.Run(m.Name, func(t *testing.T) {
			c, err := passkey.Register(passkey.Expected{Site: site, Challenge: m.Challenge},
				passkey.Registration{ClientData: m.ClientData, Attestation: m.Attestation})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(c.ID, m.ID) || !bytes.Equal(c.PublicKey, m.Key) || c.Counter != m.Counter ||
				c.Synced != m.Synced || c.BackedUp != m.BackedUp {
				t.Errorf("%+v, want %+v", c, m)
			}
			if m.Name != "synced" && c.Algorithm.String() != m.Name {
				t.Errorf("algorithm %v", c.Algorithm)
			}
			first := c
			for i, a := range m.Assertions {
				want, assertion := m.signed(site, i)
				if c, err = passkey.Verify(want, c, assertion); err != nil {
					t.Fatal(err)
				}
				if c.Counter != a.Counter {
					t.Errorf("counter %d, want %d", c.Counter, a.Counter)
				}
			}
			want, assertion := m.signed(site, 0)
			_, err = passkey.Verify(want, c, assertion)
			check(t, err, passkey.Counted)
			first.Counter = 0
			if _, err := passkey.Verify(want, first, assertion); err != nil {
				t.Error("checked again later:", err)
			}
			other, _ := m.signed(site, 1)
			_, err = passkey.Verify(other, first, assertion)
			check(t, err, passkey.WrongValue)
		})
	}
}

// TestEveryBit changes each byte of what a browser handed over, and the kept key.
func TestEveryBit(t *testing.T) {
	site, all := chromium(t)
	for _, m := range all {
		want, a := m.signed(site, 0)
		c := passkey.Credential{ID: m.ID, PublicKey: m.Key, Synced: m.Synced}
		if _, err := passkey.Verify(want, c, a); err != nil {
			t.Fatal(err)
		}
		for _, part := range [][]byte{a.ClientData, a.AuthenticatorData, a.Signature, m.Key} {
			for i := range part {
				part[i] ^= 1 << (i % 8)
				if _, err := passkey.Verify(want, c, a); err == nil {
					t.Errorf("%s: taken with another byte %d of %d", m.Name, i, len(part))
				}
				part[i] ^= 1 << (i % 8)
			}
		}
	}
}

// TestSpecification takes vectors of the specification, which testdata/w3c.json names. Their flags
// are drawn by lot, so that most of them lack user verification.
func TestSpecification(t *testing.T) {
	text, err := os.ReadFile("testdata/w3c.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Origin   string
		Passkeys []struct {
			Name, Challenge, Attestation string
			ClientData                   string `json:"client_data"`
		}
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	site, err := passkey.ParseOrigin(file.Origin)
	if err != nil {
		t.Fatal(err)
	}
	wants := map[string]passkey.Kind{"packed-self.ES256": "", "none.ES256": passkey.NotVerified,
		"none.ES256.crossOrigin": passkey.WrongOrigin}
	for _, m := range file.Passkeys {
		want, ok := wants[m.Name]
		if delete(wants, m.Name); !ok {
			t.Fatalf("no expectation of %s", m.Name)
		}
		t.Run(m.Name, func(t *testing.T) {
			_, err := passkey.Register(passkey.Expected{Site: site, Challenge: unhex(t, m.Challenge)},
				passkey.Registration{ClientData: unhex(t, m.ClientData), Attestation: unhex(t, m.Attestation)})
			check(t, err, want)
		})
	}
	if len(wants) > 0 {
		t.Errorf("no vectors for %v", wants)
	}
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
