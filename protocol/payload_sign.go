package protocol

import (
	"math"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"pksa/protocol/hive"
)

// SignReqData is the clear payload of sign_req (HAS §5.3).
type SignReqData struct {
	KeyType hive.Role // posting or active
	Ops     [][]byte  // raw JSON of each operation, an array or an object; at least one, at most MaxOps
	// Tx is the rest of the transaction if the application made all of it: member tx, which stands
	// in the place of ops. Nil: the wallet makes the rest.
	Tx *TxHead
	// Signatures are those of others over the transaction, beside Tx only, each with numbers that
	// hive.Signature.Check takes: at most MaxSignatures. Whoever made them is not known. Nil: the
	// member is absent, and nobody asks what is missing; not nil and empty: somebody does.
	Signatures []hive.Signature
	Broadcast  bool
	Nonce      Nonce // 0 = absent
}

// TxHead is a transaction without its operations.
type TxHead struct {
	RefBlockNum    uint16
	RefBlockPrefix uint32
	Expiration     hive.Time
}

// DecodeSignReqData reads the clear payload of sign_req. Each operation is an array or an object
// without equal names at any depth; package hive reads the rest. A nonce may be null. Errors are
// *DecodeError.
func DecodeSignReqData(text []byte) (SignReqData, error) {
	o := readPayload("sign_req_data", text, "key_type", "ops", "tx", "signatures", "broadcast", "nonce")
	data := SignReqData{KeyType: o.role(signingRoles...), Broadcast: o.boolean("broadcast"), Nonce: o.nonce()}
	if value, ok := o.raw("tx"); ok {
		data.Tx, data.Ops = o.transaction(value)
		if _, ok := o.raw("signatures"); ok {
			data.Signatures = o.signatures("signatures", MaxSignatures, hive.Signature.Check)
		}
	} else {
		data.Ops = o.operations("ops")
		if _, ok := o.raw("signatures"); ok { // of a transaction that is not made yet
			o.fail("signatures", ReasonMember)
		}
	}
	if o.err != nil {
		return SignReqData{}, o.failed()
	}
	return data, nil
}

// transaction reads a whole unsigned transaction. A wallet that does not know tx finds no ops and
// refuses, so both together are none. Lists that say nothing may be there: libraries write them.
func (o *object) transaction(value []byte) (*TxHead, [][]byte) {
	if _, both := o.raw("ops"); both {
		o.fail("ops", ReasonMember)
	}
	inner := o.inner("tx", value, "ref_block_num", "ref_block_prefix", "expiration", "operations", "extensions",
		"signatures")
	number, prefix := inner.integer("ref_block_num", 0), inner.integer("ref_block_prefix", 0)
	if number > math.MaxUint16 {
		inner.fail("ref_block_num", ReasonValue)
	}
	if prefix > math.MaxUint32 {
		inner.fail("ref_block_prefix", ReasonValue)
	}
	head := &TxHead{RefBlockNum: uint16(number), RefBlockPrefix: uint32(prefix)}
	if text := inner.text("expiration"); inner.err == nil {
		var err error
		if head.Expiration, err = hive.ParseTime(text); err != nil {
			inner.fail("expiration", ReasonValue)
		}
	}
	for _, name := range []string{"extensions", "signatures"} {
		if _, there := inner.raw(name); there && len(inner.elements(name, MaxOps)) > 0 {
			inner.fail(name, ReasonValue)
		}
	}
	ops := inner.operations("operations")
	o.adopt(inner)
	return head, ops
}

// signatures reads a list of them, which is not nil. check looks at each.
func (o *object) signatures(name string, most int, check func(hive.Signature) error) []hive.Signature {
	list := []hive.Signature{}
	for _, value := range o.elements(name, most) {
		signature, err := hive.ParseSignature(o.unquote(name, value))
		if err == nil {
			err = check(signature)
		}
		if err != nil {
			o.fail(name, ReasonValue)
		}
		list = append(list, signature)
	}
	return list
}

