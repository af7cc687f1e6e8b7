package node

import "fmt"

// State is what is known about a transaction.
type State uint8

// The states. The zero value claims nothing.
const (
	InDoubt  State = iota // it may be on the chain or get there
	Accepted              // a node has it, in its queue or in a block
	Refused               // no node has it and it was sent to none that may
	Expired               // it may have been received and can provably not be included any more
)

var stateNames = [...]string{"in doubt", "accepted", "refused", "expired"}

// String returns "in doubt", "accepted", "refused" or "expired".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Codes of outcomes. Each goes with a sentence in [Outcome.Reason].
const (
	CodeDuplicate        = "duplicate"         // Accepted: a node already had it
	CodeMissingAuthority = "missing-authority" // the signatures are not those that the chain wants
	CodeSignature        = "signature"         // a signature is superfluous, doubled or malformed
	CodeNotEnoughRC      = "not-enough-rc"     // resource credits
	CodeExpired          = "expired"           // the expiration is over, or more than 24 hours ahead
	CodeTapos            = "tapos"             // the reference block is unknown to the nodes
	CodeBalance          = "balance"           // not enough money
	CodeTooLarge         = "too-large"         // more bytes than a block takes, or nested too deep
	CodeTooSoon          = "too-soon"          // minimal intervals of votes and posts, custom_json per block
	CodeNoAccount        = "no-account"        // an account of the transaction does not exist
	CodeInvalid          = "invalid"           // any other complaint of the chain
	CodeNoNode           = "no-node"           // no node could be reached, nothing was sent
	CodeInDoubt          = "in-doubt"          // InDoubt
)

// Outcome is what became of a transaction. The zero value is in doubt.
type Outcome struct {
	State State
	// Code is one of the constants; empty for Accepted and Expired without more to say.
	Code string
	// Reason is one sentence for people. It may quote a node, on one line and cut short.
	Reason string
	// Node is the host whose word decided.
	Node string
	// Block holds the transaction, if it was found in one; else 0.
	Block uint32
}
