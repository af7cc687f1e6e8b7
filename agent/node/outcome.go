package node

import "fmt"

// State is what is known of a transaction.
type State uint8

// The states. The zero value claims nothing.
const (
	InDoubt  State = iota // it may be on the chain or get there
	Accepted              // a node has it, in its queue or in a block
	Refused               // no node has it: each that was reached said no, and if there are two hosts, two did
	Expired               // a node may have received it, and it can provably not be included any more
)

var stateNames = [...]string{"in doubt", "accepted", "refused", "expired"}

// String returns "in doubt", "accepted", "refused" or "expired".
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// CodeMissingAuthority is the [Outcome.Code] of a transaction whose signatures are not those that
// the chain wants: the key may have been changed there.
const CodeMissingAuthority = "missing-authority"

// The other codes of outcomes.
const (
	codeDuplicate   = "duplicate"     // Accepted: a node already had it
	codeSignature   = "signature"     // a signature is superfluous, doubled or malformed
	codeNotEnoughRC = "not-enough-rc" // resource credits
	codeExpired     = "expired"       // the expiration is over, or more than 24 hours ahead
	codeTapos       = "tapos"         // the reference block is unknown to the nodes
	codeBalance     = "balance"       // not enough money
	codeTooLarge    = "too-large"     // more bytes than a block takes, or nested too deep
	codeTooSoon     = "too-soon"      // minimal intervals of votes and posts, custom_json per block
	codeNoAccount   = "no-account"    // an account of the transaction does not exist
	codeInvalid     = "invalid"       // any other complaint of the chain
	codeNoMethod    = "no-method"     // the nodes that were reached take no transactions
	codeNoNode      = "no-node"       // no node could be reached, nothing was sent
	codeInDoubt     = "in-doubt"      // the state is InDoubt
)

// Class is why a transaction failed, as far as an application may learn it. Nodes choose it only by
// what their errors are, and never by a text of theirs. The zero value promises nothing.
type Class uint8

// The classes. A transaction that is Refused has one of them except ClassNone; one that is Expired
// has ClassExpired, or ClassNone if one of several hosts alone says so.
const (
	ClassNone      Class = iota
	ClassCredits         // the account has not enough resource credits
	ClassBalance         // the account has not enough of what the operations move
	ClassAuthority       // the chain wants other signatures
	ClassExpired         // the chain's time has passed the expiration, by the word of two hosts if there are two
	ClassRejected        // the chain refuses the transaction for another reason
	ClassNoNode          // the transaction was given to nobody
)

var classByCode = map[string]Class{
	CodeMissingAuthority: ClassAuthority, codeSignature: ClassAuthority, codeNotEnoughRC: ClassCredits,
	codeBalance: ClassBalance, codeExpired: ClassExpired, codeNoNode: ClassNoNode,
	codeNoMethod: ClassNoNode,
}

// classOf returns the class of a refusal by its code.
func classOf(code string) Class {
	if c, ok := classByCode[code]; ok {
		return c
	}
	return ClassRejected
}

// Outcome is what became of a transaction. The zero value is in doubt.
type Outcome struct {
	State State
	// Class is ClassNone if the transaction did not fail. If hosts refuse it for different reasons,
	// it is ClassRejected.
	Class Class
	// Code is one word for the reason: "duplicate" or empty if Accepted, "expired" if Expired,
	// "in-doubt" if InDoubt. If Refused it is one of "missing-authority" ([CodeMissingAuthority]),
	// "signature", "not-enough-rc", "expired", "tapos", "balance", "too-large", "too-soon",
	// "no-account", "invalid", "no-method" and "no-node".
	Code string
	// Reason is one sentence for people; it may be empty if Accepted. It may quote a node, on one
	// line and cut short.
	Reason string
	// Node is the host whose answer decided; empty if none did.
	Node string
	// Block is the number of the block in which the transaction was found; 0 = in none.
	Block uint32
}