func (w *writer) signatures(name string, list []hive.Signature) {
	w.name(name)
	w.buf = append(w.buf, '[')
	for _, signature := range list {
		w.element()
		w.buf = hive.AppendString(w.buf, signature.String())
	}
	w.buf = append(w.buf, ']')
}

func (o *object) operations(name string) [][]byte {
	ops := o.elements(name, MaxOps)
	if o.err == nil && len(ops) == 0 {
		o.fail(name, ReasonValue)
	}
	size := 0
	for _, op := range ops {
		if op[0] != '[' && op[0] != '{' {
			o.fail(name, ReasonType)
			return nil
		}
		size += len(op)
	}
	copied := make([]byte, 0, size) // one copy for all, so that the payload can be freed
	for i, op := range ops {
		start := len(copied)
		copied = append(copied, op...)
		ops[i] = copied[start:len(copied):len(copied)]
	}
	return ops
}

// Encode returns the clear payload, with its members in the order of HAS §5.3 and each operation
// unchanged.
func (d SignReqData) Encode() ([]byte, error) {
	w := &writer{what: "sign_req_data"}
	w.open()
	w.role(d.KeyType, signingRoles...)
	if len(d.Ops) == 0 || len(d.Ops) > MaxOps {
		w.fail("ops", "value not allowed")
	}
	if d.Tx != nil {
		if d.Tx.Expiration > math.MaxInt32 {
			w.fail("tx", "value not allowed")
		}
		w.name("tx")
		w.open()
		w.integer("ref_block_num", int64(d.Tx.RefBlockNum), 0)
		w.integer("ref_block_prefix", int64(d.Tx.RefBlockPrefix), 0)
		w.text("expiration", d.Tx.Expiration.String())
		w.name("operations")
	} else {
		w.name("ops")
	}
	w.buf = append(w.buf, '[')
	for _, op := range d.Ops {
		if len(op) == 0 || op[0] != '[' && op[0] != '{' || !jsontext.Value(op).IsValid() {
			w.fail("ops", "value not allowed")
			break
		}
		w.element()
		w.buf = append(w.buf, op...)
	}
	w.buf = append(w.buf, ']')
	if d.Tx != nil {
		w.name("extensions")
		w.buf = append(w.buf, '[', ']')
		w.close()
	}
	if d.Signatures != nil {
		if d.Tx == nil || len(d.Signatures) > MaxSignatures ||
			slices.ContainsFunc(d.Signatures, func(s hive.Signature) bool { return s.Check() != nil }) {
			w.fail("signatures", "value not allowed")
		}
		w.signatures("signatures", d.Signatures)
	}
	w.boolean("broadcast", d.Broadcast)
	w.nonce(d.Nonce)
	w.close()
	return w.payload()
}

// SignAckData is the clear payload of sign_ack where the application made the transaction: it has
// that already, and lacks what is here. No request has an id, and each has a key_type, so an answer
// that somebody sends back to a wallet is no request (HAS §13.3). Sealed, it gives the relay
// nothing that it could send.
type SignAckData struct {
	ID         hive.TxID
	Signatures []hive.Signature // those that the wallet made, one at least
	// Missing is which authorities these and the signatures of the request do not satisfy, by what
	// nodes said to the wallet: at most MaxMissing, of accounts in posting, active or owner. Empty
	// and not nil: they suffice. Nil: the request did not ask, or no node told.
	Missing []hive.Shortfall
	// Superfluous is which signatures the chain does not need, where Missing is empty and not nil:
	// their positions in the list of those of the answer and then those of the request, from 0 on,
	// in order. One at least is needed.
	Superfluous []int
}

// maxSignatures is more than a transaction has of one wallet: one for each role.
const maxSignatures = 8

