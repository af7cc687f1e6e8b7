package protocol

import (
	"github.com/go-json-experiment/json/jsontext"
	"pksa/protocol/hive"
)

// SignReqData is the clear payload of sign_req (HAS §5.3).
type SignReqData struct {
	KeyType   hive.Role // posting or active
	Ops       [][]byte  // raw JSON of each operation, an array or an object; at least one, at most MaxOps
	Broadcast bool
	Nonce     Nonce // 0 = absent
}

// DecodeSignReqData reads the clear payload of sign_req. Each operation is an array or an object
// without equal names at any depth; package hive reads the rest. A nonce may be null. Errors are
// *DecodeError.
func DecodeSignReqData(text []byte) (SignReqData, error) {
	o := readPayload("sign_req_data", text, "key_type", "ops", "broadcast", "nonce")
	data := SignReqData{KeyType: o.role(signingRoles...), Broadcast: o.boolean("broadcast"), Nonce: o.nonce()}
	data.Ops = o.operations()
	if o.err != nil {
		return SignReqData{}, o.failed()
	}
	return data, nil
}

func (o *object) operations() [][]byte {
	ops := o.elements("ops", MaxOps)
	if o.err == nil && len(ops) == 0 {
		o.fail("ops", ReasonValue)
	}
	size := 0
	for _, op := range ops {
		if op[0] != '[' && op[0] != '{' {
			o.fail("ops", ReasonType)
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
	w.name("ops")
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
	w.boolean("broadcast", d.Broadcast)
	w.nonce(d.Nonce)
	w.close()
	return w.payload()
}
