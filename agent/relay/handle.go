package relay

import (
	"bytes"
	"context"
	"errors"
	"time"

	"pksa/protocol"
)

// The texts of error messages. None is built from what came in, save account names of checked form.
const (
	textTooMany     = "too many requests"
	textUnknownCmd  = "unknown cmd"
	textInvalid     = "invalid payload"
	textUnknownID   = "unknown or expired uuid"
	textKind        = "answer does not fit the request"
	textNotHere     = "account is not registered on this connection"
	textProof       = "invalid proof of key"
	textNoAccount   = "account does not exist"
	textNoName      = "account name is not valid"
	textNoLookup    = "account cannot be looked up now, try again"
	textNoData      = "data is empty or too long"
	textRegisterMax = "too many registrations"
)

// arrival is one frame as it came in.
type arrival struct {
	text    bool // not binary
	frame   []byte
	at      time.Time
	release func() // called once when the frame is done with
}

// handle does what one frame asks for.
func (r *Relay) handle(ctx context.Context, s *socket, in arrival) {
	message, ok := r.decode(s, in)
	if m, isRegister := message.(protocol.RegisterReq); ok && isRegister {
		r.startRegister(ctx, s, m, in)
		return
	}
	if ok {
		r.dispatch(ctx, s, message, in.at)
	}
	in.release()
}

// decode returns the message in a frame, or answers why there is none.
func (r *Relay) decode(s *socket, in arrival) (message protocol.Message, ok bool) {
	message, err := protocol.DecodeForRelay(bytes.TrimSpace(in.frame))
	if err != nil || !in.text {
		r.refuseFrame(s, err)
		return nil, false
	}
	return message, true
}

func (r *Relay) dispatch(ctx context.Context, s *socket, message protocol.Message, at time.Time) {
	switch m := message.(type) {
	case protocol.KeyReq:
		s.reply(protocol.KeyAck{Key: r.PublicKey()})
	case protocol.Request:
		r.acceptRequest(s, m, at)
	case protocol.Answer:
		r.acceptAnswer(ctx, s, m, at)
	case protocol.AttachReq:
		r.attach(s, m, at)
	default:
		// The text "ping" of Keychain's extension, the bare waits of its mobile wallet, and the
		// error messages of the reference wallet and of MOB (HAS §2, §4.1): an answer to an error
		// could go on for ever.
	}
}

// refuseFrame answers what is no message of HAS.
func (r *Relay) refuseFrame(s *socket, err error) {
	text := textInvalid
	var decoding *protocol.DecodeError
	switch {
	case errors.Is(err, protocol.ErrUnknownCommand):
		text = textUnknownCmd
	case errors.As(err, &decoding) && decoding.Member != "":
		text += " (" + decoding.Member + ")"
	}
	r.count(func(c *Counters) { c.UnknownFrame++ })
	r.log.Debug("frame refused", "socket", s.id, "err", err)
	s.reply(protocol.ErrorMessage{Text: text})
}
