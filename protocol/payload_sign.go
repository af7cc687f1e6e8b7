package protocol

import (
	"math"

	"github.com/go-json-experiment/json/jsontext"
	"pksa/protocol/hive"
)

// SignReqData is the clear payload of sign_req (HAS §5.3).
type SignReqData struct {
	KeyType hive.Role // posting or active
	Ops     [][]byte  // raw JSON of each operation, an array or an object; at least one, at most MaxOps
	// Tx is the rest of the transaction if the application made all of it: member tx, which stands
	// in the place of ops. Nil: the wallet makes the rest.
	Tx        *TxHead
	Broadcast bool
	Nonce     Nonce // 0 = absent
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
	o := readPayload("sign_req_data", text, "key_type", "ops", "tx", "broadcast", "nonce")
	data := SignReqData{KeyType: o.role(signingRoles...), Broadcast: o.boolean("broadcast"), Nonce: o.nonce()}
	if value, ok := o.raw("tx"); ok {
		data.Tx, data.Ops = o.transaction(value)
	} else {
		data.Ops = o.operations("ops")
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
	w.boolean("broadcast", d.Broadcast)
	w.nonce(d.Nonce)
	w.close()
	return w.payload()
}

// SignAckData is the clear payload of sign_ack where the application made the transaction: it has
// that already, and lacks these two. No request has these members, so an answer that somebody sends
// back to a wallet is no request (HAS §13.3). Sealed, it gives the relay nothing that it could
// send.
type SignAckData struct {
	ID         hive.TxID
	Signatures []hive.Signature // those that the wallet made, one at least
}

// maxSignatures is more than a transaction has of one wallet: one for each role.
const maxSignatures = 8

// DecodeSignAckData reads that payload on the application's side. The caller compares the id with
// that of its transaction and checks the signatures. Errors are *DecodeError.
func DecodeSignAckData(text []byte) (SignAckData, error) {
	o := readPayload("sign_ack_data", text, "id", "signatures")
	data := SignAckData{}
	if id := o.text("id"); o.err == nil {
		var err error
		if data.ID, err = hive.ParseTxID(id); err != nil {
			o.fail("id", ReasonValue)
		}
	}
	for _, value := range o.elements("signatures", maxSignatures) {
		signature, err := hive.ParseSignature(o.unquote("signatures", value))
		if err != nil {
			o.fail("signatures", ReasonValue)
		}
		data.Signatures = append(data.Signatures, signature)
	}
	if len(data.Signatures) == 0 {
		o.fail("signatures", ReasonValue)
	}
	if o.err != nil {
		return SignAckData{}, o.failed()
	}
	return data, nil
}

// Encode returns the clear payload.
func (d SignAckData) Encode() ([]byte, error) {
	w := &writer{what: "sign_ack_data"}
	w.open()
	w.text("id", d.ID.String())
	w.name("signatures")
	w.buf = append(w.buf, '[')
	if len(d.Signatures) == 0 || len(d.Signatures) > maxSignatures {
		w.fail("signatures", "value not allowed")
	}
	for _, signature := range d.Signatures {
		w.element()
		w.buf = hive.AppendString(w.buf, signature.String())
	}
	w.buf = append(w.buf, ']')
	w.close()
	return w.payload()
}
