package hive

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/btcsuite/btcd/btcec/v2"
)

// smallKey returns the private key of a small number.
func smallKey(t *testing.T, n byte) *PrivateKey {
	t.Helper()
	key, err := privateKeyFromBytes(&[32]byte{31: n})
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// lastKey returns the private key n-1, whose public key is the base point's negative.
func lastKey(t *testing.T) *PrivateKey {
	t.Helper()
	var scalar btcec.ModNScalar
	scalar.SetInt(1).Negate()
	raw := scalar.Bytes()
	key, err := privateKeyFromBytes(&raw)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Times any scalar, the table gives what the curve library gives. The digits of these scalars meet
// each edge: carries through all of them, only the last one, the lowest and the highest.
func TestMultiplesOfAnyScalar(t *testing.T) {
	var scalars []btcec.ModNScalar
	add := func(raw [32]byte) {
		var s btcec.ModNScalar
		s.SetBytes(&raw)
		scalars = append(scalars, s)
	}
	for n := range 70 {
		add([32]byte{31: byte(n)})
	}
	for bit := range 256 {
		raw := [32]byte{}
		raw[31-bit/8] = 1 << (bit % 8)
		add(raw)
		var s btcec.ModNScalar
		s.SetBytes(&raw)
		s.Negate()
		scalars = append(scalars, s)
	}
	for _, fill := range []byte{0xff, 0x7f, 0x82, 0x20, 0x08} {
		raw := [32]byte{}
		for i := range raw[1:] {
			raw[1+i] = fill
		}
		add(raw)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		raw := [32]byte{}
		for i := range raw {
			raw[i] = byte(random.Uint32())
		}
		add(raw)
	}
	for _, key := range []*PrivateKey{smallKey(t, 1), lastKey(t), PrivateKeyFromSeed("some key")} {
		m := newMultiples(key.public)
		public, err := btcec.ParsePubKey(key.public[:])
		if err != nil {
			t.Fatal(err)
		}
		var q btcec.JacobianPoint
		public.AsJacobian(&q)
		for i := range scalars {
			var got, want btcec.JacobianPoint
			m.addTo(&got, &scalars[i])
			btcec.ScalarMultNonConst(&scalars[i], &q, &want)
			if !got.EquivalentNonConst(&want) {
				t.Fatalf("%v times the key %v is another point", scalars[i], key.public)
			}
		}
	}
	if newMultiples(PublicKey{}) != nil {
		t.Error("the null key has multiples")
	}
}

// A table says what Verify says: of good signatures, of such that were changed, and where the two
// halves of the sum are the same point, opposite ones or nothing.
func TestTableSaysWhatVerifySays(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	yes, no := 0, 0
	for i, key := range []*PrivateKey{smallKey(t, 1), smallKey(t, 2), lastKey(t), PrivateKeyFromSeed("some key")} {
		m := newMultiples(key.public)
		compare := func(sig Signature, digest Digest) {
			t.Helper()
			got, want := m.signed(sig, digest), sig.Verify(digest, key.public)
			if got != want {
				t.Fatalf("key %d, signature %v of %v: the table says %v, Verify %v", i, sig, digest, got, want)
			}
			if got {
				yes++
			} else {
				no++
			}
		}
		for n := range 40 {
			digest := HashText(fmt.Sprint(n))
			switch n {
			case 0:
				digest = Digest{}
			case 1:
				for j := range digest {
					digest[j] = 0xff // above the order of the curve
				}
			}
			sig, err := key.Sign(digest)
			if err != nil {
				t.Fatal(err)
			}
			compare(sig, digest)
			for range 10 {
				changed, other := sig, digest
				if at := random.IntN(97); at < len(sig) {
					changed[at] ^= 1 << random.IntN(8)
				} else {
					other[at-len(sig)] ^= 1 << random.IntN(8)
				}
				compare(changed, other)
			}
			// With r as the digest, both halves are the same multiple: of base point and key.
			same := sig
			compare(same, Digest(same[1:33]))
		}
		for _, header := range []byte{0, 30, 31, 32, 33, 34, 35} {
			for _, r := range []byte{0, 1} {
				for _, s := range []byte{0, 1} {
					sig := Signature{0: header}
					sig[32], sig[64] = r, s
					compare(sig, Digest{})
					compare(sig, Digest{31: 1})
				}
			}
		}
	}
	if yes < 160 || no < 1000 {
		t.Errorf("%d yes, %d no", yes, no)
	}
}

// A bit that flips in the private key, in the nonce, in the digest or in the result lets no
// signature out, whenever it does, though the table is in use. One in the table lets the right
// signature out all the same, and the table is made anew.
func TestFaultsWithATable(t *testing.T) {
	digest := HashText("text")
	key := PrivateKeyFromSeed("fault")
	secret, err := key.secret()
	if err != nil {
		t.Fatal(err)
	}
	want, err := key.Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	table := newMultiples(key.public)
	use := func() { // a fault drops it
		signers.drop(key.public)
		signers.of(key.public)
		signers.keys[key.public].table = table
	}
	refused := func(what string, bit int, sig Signature, err error) {
		t.Helper()
		if err == nil {
			t.Errorf("bit %d of %s flipped: %v left", bit, what, sig)
		}
	}
	for bit := range 256 {
		var flip btcec.ModNScalar
		raw := [32]byte{}
		raw[31-bit/8] = 1 << (bit % 8)
		flip.SetBytes(&raw)
		right := secret.Key

		secret.Key.Add(&flip)
		use()
		sig, err := key.Sign(digest)
		refused("the key", bit, sig, err)
		// The key or the nonce flips after the nonce's point is known: with the right signature of
		// the same digest, such a one gives the key away.
		scalar := right.Bytes()
		nonce := btcec.NonceRFC6979(scalar[:], digest[:], nil, nil, 0)
		sig, _ = signWith(secret, nonce, digest)
		use()
		sig, err = key.checked(sig, digest)
		refused("the key after the nonce", bit, sig, err)
		secret.Key = right

		sig, _ = signWith(secret, nonce, digest)
		if sig != want {
			t.Fatalf("nothing flipped: %v, want %v", sig, want)
		}
		other, _ := signWith(secret, nonce.Add(&flip), digest)
		copy(other[1:33], want[1:33]) // the point of the right nonce, s of the other
		use()
		sig, err = key.checked(other, digest)
		refused("the nonce", bit, sig, err)

		other = want
		other[1+bit/4] ^= 1 << (bit % 8)
		use()
		sig, err = key.checked(other, digest)
		refused("the result", bit, sig, err)

		wrong := digest
		wrong[bit/8] ^= 1 << (bit % 8)
		use()
		sig, err = key.checked(want, wrong)
		refused("the digest", bit, sig, err)

		// These verify, and give the key away beside the right one: a nonce that flipped before its
		// point was made, and a digest that flipped after the nonce was made.
		for _, attempt := range []int{0, 3} {
			used := nonceRFC6979(secret, messageOf(digest, attempt))
			other, _ = signWith(secret, &used, wrong)
			use()
			sig, err = key.finish(secret, &used, other, wrong, attempt)
			refused("the digest after the nonce", bit, sig, err)
			used.Add(&flip)
			other, _ = signWith(secret, &used, digest)
			use()
			sig, err = key.finish(secret, &used, other, digest, attempt)
			refused("the nonce before its point", bit, sig, err)
		}
	}
	use()
	if got, err := key.checked(want, digest); err != nil || got != want {
		t.Errorf("nothing flipped: %v, %v", got, err)
	}
	if signers.of(key.public) != table {
		t.Error("the table was not in use")
	}

	for i := range table {
		for j := range table[i] {
			table[i][j].x.AddInt(1).Normalize()
		}
	}
	if got, err := key.Sign(digest); err != nil || got != want {
		t.Errorf("with a fault in the table: %v, %v", got, err)
	}
	if signers.of(key.public) != nil {
		t.Error("the table at fault is still in use")
	}
}

// Keys that take turns get no table, however many they are, and those that sign most keep theirs.
func TestTablesAreBounded(t *testing.T) {
	list := tables{keys: map[PublicKey]*tableUse{}}
	busy := PrivateKeyFromSeed("busy").public
	var others []PublicKey
	for i := range 2 * tableMost {
		others = append(others, PrivateKeyFromSeed(fmt.Sprint("other ", i)).public)
	}
	for range 2 * tableWorth {
		for _, key := range others {
			list.of(busy)
			if list.of(key) != nil {
				t.Fatal("one of many keys that take turns got a table")
			}
		}
	}
	if list.of(busy) == nil || len(list.keys) != tableMost {
		t.Errorf("%d keys, table of the busy one: %v", len(list.keys), list.of(busy) != nil)
	}
	list.drop(busy)
	if list.of(busy) != nil {
		t.Error("a table that was dropped is in use")
	}
}

// Many goroutines sign with the same keys while tables are made.
func TestTablesBesideEachOther(t *testing.T) {
	keys := []*PrivateKey{PrivateKeyFromSeed("beside a"), PrivateKeyFromSeed("beside b")}
	var running sync.WaitGroup
	for g := range 4 {
		running.Go(func() {
			for i := range 2 * tableWorth {
				key := keys[(g+i)%len(keys)]
				if _, err := key.Sign(Digest{byte(i)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	running.Wait()
}

func BenchmarkVerifyByTable(b *testing.B) {
	key, digest := PrivateKeyFromSeed("some key"), HashText("text")
	sig, err := key.Sign(digest)
	if err != nil {
		b.Fatal(err)
	}
	m := newMultiples(key.public)
	b.ReportAllocs()
	for b.Loop() {
		if !m.signed(sig, digest) {
			b.Fatal("no")
		}
	}
}

func BenchmarkNewMultiples(b *testing.B) {
	key := PrivateKeyFromSeed("some key").public
	b.ReportAllocs()
	for b.Loop() {
		newMultiples(key)
	}
}

func TestAffineOf(t *testing.T) {
	var none, point btcec.JacobianPoint // at infinity, the one with nothing set
	digest := sha256.Sum256([]byte("affine"))
	var scalar btcec.ModNScalar
	for range 20 {
		scalar.SetBytes(&digest)
		btcec.ScalarBaseMultNonConst(&scalar, &point)
		digest = sha256.Sum256(digest[:])
		for _, p := range []btcec.JacobianPoint{point, none} {
			want := p
			want.ToAffine()
			if affineOf(&p); !p.X.Equals(&want.X) || !p.Y.Equals(&want.Y) {
				t.Fatalf("%v, %v, want %v, %v", p.X, p.Y, want.X, want.Y)
			}
		}
		opposite := point
		opposite.Y.Normalize().Negate(1).Normalize()
		btcec.AddNonConst(&point, &opposite, &none) // at infinity, as the sum of a signature may be
	}
}
