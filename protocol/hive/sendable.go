package hive

import (
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// mostOpen bounds the braces and brackets that the texts of a transaction leave open. The node
// counts them over the whole request, also inside texts, and refuses 100. The JSON around the texts
// opens fewer than ten.
const mostOpen = 89

// CheckSendable returns an error if the transaction would not reach a node unchanged (tx §5.3):
// control characters except tab, line feed and carriage return, text that is not UTF-8, texts that
// open 90 braces and brackets more than they close. Call it before signing. The error is a
// *FieldError.
func CheckSendable(t Transaction) error {
	var c textCheck
	for _, op := range t.Operations {
		if err := c.operation(op); err != nil {
			return err
		}
	}
	return nil
}

// textCheck checks all texts of a transaction in the order in which they are sent.
type textCheck struct{ open int }

func (c *textCheck) operation(op Operation) error {
	for i, v := range op.values {
		var err error
		switch v := v.(type) {
		case string:
			err = c.text(v)
		case []Prop:
			for _, p := range v {
				err = errors.Join(err, c.text(p.Name))
			}
		}
		if err != nil {
			return &FieldError{Operation: op.def.Name, Field: op.def.Fields[i].Name, Err: err}
		}
	}
	return nil
}

func (c *textCheck) text(s string) error {
	if !utf8.ValidString(s) {
		return errNotUTF8
	}
	for i := 0; i < len(s); i++ {
		switch b := s[i]; {
		case b < ' ' && b != '\t' && b != '\n' && b != '\r':
			return fmt.Errorf("control character %#02x cannot be sent to a node", b)
		case b == '{' || b == '[':
			if c.open++; c.open > mostOpen {
				return fmt.Errorf("opens more than %d braces or brackets, which a node refuses", mostOpen)
			}
		case b == '}' || b == ']':
			// Never below zero: we do not know whether the node's counter can be negative.
			c.open = max(c.open-1, 0)
		}
	}
	return nil
}

// AppendJSON appends the transaction as the node reads it: legacy JSON with five escapes only. It
// writes the typed values, never text from outside. It returns the error of [CheckSendable], and an
// error for a transaction without operations.
func (n *Network) AppendJSON(dst []byte, t SignedTransaction) ([]byte, error) {
	if len(t.Operations) == 0 {
		return dst, errNoOperations
	}
	if err := CheckSendable(t.Transaction); err != nil {
		return dst, err
	}
	dst = strconv.AppendUint(append(dst, `{"ref_block_num":`...), uint64(t.RefBlockNum), 10)
	dst = strconv.AppendUint(append(dst, `,"ref_block_prefix":`...), uint64(t.RefBlockPrefix), 10)
	dst = t.Expiration.append(append(dst, `,"expiration":"`...))
	dst = append(dst, `","operations":[`...)
	for i, op := range t.Operations {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = n.AppendOperation(dst, op)
	}
	dst = append(dst, `],"extensions":[],"signatures":[`...)
	for i, s := range t.Signatures {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(append(append(dst, '"'), s.String()...), '"')
	}
	return append(dst, "]}"...), nil
}
