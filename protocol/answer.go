package protocol

// Answer is a wallet's answer to a [Request]: an [Ack], a [Nack] or an [Err], by value.
type Answer interface {
	Message
	RequestKind() Kind
	RequestUUID() UUID
	// Proof returns the proof of key (HAS §8.4), or "" if the answer has none.
	Proof() string
	// WithUUID returns the answer with the uuid as the request spells it (HAS §12).
	WithUUID(UUID) Answer
	// WithProof returns the answer with a proof of key. The proof is for the relay only, which sets
	// "" before it sends the answer to the application.
	WithProof(proof string) Answer
}

// AnswerOf returns m as an answer. ok is false for other messages, and for pointers to answers:
// they have the methods of an Answer, and [Encode] refuses them.
func AnswerOf(m Message) (answer Answer, ok bool) {
	switch m.(type) {
	case Ack, Nack, Err:
		answer, ok = m.(Answer)
	}
	return answer, ok
}

// RequestKind returns the kind of the request.
func (m Ack) RequestKind() Kind { return m.Kind }

// RequestUUID returns the uuid of the request.
func (m Ack) RequestUUID() UUID { return m.UUID }

// Proof returns the proof of key.
func (m Ack) Proof() string { return m.PoK }

// WithUUID returns m with another spelling of the uuid.
func (m Ack) WithUUID(uuid UUID) Answer { m.UUID = uuid; return m }

// WithProof returns m with a proof of key, or without if that is "".
func (m Ack) WithProof(proof string) Answer { m.PoK = proof; return m }

// RequestKind returns the kind of the request.
func (m Nack) RequestKind() Kind { return m.Kind }

// RequestUUID returns the uuid of the request.
func (m Nack) RequestUUID() UUID { return m.UUID }

// Proof returns the proof of key.
func (m Nack) Proof() string { return m.PoK }

// WithUUID returns m with another spelling of the uuid.
func (m Nack) WithUUID(uuid UUID) Answer { m.UUID = uuid; return m }

// WithProof returns m with a proof of key, or without if that is "".
func (m Nack) WithProof(proof string) Answer { m.PoK = proof; return m }

// RequestKind returns the kind of the request.
func (m Err) RequestKind() Kind { return m.Kind }

// RequestUUID returns the uuid of the request.
func (m Err) RequestUUID() UUID { return m.UUID }

// Proof returns the proof of key.
func (m Err) Proof() string { return m.PoK }

// WithUUID returns m with another spelling of the uuid.
func (m Err) WithUUID(uuid UUID) Answer { m.UUID = uuid; return m }

// WithProof returns m with a proof of key, or without if that is "".
func (m Err) WithProof(proof string) Answer { m.PoK = proof; return m }
