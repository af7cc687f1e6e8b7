package relay

import (
	"bytes"
	"context"
	"errors"
	"time"

	"pksa/protocol"
)

// The texts of error messages. None holds anything that came in, except account names whose form
// was checked and the name of the member that is wrong: an error must not carry a sender's bytes to
// somebody else's screen.
const (
	textTooMany     = "too many requests"
	textUnknownCmd  = "unknown cmd"
	textInvalid     = "invalid payload"
	textUnknownID   = "unknown or expired uuid"
	textKind        = "answer does not fit the request"
	textNotHere     = "account is not registered on this connection"
	textProof       = protocol.TextBadProof
	textNoAccount   = protocol.TextNoAccount
	textNoName      = "account name is not valid"
	textNoLookup    = protocol.TextNoLookup
	textNoData      = "data is empty or too long"
	textRegisterMax = "too many registrations"
)

// arrival is one frame as it came in.
type arrival struct {
	text    bool // not binary
	frame   []byte
	at      time.Time
	release func() // to be called once, when the frame is no longer needed
}

// handle does what one frame asks for. It runs on the goroutine that reads the connection: what
// waits here holds up this connection only.
func (s *socket) handle(ctx context.Context, in arrival) {
	release := in.release
	defer func() { release() }() // also if this panics
	message, ok := s.decode(in)
	if m, isRegister := message.(protocol.RegisterReq); ok && isRegister {
		release = func() {}
		s.startRegister(ctx, m, in) // it may outlast this call, and releases the frame itself
		return
	}
	if ok {
		s.dispatch(ctx, message, in.at)
	}
}

// decode returns the message in a frame. If there is none, it answers why and reports false.
func (s *socket) decode(in arrival) (message protocol.Message, ok bool) {
	message, err := protocol.DecodeForRelay(bytes.TrimSpace(in.frame))
	if err != nil || !in.text {
		s.refuseFrame(err)
		return nil, false
	}
	return message, true
}

func (s *socket) dispatch(ctx context.Context, message protocol.Message, at time.Time) {
	switch m := message.(type) {
	case protocol.KeyReq:
		s.reply(protocol.KeyAck{Key: s.relay.PublicKey()})
	case protocol.Request:
		s.acceptRequest(m, at)
	case protocol.Answer:
		s.acceptAnswer(ctx, m, at)
	case protocol.AttachReq:
		s.attach(m, at)
	default:
		// The text "ping" of Keychain's extension, the bare waits of its mobile wallet, and the
		// error messages of the reference wallet and of MOB (HAS §2, §4.1): an answer to an error
		// could go on for ever.
	}
}

// refuseFrame answers a frame that is no message of HAS.
func (s *socket) refuseFrame(err error) {
	text := textInvalid
	var decoding *protocol.DecodeError
	switch {
	case errors.Is(err, protocol.ErrUnknownCommand):
		text = textUnknownCmd
	case errors.As(err, &decoding) && decoding.Member != "":
		text += " (" + decoding.Member + ")"
	}
	s.relay.count(func(c *Counters) { c.UnknownFrame++ })
	s.relay.log.Debug("frame refused", "socket", s.id, "err", err)
	s.reply(protocol.ErrorMessage{Text: text})
}
