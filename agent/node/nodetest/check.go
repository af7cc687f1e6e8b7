package nodetest

import (
	"slices"
	"strconv"

	"pksa/protocol/hive"
)

const (
	maxTransactionSize = 65536 - 256
	maxLifetime        = 24 * 60 * 60
	customJSONPerBlock = 5
)

// view is what a node sees of the chain: the head that counts for it.
type view struct {
	head uint32
	time hive.Time
}

// readTransaction reads a transaction as the node's own JSON reader would. Callers checked the
// braces.
func (c *Chain) readTransaction(raw []byte) (*entry, *apiError) {
	tx, err := c.options.Network.ParseTransaction(raw)
	if err != nil {
		return nil, parseError(err)
	}
	packed, err := c.options.Network.Serialize(tx.Transaction)
	if err != nil {
		return nil, parseError(err)
	}
	return &entry{id: hive.TransactionID(packed), tx: tx, json: append([]byte(nil), raw...)}, nil
}

// checkLocked says what a node with that view has against a transaction that the chain does not
// have.
func (c *Chain) checkLocked(e *entry, v view) *apiError {
	packed, err := c.options.Network.SerializeSigned(e.tx)
	if err != nil {
		return parseError(err)
	}
	if len(packed) > maxTransactionSize {
		return asserted("trx_size <= (get_dynamic_global_properties().maximum_block_size - 256)",
			"Transaction too large - size = ${trx_size}", [2]string{"trx_size", strconv.Itoa(len(packed))})
	}
	for _, check := range []func(*entry, view) *apiError{c.checkAuthorityLocked, c.checkReferenceLocked,
		c.checkExpiration, c.checkCreditsLocked, c.checkStateLocked} {
		if err := check(e, v); err != nil {
			return err
		}
	}
	return nil
}

// signers are the keys that signed, recovered once.
func (c *Chain) signers(e *entry) ([]hive.PublicKey, *apiError) {
	if e.signers != nil {
		return e.signers, nil
	}
	packed, err := c.options.Network.Serialize(e.tx.Transaction)
	if err != nil {
		return nil, parseError(err)
	}
	digest := c.options.Network.SigningDigest(packed)
	var keys []hive.PublicKey
	for _, s := range e.tx.Signatures {
		key, err := s.Recover(digest)
		if err != nil {
			return nil, asserted("is_canonical( c, canon_type )", "signature is not canonical")
		}
		if slices.Contains(keys, key) {
			return nil, &apiError{code: 3060000, name: "tx_duplicate_sig", title: "duplicate signature included",
				format: "Duplicate signature detected"}
		}
		keys = append(keys, key)
	}
	e.signers = keys
	return keys, nil
}

func (c *Chain) checkAuthorityLocked(e *entry, _ view) *apiError {
	keys, apiErr := c.signers(e)
	if apiErr != nil {
		return apiErr
	}
	required := e.tx.Required()
	for i := range required.Keys {
		if !c.reachesLocked(&required.Keys[i], hive.Active, keys, 0) {
			return &apiError{code: 3040000, name: "tx_missing_other_auth", title: "missing required other authority",
				format: "Missing Authority"}
		}
	}
	for _, r := range []struct {
		role  hive.Role
		names []hive.AccountName
	}{{hive.Active, required.Active}, {hive.Owner, required.Owner}, {hive.Posting, required.Posting}} {
		for _, name := range r.names {
			if !c.satisfiedLocked(name, r.role, keys) {
				return missing(r.role, name)
			}
		}
	}
	return nil
}

func (c *Chain) checkReferenceLocked(e *entry, v view) *apiError {
	// The newest block with that number modulo 65536 that this node knows.
	number := v.head&^0xffff | uint32(e.tx.RefBlockNum)
	if number > v.head {
		number -= 1 << 16
	}
	b := c.blockLocked(number)
	if b == nil || prefix(b.id) != e.tx.RefBlockPrefix {
		return &apiError{code: 4030200, name: "transaction_tapos_exception", title: "transaction tapos exception",
			format: ""}
	}
	return nil
}

