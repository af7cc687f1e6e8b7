package passkey_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"testing"

	"pksa/agent/passkey"
	"pksa/agent/passkey/passkeytest"
)

// check fails unless an error is a refusal of a kind, or nil where the kind is empty.
func check(t *testing.T, err error, want passkey.Kind) {
	t.Helper()
	var refused *passkey.Error
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && !errors.As(err, &refused):
		t.Errorf("%v, want a refusal: %s", err, want)
	case want != "" && (refused.Kind != want || refused.Text == "" || len(refused.Text) > 400):
		t.Errorf("%s: %s; want %s", refused.Kind, refused.Text, want)
	}
}

var site = passkey.Site{Origin: "https://wallet.example", RPID: "wallet.example"}

func challenge(label string) []byte {
	sum := sha256.Sum256([]byte("challenge " + label))
	return sum[:]
}

func expected(label string) passkey.Expected {
	return passkey.Expected{Site: site, Challenge: challenge(label)}
}

// enrolled makes a passkey, and enrols it.
func enrolled(t testing.TB, a *passkeytest.Authenticator) passkey.Credential {
	t.Helper()
	c, err := passkey.Register(expected("enrol"), a.Create(challenge("enrol")))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inClientData returns the client data of a signature with one text in place of another.
func inClientData(t *testing.T, a *passkeytest.Authenticator, made, old, other string) []byte {
	t.Helper()
	text := a.ClientData(made, challenge("this"))
	changed := bytes.Replace(text, []byte(old), []byte(other), 1)
	if bytes.Equal(text, changed) {
		t.Fatalf("%s holds no %s", text, old)
	}
	return changed
}

// Both ceremonies look at client data alike.
func TestClientData(t *testing.T) {
	for _, tt := range []struct {
		name, old, other string
		want             passkey.Kind
	}{
		{"as it is", `{`, ` {`, ""},
		{"an unknown member", `"origin"`, `"other_keys_can_be_added_here":{"a":[1]},"origin"`, ""},
		{"no crossOrigin", `,"crossOrigin":false`, ``, ""},
		{"no type", `"type"`, `"kind"`, passkey.WrongType},
		{"another type", `"webauthn.`, `"payment.`, passkey.WrongType},
		{"a type in capitals", `"webauthn.`, `"WebAuthn.`, passkey.WrongType},
		{"a type that is no text", `"type":`, `"kind":`, passkey.WrongType},
		{"a number as type", `"type":"`, `"type":1,"t":"`, passkey.Malformed},
		{"no challenge", `"challenge"`, `"challenges"`, passkey.WrongValue},
		{"a challenge with padding", `","origin"`, `=","origin"`, passkey.WrongValue},
		{"another origin", `wallet.example"`, `wallets.example"`, passkey.WrongOrigin},
		{"an origin with a port", `wallet.example"`, `wallet.example:8443"`, passkey.WrongOrigin},
		{"an origin below", `https://wallet`, `https://a.wallet`, passkey.WrongOrigin},
		{"an origin without TLS", `https:`, `http:`, passkey.WrongOrigin},
		{"an origin with a slash", `.example"`, `.example/"`, passkey.WrongOrigin},
		{"an origin in capitals", `.example"`, `.Example"`, passkey.WrongOrigin},
		{"no origin", `"origin"`, `"Origin"`, passkey.WrongOrigin},
		{"a long origin", `wallet.example"`, strings.Repeat("x", 2000) + `"`, passkey.WrongOrigin},
		{"inside another page", `"crossOrigin":false`, `"crossOrigin":true`, passkey.WrongOrigin},
		{"a text as crossOrigin", `"crossOrigin":false`, `"crossOrigin":"false"`, passkey.Malformed},
		{"null as crossOrigin", `"crossOrigin":false`, `"crossOrigin":null`, passkey.Malformed},
		{"a page around it", `"crossOrigin":false`, `"crossOrigin":false,"topOrigin":"https://a.example"`,
			passkey.WrongOrigin},
		{"the same page around it", `"crossOrigin"`, `"topOrigin":"https://wallet.example","crossOrigin"`,
			passkey.WrongOrigin},
		{"a member twice", `"crossOrigin"`, `"crossOrigin":false,"crossOrigin"`, passkey.Malformed},
		{"an unknown member twice", `"crossOrigin"`, `"a":1,"a":1,"crossOrigin"`, passkey.Malformed},
		{"a second value", `}`, `}{}`, passkey.Malformed},
		{"a mark of byte order", `{`, "\ufeff{", passkey.Malformed},
		{"no UTF-8", `"crossOrigin"`, "\"\xff\":1,\"crossOrigin\"", passkey.Malformed},
		{"no object", `{`, `[{`, passkey.Malformed},
		{"too long", `{`, `{"a":"` + strings.Repeat("x", passkey.MostClientData) + `",`, passkey.Large},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := passkeytest.New("anna", site)
			c := enrolled(t, a)
			text := inClientData(t, a, "webauthn.get", tt.old, tt.other)
			_, err := passkey.Verify(expected("this"), c, a.Assert(text, a.AuthData(false)))
			check(t, err, tt.want)
			text = inClientData(t, a, "webauthn.create", tt.old, tt.other)
			_, err = passkey.Register(expected("this"), a.Attest(text, a.AuthData(true)))
			check(t, err, tt.want)
		})
	}
}

