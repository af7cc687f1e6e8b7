package status

// Cause is why nothing is signed, in one word: log, metrics, status and /readyz use the same.
type Cause string

// The causes.
const (
	CauseDisk     Cause = "disk"     // there is no room to record on
	CauseLedger   Cause = "ledger"   // nothing is recorded, for another reason
	CauseClock    Cause = "clock"    // the time is not known well enough
	CauseKeys     Cause = "keys"     // no key signs
	CauseNode     Cause = "node"     // no node of the chain can be built on
	CauseRelay    Cause = "relay"    // no relay delivers
	CauseTwin     Cause = "twin"     // another copy of this wallet serves, or is looked for
	CauseStarting Cause = "starting" // what an earlier process left is taken up first
	CausePaused   Cause = "paused"   // by the operator
	CauseLocked   Cause = "locked"   // the wallet holds no keys until it is unlocked
	CauseStopping Cause = "stopping"
	CauseStandby  Cause = "standby" // another wallet leads the ledger, which is in a database
)

// Causes returns all causes.
func Causes() []Cause {
	return []Cause{CauseDisk, CauseLedger, CauseClock, CauseKeys, CauseNode, CauseRelay, CauseTwin, CauseStarting,
		CausePaused, CauseLocked, CauseStopping, CauseStandby}
}

// Hindrance is one reason of the wallet's own for which no transaction is signed now.
type Hindrance struct {
	Cause Cause  `json:"cause"`
	Text  string `json:"text"` // for a person, with what to do
	// Transactions is set if it hinders nothing else: logins and challenges are served.
	Transactions bool `json:"transactions_only,omitempty"`
}
