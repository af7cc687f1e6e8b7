package passkey_test

import (
	"bytes"
	"errors"
	"testing"

	"pksa/agent/passkey"
	"pksa/agent/passkey/passkeytest"
)

// kind fails unless an error is nil or a refusal.
func kind(t *testing.T, err error) {
	t.Helper()
	var refused *passkey.Error
	if err != nil && (!errors.As(err, &refused) || refused.Kind == "") {
		t.Errorf("%v is no refusal", err)
	}
}

func FuzzClientData(f *testing.F) {
	a := passkeytest.New("anna", site)
	f.Add(a.ClientData("webauthn.get", challenge("this")))
	f.Add([]byte(`{"type":"webauthn.get","topOrigin":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		err := passkey.CheckClientData(text, expected("this"))
		kind(t, err)
		if err == nil && !bytes.Contains(text, []byte("https")) && !bytes.Contains(text, []byte(`\`)) {
			t.Errorf("taken without an origin: %q", text)
		}
	})
}

// What is taken has one form only.
func FuzzCBOR(f *testing.F) {
	f.Add(passkeytest.New("anna", site).COSE)
	f.Add(passkeytest.New("anna", site).Create(challenge("this")).Attestation)
	f.Add([]byte{0x83, 0xf4, 0x20, 0x61, 'a'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if again, err := passkey.CBOR(b); err == nil && !bytes.Equal(again, b) {
			t.Errorf("%x is read, and written as %x", b, again)
		}
	})
}

func FuzzKey(f *testing.F) {
	_, all := chromium(f)
	for _, m := range all {
		f.Add([]byte(m.Key))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if algorithm, err := passkey.Key(b); err == nil && algorithm.String() == "unknown algorithm" {
			t.Errorf("%x has algorithm %d", b, algorithm)
		}
	})
}

func FuzzAuthenticatorData(f *testing.F) {
	a := passkeytest.New("anna", site)
	f.Add(a.AuthData(false))
	f.Add(a.AuthData(true))
	a.Flags |= passkeytest.Extensions
	f.Add(append(a.AuthData(true), passkeytest.Map()...))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := passkey.AuthData(b)
		kind(t, err)
		if err == nil && !bytes.HasPrefix(b, again) {
			t.Errorf("%x is read, and written as %x", b, again)
		}
	})
}

// Nothing but the signed answer to this question is taken.
func FuzzAssertion(f *testing.F) {
	a := passkeytest.NewEd25519("anna", site)
	c := enrolled(f, a)
	signed := a.Sign(challenge("this"))
	f.Add(signed.ClientData, signed.AuthenticatorData, signed.Signature)
	other := a.Sign(challenge("that"))
	f.Add(other.ClientData, other.AuthenticatorData, other.Signature)
	f.Fuzz(func(t *testing.T, clientData, authData, signature []byte) {
		_, err := passkey.Verify(expected("this"), c, passkey.Assertion{CredentialID: a.ID, ClientData: clientData,
			AuthenticatorData: authData, Signature: signature})
		kind(t, err)
		if err == nil && (!bytes.Equal(clientData, signed.ClientData) ||
			!bytes.Equal(authData, signed.AuthenticatorData)) {
			t.Errorf("%q, %x and %x are taken", clientData, authData, signature)
		}
	})
}

// What is registered can be used.
func FuzzRegistration(f *testing.F) {
	a := passkeytest.New("anna", site)
	f.Add(a.Create(challenge("this")).Attestation)
	a.Format = "packed"
	f.Add(a.Create(challenge("this")).Attestation)
	client := a.ClientData("webauthn.create", challenge("this"))
	f.Fuzz(func(t *testing.T, attestation []byte) {
		c, err := passkey.Register(expected("this"), passkey.Registration{ClientData: client, Attestation: attestation})
		kind(t, err)
		if err != nil {
			return
		}
		if algorithm, err := passkey.Key(c.PublicKey); err != nil || algorithm != c.Algorithm || len(c.ID) == 0 {
			t.Errorf("%+v is registered: %v", c, err)
		}
	})
}

func FuzzOrigin(f *testing.F) {
	f.Add("https://wallet.example:8443")
	f.Add("http://localhost")
	f.Fuzz(func(t *testing.T, text string) {
		if site, err := passkey.ParseOrigin(text); err == nil && (site.Origin != text || site.RPID == "") {
			t.Errorf("%q is read as %+v", text, site)
		}
	})
}