// Neither ceremony takes what was made for the other, for another challenge, or for a caller that
// expects nothing.
func TestOtherQuestions(t *testing.T) {
	a := passkeytest.New("anna", site)
	c := enrolled(t, a)
	_, err := passkey.Verify(expected("this"), c, a.Assert(a.ClientData("webauthn.create", challenge("this")),
		a.AuthData(false)))
	check(t, err, passkey.WrongType)
	_, err = passkey.Register(expected("this"), a.Attest(a.ClientData("webauthn.get", challenge("this")),
		a.AuthData(true)))
	check(t, err, passkey.WrongType)
	_, err = passkey.Verify(expected("that"), c, a.Sign(challenge("this")))
	check(t, err, passkey.WrongValue)
	for _, short := range [][]byte{nil, {}, make([]byte, passkey.MinChallenge-1)} {
		_, err = passkey.Verify(passkey.Expected{Site: site, Challenge: short}, c, a.Sign(short))
		check(t, err, passkey.WrongValue)
		_, err = passkey.Register(passkey.Expected{Site: site, Challenge: short}, a.Create(short))
		check(t, err, passkey.WrongValue)
	}
	nowhere := passkeytest.New("anna", passkey.Site{})
	_, err = passkey.Verify(passkey.Expected{Challenge: challenge("this")}, c, nowhere.Sign(challenge("this")))
	check(t, err, passkey.WrongOrigin)
	_, err = passkey.Verify(expected("this"), passkey.Credential{}, passkey.Assertion{})
	check(t, err, passkey.Other)
}

func TestFlags(t *testing.T) {
	const both = passkeytest.Present | passkeytest.Verified
	for _, tt := range []struct {
		name           string
		flags          byte
		register, sign passkey.Kind // of a passkey that was made with these flags, or else with both
	}{
		{"there and known", both, "", ""},
		{"bits that mean nothing", both | 1<<1 | 1<<5, "", ""},
		{"not there", passkeytest.Verified, passkey.NotPresent, passkey.NotPresent},
		{"not known", passkeytest.Present, passkey.NotVerified, passkey.NotVerified},
		{"neither", 0, passkey.NotPresent, passkey.NotPresent},
		{"may be copied", both | passkeytest.BackupEligible, "", ""},
		{"is copied", both | passkeytest.BackupEligible | passkeytest.BackedUp, "", ""},
		{"is copied and may not be", both | passkeytest.BackedUp, passkey.WrongBackup, passkey.WrongBackup},
		{"extensions that are not there", both | passkeytest.Extensions, passkey.Malformed, passkey.Malformed},
		{"a new passkey that is not there", both | passkeytest.Attested, "", passkey.Malformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := passkeytest.New("anna", site)
			a.Flags = tt.flags
			c, err := passkey.Register(expected("enrol"), a.Create(challenge("enrol")))
			check(t, err, tt.register)
			if err != nil {
				a.Flags = both
				c = enrolled(t, a)
				a.Flags = tt.flags
			}
			now, err := passkey.Verify(expected("this"), c, a.Sign(challenge("this")))
			check(t, err, tt.sign)
			if err == nil && now.BackedUp != (tt.flags&passkeytest.BackedUp != 0) {
				t.Errorf("backed up: %v", now.BackedUp)
			}
		})
	}
	// Whether it may be copied does not change, in neither way.
	a := passkeytest.New("anna", site)
	c := enrolled(t, a)
	a.Flags |= passkeytest.BackupEligible
	_, err := passkey.Verify(expected("this"), c, a.Sign(challenge("this")))
	check(t, err, passkey.WrongBackup)
	c = enrolled(t, a)
	a.Flags = both
	_, err = passkey.Verify(expected("this"), c, a.Sign(challenge("this")))
	check(t, err, passkey.WrongBackup)
}

