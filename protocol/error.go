package protocol

import (
	"errors"

	"pksa/protocol/plain"
)

// Reason is the reason of a refusal, short enough for a metric label.
type Reason string

// The reasons of decoders.
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

// DecodeError is the refusal of bytes from outside. It contains no text from outside, except the
// name of an unknown command or member, quoted and cut.
type DecodeError struct {
	Cmd    string // the command or payload as the protocol spells it ("sign_req", "sign_req_data"); empty if not known
	Member string // the member concerned, always one of the protocol's own names; empty if none is
	Reason Reason
	detail string
}

// ErrUnknownCommand is matched, with errors.Is, by a DecodeError for a command that the receiver
// does not take. A wallet logs and counts such a message and never answers it (HAS §2).
var ErrUnknownCommand = errors.New("unknown command")

// Error returns command, member and reason.
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

// Is reports whether target is ErrUnknownCommand and the command is the reason.
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
