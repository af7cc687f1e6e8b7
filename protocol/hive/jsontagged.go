package hive

import "fmt"

// tag names the operation or variant that follows, by name or by number.
type tag struct {
	name  string
	index int // -1 if a name was given
}

// tagged reads [tag, body] or {"type": tag, "value": body}, the latter with its members in either
// order. Its argument object is true for the second form.
func (r *jsonReader) tagged(body func(r *jsonReader, t tag, object bool)) {
	switch r.peek() {
	case '[':
		r.token('[', "a list")
		t := r.tag()
		if r.err == nil {
			body(r, t, false)
		}
		r.token(']', "the end of the pair")
	case '{':
		r.typed(func(r *jsonReader, t tag) { body(r, t, true) })
	default:
		r.token('[', "a pair or an object")
	}
}

func (r *jsonReader) tag() tag {
	if r.peek() == '0' {
		return tag{index: int(r.int(0, 255))}
	}
	return tag{name: r.text(), index: -1}
}

var typedNames = []string{"type", "value"}

func (r *jsonReader) typed(body func(r *jsonReader, t tag)) {
	r.token('{', "an object")
	if r.memberName(typedNames) == 0 {
		t := r.tag()
		r.secondName(1)
		if r.err == nil {
			body(r, t)
		}
	} else {
		r.typedLast(body)
	}
	r.token('}', "the end of the object")
}

// typedLast reads an object whose value comes before its type.
func (r *jsonReader) typedLast(body func(r *jsonReader, t tag)) {
	if r.err != nil {
		return
	}
	raw, err := r.dec.ReadValue()
	if err != nil {
		r.fail(cleanJSONError(err))
		return
	}
	inner := r.net.reader(raw.Clone())
	inner.hf26 = r.hf26
	r.secondName(0)
	t := r.tag()
	if r.err != nil {
		return
	}
	body(inner, t)
	if inner.err != nil {
		r.fail(inner.err)
	}
}

func (r *jsonReader) secondName(want int) {
	if r.err == nil && r.peek() == '}' {
		r.fail(fmt.Errorf("has no %s", typedNames[want]))
	}
	if got := r.memberName(typedNames); r.err == nil && got != want {
		r.fail(errTwice(typedNames[got]))
	}
}
