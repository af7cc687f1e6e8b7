package hive

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
)

// Transaction is a list of operations with a reference to a block and an expiration, before it is
// signed. It has no extensions.
type Transaction struct {
	RefBlockNum    uint16
	RefBlockPrefix uint32
	Expiration     Time
	Operations     []Operation // at least one
}

// SignedTransaction is a transaction with signatures; more may follow.
type SignedTransaction struct {
	Transaction
	Signatures []Signature
}

// TxID is the id of a transaction: the first 20 bytes of the SHA-256 of its bytes. It does not
// depend on signatures and chain id.
type TxID [20]byte

// String returns 40 lower-case hexadecimal digits.
func (id TxID) String() string { return hex.EncodeToString(id[:]) }

var errTxID = errors.New("a transaction id has 40 hexadecimal digits")

// ParseTxID reads 40 hexadecimal digits of either case.
func ParseTxID(text string) (id TxID, err error) {
	if len(text) != hex.EncodedLen(len(id)) {
		return TxID{}, errTxID
	}
	if _, err := hex.Decode(id[:], []byte(text)); err != nil {
		return TxID{}, errTxID
	}
	return id, nil
}

// TransactionID returns the id of a serialised, unsigned transaction.
func TransactionID(packed []byte) TxID {
	sum := sha256.Sum256(packed)
	return TxID(sum[:len(TxID{})])
}

// SigningDigest returns the digest that signatures sign: the SHA-256 of the chain id and the
// serialised, unsigned transaction (tx §2.5).
func (n *Network) SigningDigest(packed []byte) (digest Digest) {
	h := sha256.New()
	h.Write(n.ChainID[:])
	h.Write(packed)
	h.Sum(digest[:0])
	return digest
}

// ReferenceBlock returns the two values with which a transaction refers to a block (tx §2.2). The
// id is 40 hexadecimal digits and begins with the number; the id of another block is an error.
func ReferenceBlock(number uint32, id string) (refNum uint16, refPrefix uint32, err error) {
	var raw [20]byte
	if len(id) != hex.EncodedLen(len(raw)) {
		return 0, 0, errors.New("a block id has 40 hexadecimal digits")
	}
	if _, err := hex.Decode(raw[:], []byte(id)); err != nil {
		return 0, 0, errors.New("a block id has 40 hexadecimal digits")
	}
	if got := binary.BigEndian.Uint32(raw[:]); got != number {
		return 0, 0, fmt.Errorf("the block id is that of block %d, not of %d", got, number)
	}
	return uint16(number), binary.LittleEndian.Uint32(raw[4:]), nil
}

var errNoOperations = errors.New("a transaction has at least one operation")

// Serialize returns the bytes that are hashed, in legacy packing, like the libraries of
// applications. In the other packing, a transaction with assets has another id (tx §2.5).
func (n *Network) Serialize(t Transaction) ([]byte, error) {
	if len(t.Operations) == 0 {
		return nil, errNoOperations
	}
	if t.Expiration > math.MaxInt32 {
		return nil, errTimeForm
	}
	dst := make([]byte, 0, 256)
	dst = binary.LittleEndian.AppendUint16(dst, t.RefBlockNum)
	dst = binary.LittleEndian.AppendUint32(dst, t.RefBlockPrefix)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(t.Expiration))
	dst = binary.AppendUvarint(dst, uint64(len(t.Operations)))
	for _, op := range t.Operations {
		if op.def == nil {
			return nil, errNoOperations
		}
		dst = op.append(dst, n)
	}
	return append(dst, 0), nil
}

// DecodeTransaction reads a serialised, unsigned transaction. The result serialises to the same
// bytes. It does not check limits; see [Operation.Validate].
func (n *Network) DecodeTransaction(packed []byte) (Transaction, error) {
	u := &unpacker{rest: packed, net: n}
	t := u.transaction()
	return t, u.end()
}

// SerializeSigned returns the bytes of a transaction with its signatures. Neither digest nor id
// depends on them, and the JSON API of the node does not use them.
func (n *Network) SerializeSigned(t SignedTransaction) ([]byte, error) {
	dst, err := n.Serialize(t.Transaction)
	if err != nil {
		return nil, err
	}
	dst = binary.AppendUvarint(dst, uint64(len(t.Signatures)))
	for _, s := range t.Signatures {
		dst = append(dst, s[:]...)
	}
	return dst, nil
}

func (u *unpacker) transaction() (t Transaction) {
	t.RefBlockNum = uint16(u.uint(2))
	t.RefBlockPrefix = uint32(u.uint(4))
	t.Expiration = u.time()
	count := u.count(1)
	if count == 0 {
		u.fail(errNoOperations)
	}
	for range count {
		t.Operations = append(t.Operations, u.operation())
		if u.err != nil {
			return Transaction{}
		}
	}
	if u.uvarint() != 0 {
		u.fail(errors.New("a transaction has no extensions"))
	}
	return t
}

func (u *unpacker) end() error {
	if u.err == nil && len(u.rest) > 0 {
		u.fail(fmt.Errorf("%d bytes too many", len(u.rest)))
	}
	return u.err
}

var transactionNames = []string{
	"ref_block_num", "ref_block_prefix", "expiration", "operations", "extensions", "signatures",
}

// ParseTransaction reads a transaction from JSON, as strictly as [Network.ParseOperation].
// extensions and signatures may be absent.
func (n *Network) ParseTransaction(raw []byte) (SignedTransaction, error) {
	r := n.reader(raw)
	t := r.transaction()
	r.end()
	if r.err != nil {
		return SignedTransaction{}, fmt.Errorf("transaction: %w", r.err)
	}
	return t, nil
}

func (r *jsonReader) transaction() (t SignedTransaction) {
	seen := r.object(transactionNames, func(i int) {
		switch i {
		case 0:
			t.RefBlockNum = uint16(r.int(0, math.MaxUint16))
		case 1:
			t.RefBlockPrefix = uint32(r.int(0, math.MaxUint32))
		case 2:
			t.Expiration = timeCodec{}.parse(r).(Time)
		case 3:
			r.list(func() { t.Operations = append(t.Operations, r.operation()) })
		case 4:
			emptyCodec{}.parse(r)
		case 5:
			r.list(func() { t.Signatures = append(t.Signatures, r.signature()) })
		}
	})
	for i, name := range transactionNames[:4] {
		if r.err == nil && seen&(1<<i) == 0 {
			r.fail(fmt.Errorf("has no %s", name))
		}
	}
	if len(t.Operations) == 0 {
		r.fail(errNoOperations)
	}
	return t
}

func (r *jsonReader) signature() Signature {
	text := r.text()
	if r.err != nil {
		return Signature{}
	}
	s, err := ParseSignature(text)
	if err != nil {
		r.fail(err)
	}
	return s
}