// DecodeSignAckData reads that payload on the application's side. The caller compares the id with
// that of its transaction and checks the signatures. Errors are *DecodeError.
func DecodeSignAckData(text []byte) (SignAckData, error) {
	o := readPayload("sign_ack_data", text, "id", "signatures", "missing", "superfluous")
	data := SignAckData{}
	if id := o.text("id"); o.err == nil {
		var err error
		if data.ID, err = hive.ParseTxID(id); err != nil {
			o.fail("id", ReasonValue)
		}
	}
	data.Signatures = o.signatures("signatures", maxSignatures, func(hive.Signature) error { return nil })
	if len(data.Signatures) == 0 {
		o.fail("signatures", ReasonValue)
	}
	if _, ok := o.raw("missing"); ok {
		data.Missing = o.missing()
	}
	if _, ok := o.raw("superfluous"); ok {
		data.Superfluous = o.superfluous()
		if o.err == nil && !data.superfluousFit() {
			o.fail("superfluous", ReasonValue)
		}
	}
	if o.err != nil {
		return SignAckData{}, o.failed()
	}
	return data, nil
}

// superfluous reads positions of signatures.
func (o *object) superfluous() (list []int) {
	for _, value := range o.elements("superfluous", maxSignatures+MaxSignatures) {
		list = append(list, int(o.parseInteger("superfluous", value, 0)))
	}
	return list
}

// superfluousFit reports whether they stand in order, name one at least and not all that there may
// be, and the others suffice.
func (d SignAckData) superfluousFit() bool {
	last := -1
	for _, at := range d.Superfluous {
		if at <= last || at >= len(d.Signatures)+MaxSignatures {
			return false
		}
		last = at
	}
	return last >= 0 && d.Missing != nil && len(d.Missing) == 0 && len(d.Superfluous) < len(d.Signatures)+MaxSignatures
}

// missing reads which authorities are not satisfied.
func (o *object) missing() []hive.Shortfall {
	list := []hive.Shortfall{}
	for _, value := range o.elements("missing", MaxMissing) {
		inner := o.inner("missing", value, "account", "authority", "weight", "threshold")
		one := hive.Shortfall{Account: inner.account()}
		role, err := hive.ParseRole(inner.text("authority"))
		if err != nil || !slices.Contains(sharedRoles, role) {
			inner.fail("authority", ReasonValue)
		}
		weight, threshold := inner.integer("weight", 0), inner.integer("threshold", 0)
		if weight > math.MaxUint32 || weight >= threshold && threshold > 0 {
			inner.fail("weight", ReasonValue)
		}
		if threshold > math.MaxUint32 || threshold == 0 && weight > 0 {
			inner.fail("threshold", ReasonValue)
		}
		one.Role, one.Weight, one.Threshold = role, uint32(weight), uint32(threshold)
		o.adopt(inner)
		list = append(list, one)
	}
	return list
}

// sharedRoles are the authorities in which keys have weights.
var sharedRoles = []hive.Role{hive.Posting, hive.Active, hive.Owner}

// Encode returns the clear payload.
func (d SignAckData) Encode() ([]byte, error) {
	w := &writer{what: "sign_ack_data"}
	w.open()
	w.text("id", d.ID.String())
	if len(d.Signatures) == 0 || len(d.Signatures) > maxSignatures {
		w.fail("signatures", "value not allowed")
	}
	w.signatures("signatures", d.Signatures)
	if d.Missing != nil {
		w.missing(d.Missing)
	}
	if d.Superfluous != nil {
		if !d.superfluousFit() {
			w.fail("superfluous", "value not allowed")
		}
		w.name("superfluous")
		w.buf = append(w.buf, '[')
		for _, at := range d.Superfluous {
			w.element()
			w.buf = strconv.AppendInt(w.buf, int64(at), 10)
		}
		w.buf = append(w.buf, ']')
	}
	w.close()
	return w.payload()
}

func (w *writer) missing(list []hive.Shortfall) {
	if len(list) > MaxMissing {
		w.fail("missing", "value not allowed")
	}
	w.name("missing")
	w.buf = append(w.buf, '[')
	for _, one := range list {
		if !slices.Contains(sharedRoles, one.Role) || one.Weight >= one.Threshold && one.Weight+one.Threshold > 0 {
			w.fail("missing", "value not allowed")
		}
		w.element()
		w.open()
		w.account("account", one.Account)
		w.text("authority", one.Role.String())
		w.integer("weight", int64(one.Weight), 0)
		w.integer("threshold", int64(one.Threshold), 0)
		w.close()
	}
	w.buf = append(w.buf, ']')
}