func prefix(id [20]byte) uint32 {
	return uint32(id[4]) | uint32(id[5])<<8 | uint32(id[6])<<16 | uint32(id[7])<<24
}

func (c *Chain) checkExpiration(e *entry, v view) *apiError {
	values := [][2]string{{"now", v.time.String()}, {"trx.expiration", e.tx.Expiration.String()}}
	switch {
	case e.tx.Expiration > v.time+maxLifetime:
		return &apiError{code: 4030100, name: "transaction_expiration_exception",
			title: "transaction expiration exception", format: "transaction expiration too far in future",
			values: values}
	case e.tx.Expiration <= v.time:
		return &apiError{code: 4030100, name: "transaction_expiration_exception",
			title: "transaction expiration exception", format: "transaction expired", values: values}
	}
	return nil
}

// payer is the account that pays for the transaction with resource credits.
func payer(t hive.Transaction) hive.AccountName {
	r := t.Required()
	for _, names := range [][]hive.AccountName{r.Active, r.Posting, r.Owner} {
		if len(names) > 0 {
			return names[0]
		}
	}
	return ""
}

func (c *Chain) checkCreditsLocked(e *entry, _ view) *apiError {
	name := payer(e.tx.Transaction)
	a, ok := c.accounts[name]
	if !ok || a.Credits >= c.options.CreditCost {
		return nil
	}
	err := &apiError{
		code: 4100100, name: "not_enough_rc_exception", title: "payer has not enough RC mana for transaction",
		format: "Account: ${account} has ${rc_current} RC, needs ${rc_needed} RC. Please wait to transact, or power " +
			"up HIVE.",
		values: [][2]string{{"account", string(name)}, {"rc_needed", strconv.FormatInt(c.options.CreditCost, 10)},
			{"rc_current", strconv.FormatInt(max(a.Credits, 0), 10)}},
	}
	return err
}

// checkStateLocked checks what the operations need.
func (c *Chain) checkStateLocked(e *entry, _ view) *apiError {
	spent := map[hive.AccountName]map[hive.Symbol]int64{}
	for _, op := range e.tx.Operations {
		if op.Name() == "custom_json" {
			if err := c.checkCustomLocked(op); err != nil {
				return err
			}
		}
		from, to, amount, ok := moves(op)
		if !ok {
			continue
		}
		if _, exists := c.accounts[to]; !exists {
			return asserted("", "Account ${name} does not exist", [2]string{"name", string(to)})
		}
		if spent[from] == nil {
			spent[from] = map[hive.Symbol]int64{}
		}
		spent[from][amount.Symbol] += amount.Amount
		if balance := c.accounts[from].balance(amount.Symbol); *balance < spent[from][amount.Symbol] {
			return asserted("", "Account ${acc} does not have sufficient funds for balance adjustment. Required: "+
				"${r}, Available: ${a}",
				[2]string{"acc", string(from)}, [2]string{"r", amount.String()},
				[2]string{"a", hive.Asset{Amount: *balance, Symbol: amount.Symbol}.String()})
		}
	}
	return nil
}

func (c *Chain) checkCustomLocked(op hive.Operation) *apiError {
	required := op.Required()
	for _, name := range append(required.Active, required.Posting...) {
		n := 0
		for _, p := range c.pending {
			for _, other := range p.tx.Operations {
				r := other.Required()
				for _, by := range append(r.Active, r.Posting...) {
					if other.Name() == "custom_json" && by == name {
						n++
					}
				}
			}
		}
		if n >= customJSONPerBlock {
			return asserted("", "Account ${a} already submitted ${n} custom json operation(s) this block.",
				[2]string{"a", string(name)}, [2]string{"n", strconv.Itoa(n)})
		}
	}
	return nil
}

// moves tells what an operation takes from the balance of one account for another.
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
func (c *Chain) queueLocked(e *entry) {
	c.known[e.id] = e
	c.pending = append(c.pending, e)
	if a, ok := c.accounts[payer(e.tx.Transaction)]; ok {
		a.Credits -= c.options.CreditCost
	}
	for _, op := range e.tx.Operations {
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

func duplicate() *apiError {
	return asserted("!is_known_transaction( trx_id )", "Duplicate transaction check failed")
}
