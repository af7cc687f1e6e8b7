package hive

import (
	"bytes"
	"errors"
)

// Operation is one operation with typed values. It never changes, so goroutines may share it.
// [Network.ParseOperation] and [Network.DecodeTransaction] make operations. The zero value is none
// and must not be used.
type Operation struct {
	def    *Definition
	values []Value // as def.Fields
}

// Name returns the name as in legacy JSON, such as "vote".
func (o Operation) Name() string { return o.def.Name }

// Definition returns the entry of the table for operations of this kind.
func (o Operation) Definition() *Definition { return o.def }

// Field returns the value of a field, of those that open the extensions, too:
//
//	beneficiaries  of comment_options: Beneficiaries, empty if there are none
//	pair_id        of recurrent_transfer: int64, 0 without the extension
//	end_date       of update_proposal: Time, nil without the extension
//
// It is false if operations of this kind have no such field. An absent optional is nil and true.
func (o Operation) Field(name string) (Value, bool) {
	if i := o.def.index(name); i >= 0 {
		return o.values[i], true
	}
	if ext, ok := o.def.extension(); ok && ext.opened.Name == name {
		return ext.open(o.values[len(o.values)-1]), true
	}
	return nil, false
}

// get returns the value of a field that the operation has.
func (o Operation) get(name string) Value { return o.values[o.def.index(name)] }

// Equal reports whether both are the same operation with the same bytes.
func (o Operation) Equal(other Operation) bool {
	if o.def == nil || other.def == nil {
		return o.def == other.def
	}
	return o.def == other.def && bytes.Equal(o.append(nil, Mainnet), other.append(nil, Mainnet))
}

// Validate checks every limit of tx §3.2 that needs neither the clock nor the state of the chain.
// The error is a *FieldError. [Network.ParseOperation] checks most of them already. Only Validate
// checks these: eight beneficiaries, forty entries in the authorities of a new account and in those
// of a recovery, two years of recurrent transfers, owner authorities that nobody or anybody
// satisfies, a limit order that gives nothing at its rate.
func (o Operation) Validate() error { return o.valid(true) }

// ParseOperation reads an operation in either spelling (tx §4.1):
//
//	["vote", {"voter": …}]                              legacy
//	{"type": "vote_operation", "value": {"voter": …}}   HF26
//
// The node's own reader repairs much; this one repairs nothing (tx §4.3). These are errors: unknown
// and missing fields, numbers out of range, fractions, amounts that the chain would write
// differently, equal entries, equal names. Values that the node would refuse in every state of the
// chain are errors too; [Operation.Validate] checks the rest of those. Sets and maps are sorted.
// All errors are *FieldError.
func (n *Network) ParseOperation(raw []byte) (Operation, error) {
	r := n.reader(raw)
	op := r.operation()
	r.end()
	if r.err != nil {
		return Operation{}, asFieldError(r.err, op)
	}
	return op, nil
}

func asFieldError(err error, op Operation) error {
	if fe, ok := errors.AsType[*FieldError](err); ok {
		return fe
	}
	name := "operation"
	if op.def != nil {
		name = op.def.Name
	}
	return &FieldError{Operation: name, Err: err}
}

// operation reads one operation and checks its values.
func (r *jsonReader) operation() (op Operation) {
	r.hf26 = false
	r.tagged(func(r *jsonReader, t tag, object bool) {
		r.hf26 = object
		def, ok := definitionTagged(t, object)
		if !ok {
			name := quote(t.name)
			if t.index >= 0 {
				name = "operation"
			}
			r.fail(&FieldError{Operation: name, Err: ErrUnknownOperation})
			return
		}
		op = r.operationValue(def)
	})
	if r.err == nil {
		if err := op.valid(false); err != nil {
			r.fail(err)
		}
	}
	return op
}

// definitionTagged returns the definition for a tag. The name must end with "_operation" in HF26
// JSON and must not in legacy JSON. Numbers are refused, because nobody sends them.
func definitionTagged(t tag, hf26 bool) (*Definition, bool) {
	name := t.name
	if hf26 {
		const suffix = "_operation"
		if len(name) <= len(suffix) || name[len(name)-len(suffix):] != suffix {
			return nil, false
		}
		name = name[:len(name)-len(suffix)]
	}
	return DefinitionOf(name)
}

func (r *jsonReader) operationValue(def *Definition) Operation {
	op := Operation{def: def, values: make([]Value, len(def.Fields))}
	seen := r.object(def.names, func(i int) {
		op.values[i] = def.Fields[i].codec.parse(r)
		r.inField(def, def.Fields[i].Name)
	})
	r.inField(def, "")
	for i, field := range def.Fields {
		if r.err != nil || seen&(1<<i) != 0 {
			continue
		}
		if !field.mayBeAbsent {
			r.fail(&FieldError{Operation: def.Name, Field: field.Name, Err: errors.New("is missing")})
		}
		op.values[i] = field.absent
	}
	return op
}

// inField adds operation and field to an error that has none.
func (r *jsonReader) inField(def *Definition, field string) {
	if r.err == nil {
		return
	}
	if _, ok := errors.AsType[*FieldError](r.err); !ok {
		r.err = &FieldError{Operation: def.Name, Field: field, Err: r.err}
	}
}

// append appends the packed operation: its number and its fields (tx §2.4).
func (o Operation) append(dst []byte, n *Network) []byte {
	dst = append(dst, byte(o.def.ID))
	for i, v := range o.values {
		dst = o.def.Fields[i].codec.pack(dst, v, n)
	}
	return dst
}

// operation reads an operation as append writes it.
func (u *unpacker) operation() Operation {
	id := u.uvarint()
	if id >= uint64(len(definitions)) {
		u.fail(&FieldError{Operation: "operation", Err: ErrUnknownOperation})
	}
	if u.err != nil {
		return Operation{}
	}
	def := definitions[id]
	op := Operation{def: def, values: make([]Value, len(def.Fields))}
	for i, field := range def.Fields {
		op.values[i] = field.codec.unpack(u)
		if u.err != nil {
			u.err = &FieldError{Operation: def.Name, Field: field.Name, Err: u.err}
			return op
		}
	}
	return op
}

// AppendOperation appends the operation as legacy JSON in the spelling that the node reads (tx
// §5.3), with its fields in the order of the bytes. It also writes texts that [CheckSendable]
// refuses.
func (n *Network) AppendOperation(dst []byte, o Operation) []byte {
	dst = AppendString(append(dst, '['), o.def.Name)
	dst = append(dst, ",{"...)
	first := true
	for i, v := range o.values {
		field := &o.def.Fields[i]
		if v == nil && field.Optional {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = append(AppendString(dst, field.Name), ':')
		dst = field.codec.write(dst, v, n)
	}
	return append(dst, "}]"...)
}

// String returns the operation as legacy JSON of the main network.
func (o Operation) String() string {
	if o.def == nil {
		return "no operation"
	}
	return string(Mainnet.AppendOperation(nil, o))
}
