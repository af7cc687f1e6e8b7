package hive

import (
	"math/big"
	"sync"

	"github.com/btcsuite/btcd/btcec/v2"
)

// A signature is checked before it leaves. With the multiples of the signer's public key at hand
// that takes less than half of what recovering the key from the signature takes. They are made from
// the public key alone, so that a private key whose memory is at fault does not vouch for itself.

const (
	digitBits    = 6                             // of a scalar, at a time
	digitMost    = 1 << (digitBits - 1)          // digits are from -31 to 32
	scalarDigits = (256 + digitBits) / digitBits // with a bit for the last carry
	// tableWorth is after how many signatures a key gets a table. Making one takes as long as it
	// saves in 30 checks.
	tableWorth = 32
	// tableMost is how many keys have a table or are on the way to one. A table has 110,080 bytes.
	tableMost = 32
)

// multiples is, for each digit of a scalar, the public key times 1 to 32 times the digit's weight.
type multiples [scalarDigits][digitMost]struct{ x, y btcec.FieldVal }

// newMultiples returns nil for what is no public key.
func newMultiples(key PublicKey) *multiples {
	public, err := btcec.ParsePubKey(key[:])
	if err != nil {
		return nil
	}
	var base btcec.JacobianPoint
	public.AsJacobian(&base)
	m := new(multiples)
	for i := range m {
		var points [digitMost]btcec.JacobianPoint
		points[0] = base
		for j := 1; j < digitMost; j++ {
			btcec.AddNonConst(&points[j-1], &base, &points[j])
		}
		btcec.DoubleNonConst(&points[digitMost-1], &base)
		base.ToAffine()
		affine(points[:])
		for j := range points {
			m[i][j].x, m[i][j].y = points[j].X, points[j].Y
		}
	}
	return m
}

// affine makes the last coordinate of each point one, with one division for all of them. None is
// the point at infinity.
func affine(points []btcec.JacobianPoint) {
	products := make([]btcec.FieldVal, len(points)) // of the coordinates before each
	var all btcec.FieldVal
	all.SetInt(1)
	for i := range points {
		products[i].Set(&all)
		all.Mul(&points[i].Z)
	}
	all.Inverse()
	for i := len(points) - 1; i >= 0; i-- {
		p := &points[i]
		var inverse, square btcec.FieldVal
		inverse.Mul2(&all, &products[i])
		all.Mul(&p.Z)
		square.SquareVal(&inverse)
		p.X.Mul(&square).Normalize()
		p.Y.Mul(&square).Mul(&inverse).Normalize()
		p.Z.SetInt(1)
	}
}

// addTo adds the public key times a scalar to a point.
func (m *multiples) addTo(sum *btcec.JacobianPoint, scalar *btcec.ModNScalar) {
	var term btcec.JacobianPoint
	term.Z.SetInt(1)
	raw := scalar.Bytes()
	carry := 0
	for i := range m {
		digit := carry
		for bit := range digitBits {
			if at := i*digitBits + bit; at < 256 {
				digit += int(raw[31-at/8]>>(at%8)&1) << bit
			}
		}
		if carry = 0; digit > digitMost {
			digit, carry = digit-2*digitMost, 1
		}
		if digit == 0 {
			continue
		}
		p := &m[i][max(digit, -digit)-1]
		term.X, term.Y = p.x, p.y
		if digit < 0 {
			term.Y.Negate(1).Normalize()
		}
		btcec.AddNonConst(sum, &term, sum)
	}
}

// signed reports what [Signature.Verify] does, for the key of the table.
func (m *multiples) signed(s Signature, digest Digest) bool {
	sigR, sigS, err := s.numbers()
	if err != nil {
		return false
	}
	var e btcec.ModNScalar
	e.SetBytes((*[32]byte)(&digest))
	sigS.InverseNonConst()
	var point btcec.JacobianPoint
	btcec.ScalarBaseMultNonConst(e.Mul(&sigS), &point)
	m.addTo(&point, new(btcec.ModNScalar).Mul2(&sigR, &sigS))
	affineOf(&point) // of nothing, x is zero, which r is not
	var x btcec.ModNScalar
	overflow := x.SetBytes(point.X.Bytes())
	return x.Equals(&sigR) && s[0] == 31+byte(overflow<<1)+byte(point.Y.IsOddBit())
}

// affineOf does what ToAffine of btcec does, in a third of the time, for points that are no secret:
// how long the division takes depends on the numbers.
func affineOf(p *btcec.JacobianPoint) {
	z := p.Z.Normalize().Bytes()
	inverse := new(big.Int).ModInverse(new(big.Int).SetBytes(z[:]), fieldPrime)
	if inverse == nil { // the point at infinity
		p.X.Zero()
		p.Y.Zero()
		return
	}
	var bytes [32]byte
	var by, square btcec.FieldVal
	by.SetBytes((*[32]byte)(inverse.FillBytes(bytes[:])))
	square.SquareVal(&by)
	p.X.Mul(&square).Normalize()
	p.Y.Mul(&square).Mul(&by).Normalize()
	p.Z.SetInt(1)
}

var fieldPrime = btcec.S256().P

// tables is the multiples of the keys that sign most. It may be used concurrently.
type tables struct {
	mu   sync.Mutex
	keys map[PublicKey]*tableUse
	now  uint64 // counts signatures
}

type tableUse struct {
	last, uses uint64
	table      *multiples // nil: not yet worth it
}

// signers is what signing uses. It holds nothing secret.
var signers = tables{keys: map[PublicKey]*tableUse{}}

// of returns the table of a key that signs, nil if it has none. With more keys than have room, the
// one that was not used for the longest time goes, and begins to count from the start when it comes
// back: keys that take turns would make a table for each signature.
func (t *tables) of(key PublicKey) *multiples {
	t.mu.Lock()
	t.now++
	use := t.keys[key]
	if use == nil {
		if len(t.keys) >= tableMost {
			t.dropOldest()
		}
		use = &tableUse{}
		t.keys[key] = use
	}
	use.last = t.now
	use.uses++
	worth, table := use.uses == tableWorth, use.table
	t.mu.Unlock()
	if worth { // who counts to it makes it, beside the others
		table = newMultiples(key)
		t.mu.Lock()
		use.table = table
		t.mu.Unlock()
	}
	return table
}

func (t *tables) dropOldest() {
	var oldest PublicKey
	last := t.now
	for key, use := range t.keys {
		if use.last < last {
			oldest, last = key, use.last
		}
	}
	delete(t.keys, oldest)
}

// drop forgets the table of a key.
func (t *tables) drop(key PublicKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.keys, key)
}