func TestCounter(t *testing.T) {
	for _, tt := range []struct {
		kept, said uint32
		want       passkey.Kind
	}{
		{0, 0, ""}, {0, 1, ""}, {0, 7, ""}, {7, 8, ""}, {7, 700, ""}, {1<<32 - 2, 1<<32 - 1, ""},
		{1, 0, passkey.Counted}, {7, 0, passkey.Counted}, {7, 6, passkey.Counted}, {7, 7, passkey.Counted},
		{1<<32 - 1, 1<<32 - 1, passkey.Counted}, {1<<32 - 1, 0, passkey.Counted},
	} {
		a := passkeytest.New("anna", site)
		c := enrolled(t, a)
		c.Counter, a.Counter = tt.kept, tt.said
		now, err := passkey.Verify(expected("this"), c, a.Assert(a.ClientData("webauthn.get", challenge("this")),
			a.AuthData(false)))
		check(t, err, tt.want)
		if err == nil && now.Counter != tt.said {
			t.Errorf("counter %d, want %d", now.Counter, tt.said)
		}
		// Who has not the key raises no alarm.
		forged := a.Assert(a.ClientData("webauthn.get", challenge("this")), a.AuthData(false))
		forged.Signature = passkeytest.New("eve", site).Sign(challenge("this")).Signature
		_, err = passkey.Verify(expected("this"), c, forged)
		check(t, err, passkey.Forged)
	}
}

func TestOtherParties(t *testing.T) {
	a := passkeytest.New("anna", site)
	c := enrolled(t, a)
	// The page is the right one by what the browser says, and the authenticator signed for another.
	other := passkeytest.New("anna", passkey.Site{Origin: site.Origin, RPID: "example"})
	_, err := passkey.Verify(expected("this"), c, other.Sign(challenge("this")))
	check(t, err, passkey.WrongParty)
	_, err = passkey.Register(expected("this"), other.Create(challenge("this")))
	check(t, err, passkey.WrongParty)

	b := passkeytest.NewEd25519("bob", site)
	_, err = passkey.Verify(expected("this"), c, b.Sign(challenge("this")))
	check(t, err, passkey.Other)
	b.ID = a.ID
	_, err = passkey.Verify(expected("this"), c, b.Sign(challenge("this")))
	check(t, err, passkey.Forged)
	if _, err := passkey.Verify(expected("this"), enrolled(t, b), b.Sign(challenge("this"))); err != nil {
		t.Error(err)
	}
}

