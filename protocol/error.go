package protocol

import (
	"errors"

	"pksa/protocol/plain"
)

// Reason is why a decoder refused, as a constant short enough for a metric label.
type Reason string

// Every reason there is.
const (
	ReasonSize      Reason = "size"            // larger than MaxFrame, MaxData or another bound on bytes
	ReasonUTF8      Reason = "utf8"            // not valid UTF-8
	ReasonDepth     Reason = "depth"           // nested deeper than MaxDepth
	ReasonNames     Reason = "names"           // more names or elements than the bound
	ReasonSyntax    Reason = "syntax"          // not JSON, or something follows the value
	ReasonDuplicate Reason = "duplicate"       // a name twice in one object
	ReasonShape     Reason = "shape"           // JSON, but no object
	ReasonCommand   Reason = "unknown-command" // a cmd that this end of a socket does not take
	ReasonMissing   Reason = "missing"         // a required member is absent
	ReasonType      Reason = "type"            // a member has the wrong JSON type
	ReasonValue     Reason = "value"           // the type is right and the value is not allowed
	ReasonMember    Reason = "unknown-member"  // a payload has a member that its kind does not have
)

// DecodeError says why bytes from outside were refused. Text from outside is not part of it, save
// the name of an unknown command or member, quoted and cut short.
type DecodeError struct {
	Cmd    string // the command or payload as the protocol spells it ("sign_req", "sign_req_data"); empty if not known
	Member string // the member concerned, always one of the protocol's own names; empty if none is
	Reason Reason
	detail string
}

// ErrUnknownCommand matches, with errors.Is, a DecodeError for a message whose command the receiver
// does not take. From a relay such a message is logged and counted and never answered (HAS §2).
var ErrUnknownCommand = errors.New("unknown command")

// Error names command, member and reason.
func (e *DecodeError) Error() string {
	s := e.Cmd
	if s == "" {
		s = "message"
	}
	if e.Member != "" {
		s += ": " + e.Member
	}
	s += ": " + e.Reason.sentence()
	if e.detail != "" {
		s += " " + e.detail
	}
	return s
}

// Is makes errors.Is(err, ErrUnknownCommand) work.
func (e *DecodeError) Is(target error) bool {
	return target == ErrUnknownCommand && e.Reason == ReasonCommand
}

func (r Reason) sentence() string {
	switch r {
	case ReasonSize:
		return "too large"
	case ReasonUTF8:
		return "not valid UTF-8"
	case ReasonDepth:
		return "nested too deep"
	case ReasonNames:
		return "too many members or elements"
	case ReasonSyntax:
		return "not one JSON value"
	case ReasonDuplicate:
		return "a name stands twice in one object"
	case ReasonShape:
		return "not a JSON object"
	case ReasonCommand:
		return "unknown command"
	case ReasonMissing:
		return "missing"
	case ReasonType:
		return "wrong type"
	case ReasonValue:
		return "value not allowed"
	case ReasonMember:
		return "unknown member"
	}
	return string(r)
}

// foreign returns a name that came from outside, quoted and cut.
func foreign(s []byte) string { return plain.Quote(string(s), 40) }
