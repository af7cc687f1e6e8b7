package memchain

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

const (
	maxTransactionSize = 65536 - 256
	maxLifetime        = 24 * 60 * 60
	customJSONPerBlock = 5
)

// Read reads the transaction in the parameters of a call, [tx] or {"trx": tx}, as the node's own
// JSON reader does.
func (s State) Read(params jsontext.Value) (*Entry, *Failure) {
	text, failure := transaction(params)
	if failure != nil {
		return nil, failure
	}
	tx, err := s.chain.options.Network.ParseTransaction(text)
	if err != nil {
		return nil, parseError(err)
	}
	packed, err := s.chain.options.Network.Serialize(tx.Transaction)
	if err != nil {
		return nil, parseError(err)
	}
	e := &Entry{Included: Included{ID: hive.TransactionID(packed), JSON: slices.Clone(text), Transaction: tx}}
	return e, nil
}

// transaction takes the transaction out of params: [tx] or {"trx": tx}.
func transaction(raw jsontext.Value) (jsontext.Value, *Failure) {
	var list []jsontext.Value
	if json.Unmarshal(raw, &list) == nil && len(list) == 1 {
		return list[0], nil
	}
	var named struct {
		Trx jsontext.Value `json:"trx"`
	}
	if json.Unmarshal(raw, &named) == nil && len(named.Trx) > 0 {
		return named.Trx, nil
	}
	return nil, invalidParameters()
}

// Check returns what a node in this state has against a transaction, nil if it would take it. The
// checks and their order are those of hived: the first that fails is the answer.
func (s State) Check(e *Entry) *Failure {
	// A node forgets a transaction at its expiration, and refuses it as expired from then on.
	if s.Has(e.ID) && e.Transaction.Expiration > s.Time {
		return Duplicate()
	}
	packed, err := s.chain.options.Network.SerializeSigned(e.Transaction)
	if err != nil {
		return parseError(err)
	}
	if len(packed) > maxTransactionSize {
		return asserted("trx_size <= (get_dynamic_global_properties().maximum_block_size - 256)",
			"Transaction too large - size = ${trx_size}", [2]string{"trx_size", strconv.Itoa(len(packed))})
	}
	for _, check := range []func(*Entry) *Failure{
		s.checkAuthority, s.checkReference, s.checkExpiration, s.checkCredits, s.checkOperations,
	} {
		if err := check(e); err != nil {
			return err
		}
	}
	return nil
}

// Duplicate returns the error of a node that has the transaction already.
func Duplicate() *Failure {
	return asserted("!is_known_transaction( trx_id )", "Duplicate transaction check failed")
}

// signers returns the keys that signed. They are recovered once.
func (c *Chain) signers(e *Entry) ([]hive.PublicKey, *Failure) {
	if e.signers != nil {
		return e.signers, nil
	}
	packed, err := c.options.Network.Serialize(e.Transaction.Transaction)
	if err != nil {
		return nil, parseError(err)
	}
	digest := c.options.Network.SigningDigest(packed)
	var keys []hive.PublicKey
	for _, s := range e.Transaction.Signatures {
		key, err := s.Recover(digest)
		if err != nil {
			return nil, asserted("is_canonical( c, canon_type )", "signature is not canonical")
		}
		if slices.Contains(keys, key) {
			return nil, &Failure{Code: 3060000, Name: "tx_duplicate_sig", Title: "duplicate signature included",
				Format: "Duplicate signature detected"}
		}
		keys = append(keys, key)
	}
	e.signers = keys
	return keys, nil
}

func (s State) checkAuthority(e *Entry) *Failure {
	keys, failure := s.chain.signers(e)
	if failure != nil {
		return failure
	}
	required := e.Transaction.Required()
	high, posting := s.chain.verifyLocked(hive.Active, keys), s.chain.verifyLocked(hive.Posting, keys)
	for i := range required.Keys {
		high.lookUps = 0
		if !high.reaches(&required.Keys[i], 0) {
			return &Failure{Code: 3040000, Name: "tx_missing_other_auth", Title: "missing required other authority",
				Format: "Missing Authority"}
		}
	}
	for _, r := range []struct {
		role  hive.Role
		names []hive.AccountName
	}{{hive.Active, required.Active}, {hive.Owner, required.Owner}, {hive.Posting, required.Posting}} {
		by := high
		if r.role == hive.Posting {
			by = posting
		}
		for _, name := range r.names {
			if !by.satisfied(name, r.role) {
				return missing(r.role, name)
			}
		}
	}
	return nil
}

func (s State) checkReference(e *Entry) *Failure {
	// The newest block with that number modulo 65536 that this node knows: a transaction holds only
	// the lower 16 bits of the number.
	number := s.Head&^0xffff | uint32(e.Transaction.RefBlockNum)
	if number > s.Head {
		number -= 1 << 16
	}
	b := s.chain.blockLocked(number)
	if b == nil || prefix(b.id) != e.Transaction.RefBlockPrefix {
		return &Failure{Code: 4030200, Name: "transaction_tapos_exception", Title: "transaction tapos exception",
			Format: ""}
	}
	return nil
}

func prefix(id BlockID) uint32 {
	return uint32(id[4]) | uint32(id[5])<<8 | uint32(id[6])<<16 | uint32(id[7])<<24
}