func TestAuthenticatorData(t *testing.T) {
	a := passkeytest.New("anna", site)
	c := enrolled(t, a)
	extended := func(b, extensions []byte) []byte {
		b = append(bytes.Clone(b), extensions...)
		b[32] |= passkeytest.Extensions
		return b
	}
	plain := a.AuthData(false)
	for name, tt := range map[string]struct {
		data []byte
		want passkey.Kind
	}{
		"as it is":                {plain, ""},
		"extensions":              {extended(plain, passkeytest.Map(passkeytest.Text("a"), passkeytest.Int(2))), ""},
		"extensions that are no":  {extended(plain, passkeytest.Int(2)), passkey.Malformed},
		"extensions and more":     {extended(plain, append(passkeytest.Map(), 0)), passkey.Malformed},
		"nothing":                 {nil, passkey.Malformed},
		"a byte too few":          {plain[:36], passkey.Malformed},
		"a byte too many":         {append(bytes.Clone(plain), 0), passkey.Malformed},
		"extensions without flag": {append(bytes.Clone(plain), passkeytest.Map()...), passkey.Malformed},
		"a new passkey":           {a.AuthData(true), passkey.Malformed},
		"too long": {extended(plain, passkeytest.Map(passkeytest.Text("a"), passkeytest.Bytes(
			make([]byte, passkey.MostAuthenticatorData)))), passkey.Large},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := passkey.Verify(expected("this"), c, a.Assert(a.ClientData("webauthn.get", challenge("this")),
				tt.data))
			check(t, err, tt.want)
		})
	}
}

// What is as large as it may be is taken, and a byte more is not.
func TestSizes(t *testing.T) {
	a := passkeytest.New("anna", site)
	c := enrolled(t, a)
	grown := func(b []byte, to int) []byte { // by an extension, whose length takes three bytes
		filling := passkeytest.Bytes(make([]byte, to-len(b)-6))
		b = append(bytes.Clone(b), passkeytest.Map(passkeytest.Text("a"), filling)...)
		b[32] |= passkeytest.Extensions
		return b
	}
	for more, want := range map[int]passkey.Kind{-1: "", 0: "", 1: passkey.Large} {
		client := a.ClientData("webauthn.get", challenge("this"))
		long := append(bytes.Clone(client), bytes.Repeat([]byte(" "), passkey.MostClientData+more-len(client))...)
		_, err := passkey.Verify(expected("this"), c, a.Assert(long, a.AuthData(false)))
		check(t, err, want)
		_, err = passkey.Verify(expected("this"), c, a.Assert(client,
			grown(a.AuthData(false), passkey.MostAuthenticatorData+more)))
		check(t, err, want)
		client = a.ClientData("webauthn.create", challenge("this"))
		around := len(a.Attest(client, make([]byte, 1000)).Attestation) - 1000
		made := a.Attest(client, grown(a.AuthData(true), passkey.MostAttestation+more-around))
		if len(made.Attestation) != passkey.MostAttestation+more {
			t.Fatalf("%d bytes", len(made.Attestation))
		}
		_, err = passkey.Register(expected("this"), made)
		check(t, err, want)
	}
}

func TestAttestation(t *testing.T) {
	a := passkeytest.New("anna", site)
	client := a.ClientData("webauthn.create", challenge("this"))
	that := a.ClientData("webauthn.create", challenge("that"))
	data := a.AuthData(true)
	text, blob, object := passkeytest.Text, passkeytest.Bytes, passkeytest.Map
	self := passkeytest.New("anna", site)
	self.Format = "packed"
	selfEd := passkeytest.NewEd25519("anna", site)
	selfEd.Format = "packed"
	swapped := self.Attest(client, data).Attestation
	swapped = bytes.Replace(swapped, append(text("alg"), passkeytest.Int(-7)...),
		append(text("alg"), passkeytest.Int(-8)...), 1)
	whole := func(format, statement, data []byte) []byte {
		return object(text("fmt"), format, text("attStmt"), statement, text("authData"), data)
	}
	foreign := passkeytest.New("eve", site)
	foreign.Format = "packed"
	long := passkeytest.New("anna", site)
	long.ID = make([]byte, passkey.MostCredentialID+1)
	longest := passkeytest.New("anna", site)
	longest.ID = make([]byte, passkey.MostCredentialID)
	none := passkeytest.New("anna", site)
	none.ID = nil
	for name, tt := range map[string]struct {
		attestation []byte
		want        passkey.Kind
	}{
		"none":                 {a.Attest(client, data).Attestation, ""},
		"by itself":            {self.Attest(client, data).Attestation, ""},
		"by itself, Ed25519":   {selfEd.Attest(client, selfEd.AuthData(true)).Attestation, ""},
		"by another key":       {foreign.Attest(client, data).Attestation, passkey.Forged},
		"over another client":  {self.Attest(that, data).Attestation, passkey.Forged},
		"by another algorithm": {swapped, passkey.Statement},
		"by a maker": {object(text("fmt"), text("packed"), text("attStmt"), object(text("alg"), passkeytest.Int(-7),
			text("sig"), blob([]byte{1}), text("x5c"), append([]byte{0x81}, blob([]byte{1})...)), text("authData"),
			blob(data)), passkey.Statement},
		"none that says something": {whole(text("none"), object(text("a"), passkeytest.Int(1)), blob(data)),
			passkey.Statement},
		"of another format": {whole(text("fido-u2f"), object(), blob(data)), passkey.Statement},
		"in another order": {object(text("authData"), blob(data), text("attStmt"), object(), text("fmt"), text("none")),
			""},
		"a member twice": {object(text("fmt"), text("none"), text("fmt"), text("none"), text("attStmt"), object(),
			text("authData"), blob(data)), passkey.Malformed},
		"a member more": {object(text("fmt"), text("none"), text("ep"), []byte{0xf5}, text("attStmt"), object(),
			text("authData"), blob(data)), passkey.Malformed},
		"a member less":       {object(text("attStmt"), object(), text("authData"), blob(data)), passkey.Malformed},
		"data as text":        {whole(text("none"), object(), text("x")), passkey.Malformed},
		"bytes after it":      {append(a.Attest(client, data).Attestation, 0), passkey.Malformed},
		"cut":                 {a.Attest(client, data).Attestation[:100], passkey.Malformed},
		"no CBOR":             {[]byte("{}"), passkey.Malformed},
		"nothing":             {nil, passkey.Malformed},
		"too long":            {make([]byte, passkey.MostAttestation+1), passkey.Large},
		"no new passkey":      {a.Attest(client, a.AuthData(false)).Attestation, passkey.Malformed},
		"the longest name":    {longest.Attest(client, longest.AuthData(true)).Attestation, ""},
		"too long a name":     {long.Attest(client, long.AuthData(true)).Attestation, passkey.Malformed},
		"no name":             {none.Attest(client, none.AuthData(true)).Attestation, passkey.Malformed},
		"a name that is cut":  {a.Attest(client, data[:60]).Attestation, passkey.Malformed},
		"bytes after the key": {a.Attest(client, append(bytes.Clone(data), 0)).Attestation, passkey.Malformed},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := passkey.Register(expected("this"), passkey.Registration{ClientData: client,
				Attestation: tt.attestation})
			check(t, err, tt.want)
		})
	}
}

func TestSignatures(t *testing.T) {
	a := passkeytest.New("anna", site)
	c := enrolled(t, a)
	good := a.Sign(challenge("this")).Signature
	padded := append(bytes.Clone(good), 0)
	long := bytes.Clone(good) // a length that takes two bytes where one does
	long = append([]byte{long[0], 0x81}, long[1:]...)
	for name, tt := range map[string]struct {
		signature []byte
		want      passkey.Kind
	}{
		"good": {good, ""}, "none": {nil, passkey.Malformed}, "bytes after it": {padded, passkey.Forged},
		"no DER": {long, passkey.Forged}, "zeros": {make([]byte, 64), passkey.Forged},
		"r and s are 0": {[]byte{0x30, 6, 2, 1, 0, 2, 1, 0}, passkey.Forged},
		"too long":      {make([]byte, passkey.MostSignature+1), passkey.Large},
	} {
		assertion := a.Sign(challenge("this"))
		assertion.Signature = tt.signature
		_, err := passkey.Verify(expected("this"), c, assertion)
		t.Run(name, func(t *testing.T) { check(t, err, tt.want) })
	}
	for name, key := range map[string][]byte{"none": nil, "cut": c.PublicKey[:20],
		"and more": append(bytes.Clone(c.PublicKey), 0)} {
		kept := c
		kept.PublicKey = key
		_, err := passkey.Verify(expected("this"), kept, a.Sign(challenge("this")))
		t.Run("a kept key: "+name, func(t *testing.T) { check(t, err, passkey.WrongKey) })
	}
}