func (s State) checkExpiration(e *Entry) *Failure {
	values := [][2]string{{"now", s.Time.String()}, {"trx.expiration", e.Transaction.Expiration.String()}}
	switch {
	case e.Transaction.Expiration > s.Time+maxLifetime:
		return &Failure{Code: 4030100, Name: "transaction_expiration_exception",
			Title: "transaction expiration exception", Format: "transaction expiration too far in future",
			values: values}
	case e.Transaction.Expiration <= s.Time:
		return &Failure{Code: 4030100, Name: "transaction_expiration_exception",
			Title: "transaction expiration exception", Format: "transaction expired", values: values}
	}
	return nil
}

// payer returns the account that pays for the transaction with resource credits.
func payer(t hive.Transaction) hive.AccountName {
	r := t.Required()
	for _, names := range [][]hive.AccountName{r.Active, r.Posting, r.Owner} {
		if len(names) > 0 {
			return names[0]
		}
	}
	return ""
}

func (s State) checkCredits(e *Entry) *Failure {
	name := payer(e.Transaction.Transaction)
	a, ok := s.chain.accounts[name]
	if !ok || a.Credits >= s.chain.options.CreditCost {
		return nil
	}
	return &Failure{
		Code: 4100100, Name: "not_enough_rc_exception", Title: "payer has not enough RC mana for transaction",
		Format: "Account: ${account} has ${rc_current} RC, needs ${rc_needed} RC. Please wait to transact, or power " +
			"up HIVE.",
		values: [][2]string{{"account", string(name)}, {"rc_needed", strconv.FormatInt(s.chain.options.CreditCost, 10)},
			{"rc_current", strconv.FormatInt(max(a.Credits, 0), 10)}},
	}
}

// checkOperations checks what the operations need.
func (s State) checkOperations(e *Entry) *Failure {
	spent := map[hive.AccountName]map[hive.Symbol]int64{}
	for _, op := range e.Transaction.Operations {
		if op.Name() == "custom_json" {
			if err := s.checkCustom(op); err != nil {
				return err
			}
		}
		if err := s.checkWitness(op); err != nil {
			return err
		}
		from, to, amount, ok := moves(op)
		if !ok {
			continue
		}
		if _, exists := s.chain.accounts[to]; !exists {
			return asserted("", "Account ${name} does not exist", [2]string{"name", string(to)})
		}
		if spent[from] == nil {
			spent[from] = map[hive.Symbol]int64{}
		}
		spent[from][amount.Symbol] += amount.Amount
		if balance := s.chain.accounts[from].balance(amount.Symbol); *balance < spent[from][amount.Symbol] {
			return asserted("", "Account ${acc} does not have sufficient funds for balance adjustment. Required: "+
				"${r}, Available: ${a}",
				[2]string{"acc", string(from)}, [2]string{"r", amount.String()},
				[2]string{"a", hive.Asset{Amount: *balance, Symbol: amount.Symbol}.String()})
		}
	}
	return nil
}

// checkWitness checks that the key which signed for a witness is the witness's.
func (s State) checkWitness(op hive.Operation) *Failure {
	key, ok := op.WitnessKey()
	if !ok {
		return nil
	}
	v, _ := op.Field("owner")
	owner, _ := v.(hive.AccountName)
	if a := s.chain.accounts[owner]; a == nil || a.Witness == nil || *a.Witness != key {
		return asserted("signing_key == witness.signing_key", "'key' does not match witness signing key.")
	}
	return nil
}

func (s State) checkCustom(op hive.Operation) *Failure {
	required := op.Required()
	for _, name := range slices.Concat(required.Active, required.Posting) {
		if n := s.queuedCustom(name); n >= customJSONPerBlock {
			return asserted("", "Account ${a} already submitted ${n} custom json operation(s) this block.",
				[2]string{"a", string(name)}, [2]string{"n", strconv.Itoa(n)})
		}
	}
	return nil
}

// queuedCustom returns how many custom_json operations of an account wait for the next block.
func (s State) queuedCustom(name hive.AccountName) (n int) {
	for _, p := range s.chain.pending {
		for _, op := range p.Transaction.Operations {
			if r := op.Required(); op.Name() == "custom_json" &&
				slices.Contains(slices.Concat(r.Active, r.Posting), name) {
				n++
			}
		}
	}
	return n
}

// moves reports what an operation takes from the balance of one account for another.
func moves(op hive.Operation) (from, to hive.AccountName, amount hive.Asset, ok bool) {
	switch op.Name() {
	case "transfer", "transfer_to_savings", "transfer_to_vesting":
	default:
		return "", "", hive.Asset{}, false
	}
	v, _ := op.Field("from")
	from, _ = v.(hive.AccountName)
	v, _ = op.Field("to")
	if to, _ = v.(hive.AccountName); to == "" {
		to = from
	}
	v, _ = op.Field("amount")
	amount, ok = v.(hive.Asset)
	return from, to, amount, ok
}

func (a *account) balance(s hive.Symbol) *int64 {
	switch s {
	case hive.HIVE:
		return &a.HIVE
	case hive.HBD:
		return &a.HBD
	}
	return new(int64)
}

// queueLocked takes a transaction that was checked, with its effects.
func (c *Chain) queueLocked(e *Entry) {
	c.known[e.ID] = e
	c.pending = append(c.pending, e)
	if a, ok := c.accounts[payer(e.Transaction.Transaction)]; ok {
		a.Credits -= c.options.CreditCost
	}
	for _, op := range e.Transaction.Operations {
		from, to, amount, ok := moves(op)
		if !ok {
			continue
		}
		*c.accounts[from].balance(amount.Symbol) -= amount.Amount
		if op.Name() == "transfer" {
			*c.accounts[to].balance(amount.Symbol) += amount.Amount
		}
	}
}