func TestKeys(t *testing.T) {
	number, blob := passkeytest.Int, passkeytest.Bytes
	join := func(items ...[]byte) []byte { return passkeytest.Map(items...) }
	key := passkeytest.New("anna", site).COSE
	x, y := blob(key[10:42]), blob(key[45:77])
	ec := func(kty, alg, crv int64, x, y []byte) []byte {
		return join(number(1), number(kty), number(3), number(alg), number(-1), number(crv), number(-2), x, number(-3),
			y)
	}
	ed := passkeytest.NewEd25519("anna", site).COSE
	rsa := func(bits int, last byte, e []byte) []byte {
		n := bytes.Repeat([]byte{0xc5}, bits/8)
		n[len(n)-1] = last
		return join(number(1), number(3), number(3), number(-257), number(-1), blob(n), number(-2), blob(e))
	}
	f4 := []byte{1, 0, 1}
	for name, tt := range map[string]struct {
		key  []byte
		want passkey.Algorithm // 0: refused
	}{
		"ES256":                    {ec(2, -7, 1, x, y), passkey.ES256},
		"a point beside the curve": {ec(2, -7, 1, x, x), 0},
		"the point 0, 0":           {ec(2, -7, 1, blob(make([]byte, 32)), blob(make([]byte, 32))), 0},
		"x beyond the field":       {ec(2, -7, 1, blob(bytes.Repeat([]byte{255}, 32)), y), 0},
		"x and the sign of y":      {ec(2, -7, 1, x, []byte{0xf5}), 0},
		"a short x":                {ec(2, -7, 1, blob(key[10:41]), y), 0},
		"a long x":                 {ec(2, -7, 1, blob(key[9:42]), y), 0},
		"another curve":            {ec(2, -7, 2, x, y), 0},
		"another type":             {ec(1, -7, 1, x, y), 0},
		"ES384":                    {ec(2, -35, 1, x, y), 0},
		"the algorithm of others":  {ec(2, -8, 1, x, y), 0},
		"RS256 by curve":           {ec(2, -257, 1, x, y), 0},
		"a text as type": {join(passkeytest.Text("1"), number(2), number(3), number(-7), number(-1), number(1),
			number(-2), x, number(-3), y), 0},
		"a private part": {join(number(1), number(2), number(3), number(-7), number(-1), number(1), number(-2), x,
			number(-3), y, number(-4), x), 0},
		"no algorithm": {join(number(1), number(2), number(-1), number(1), number(-2), x, number(-3), y), 0},
		"no y":         {join(number(1), number(2), number(3), number(-7), number(-1), number(1), number(-2), x), 0},
		"no map":       {number(1), 0},
		"an empty map": {join(), 0},
		"Ed25519":      {ed, passkey.Ed25519},
		"Ed25519 of another curve": {join(number(1), number(1), number(3), number(-8), number(-1), number(4),
			number(-2), blob(ed[10:])), 0},
		"a short Ed25519": {join(number(1), number(1), number(3), number(-8), number(-1), number(6), number(-2),
			blob(ed[11:])), 0},
		"RS256":                {rsa(2048, 1, f4), passkey.RS256},
		"RS256 of 4096 bits":   {rsa(4096, 1, f4), passkey.RS256},
		"RS256 of 1024 bits":   {rsa(1024, 1, f4), 0},
		"RS256 of 2040 bits":   {rsa(2040, 1, f4), 0},
		"RS256 of 4104 bits":   {rsa(4104, 1, f4), 0},
		"an even modulus":      {rsa(2048, 2, f4), 0},
		"the exponent 3":       {rsa(2048, 1, []byte{3}), 0},
		"the exponent 1":       {rsa(2048, 1, []byte{1}), 0},
		"an exponent with a 0": {rsa(2048, 1, []byte{0, 1, 0, 1}), 0},
		"a modulus with a 0": {join(number(1), number(3), number(3), number(-257), number(-1),
			blob(append([]byte{0}, bytes.Repeat([]byte{0xc5}, 256)...)), number(-2), blob(f4)), 0},
	} {
		got, err := passkey.Key(tt.key)
		if (err == nil) != (tt.want != 0) || err == nil && got != tt.want {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	if len(passkey.Algorithms()) != 3 {
		t.Error("there are cases for three algorithms")
	}
}

// RFC 8949 has the values in its appendix A.
func TestCBOR(t *testing.T) {
	for text, want := range map[string]bool{
		"00": true, "17": true, "1818": true, "1903e8": true, "1a000f4240": true, "1b000000e8d4a51000": true,
		"1bffffffffffffffff": true, "20": true, "3903e7": true, "3bffffffffffffffff": true, "40": true,
		"4401020304": true,
		"60":         true, "62c3bc": true, "80": true, "83010203": true, "a0": true, "a201020304": true, "f4": true,
		"f5": true,
		"f6": true, "a26161016162820203": true, "a2026131016131": true, // names in any order
		"81818180": true, "8181818180": false, // depth
		"": false, "18": false, "1817": false, "1900ff": false, "1a0000ffff": false, "1b00000000ffffffff": false,
		"1c": false, "1f": false, "5f": false, "5f4100ff": false, "9fff": false, "ff": false, // indefinite
		"44010203": false, "62c328": false, "61ff": false, "8301": false, "a1": false, "a101": false,
		"a201020102": false, "a2613101613102": false, "a1f501": false, "a14001": false, "a18001": false,
		"a1a001": false, "bfff": false,
		"f7": false, "f0": false, "f814": false, "f818": false, "f8ff": false, "f90000": false, "fa47c35000": false,
		"fb3ff199999999999a": false, "c000": false, "c11a514b67b0": false, "d8184100": false, // simple, floats, tags
		"0000": false, "a1010200": false, // bytes after it
		"5bffffffffffffffff": false, "9bffffffffffffffff": false, "bbffffffffffffffff": false, "ba80000000": false,
		"9a00010000": false, "1c" + strings.Repeat("00", 16): false,
	} {
		b := unhex(t, text)
		again, err := passkey.CBOR(b)
		if (err == nil) != want || err == nil && !bytes.Equal(again, b) {
			t.Errorf("%s: %x, %v", text, again, err)
		}
	}
	// The number of values is bounded, also where they stand in several arrays.
	many := []byte{0xb8, 200}
	for i := range 200 {
		many = append(append(many, passkeytest.Int(int64(i))...), 0)
	}
	if _, err := passkey.CBOR(many); err == nil {
		t.Error("a map of 400 values is taken")
	}
	part := append([]byte{0x98, 200}, make([]byte, 200)...)
	if _, err := passkey.CBOR(slices.Concat([]byte{0x82}, part, part)); err == nil {
		t.Error("two arrays of 200 values each are taken")
	}
	for n, want := range map[int]bool{255: true, 256: false} {
		b := binary.BigEndian.AppendUint16([]byte{0x99}, uint16(n))
		if n < 256 {
			b = []byte{0x98, byte(n)}
		}
		if _, err := passkey.CBOR(append(b, make([]byte, n)...)); (err == nil) != want {
			t.Errorf("%d values: %v", n, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	c := enrolled(t, passkeytest.New("anna", site))
	const want = "3543 95e0 df36 52ed cc18 9661 c39d 6db1"
	if got := c.Fingerprint(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	used := c
	used.Counter, used.BackedUp = 7, true
	if used.Fingerprint() != c.Fingerprint() {
		t.Error("a passkey has another fingerprint when it was used")
	}
	moved := c // a byte from the key to the ID
	moved.ID, moved.PublicKey = append(bytes.Clone(c.ID), c.PublicKey[0]), c.PublicKey[1:]
	if moved.Fingerprint() == c.Fingerprint() {
		t.Error("two passkeys have the same fingerprint")
	}
}
