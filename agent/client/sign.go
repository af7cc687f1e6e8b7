package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// Operation is one operation of the chain, in the legacy form that Hive API nodes use: amounts are
// texts such as "1.000 HIVE".
type Operation struct {
	Name   string // such as "vote"
	Fields any    // what encoding/json writes as an object: a struct, a map, or a json.RawMessage
}

// MarshalJSON returns ["vote", {…}].
func (o Operation) MarshalJSON() ([]byte, error) { return json.Marshal([]any{o.Name, o.Fields}) }

// SignRequest is what a wallet is asked to sign.
type SignRequest struct {
	Role       hive.Role   // Posting or Active: exactly the one that the operations need
	Operations []Operation // at least one; they become one transaction
	// SignOnly has the transaction signed and returned instead of broadcast. Not every wallet does
	// that.
	SignOnly bool
}

// Signed is a transaction that a wallet signed.
type Signed struct {
	ID hive.TxID
	// Confirmed is true if the transaction was fetched from the chain and is the one that was asked
	// for. Without [Options].Transaction it is false, and the id is only what the wallet reports,
	// or what the relay made of it.
	Confirmed bool
	// Transaction is the signed transaction as JSON, ready for a node; nil if the wallet broadcast
	// it, unless SignExact was called. It has Signatures, then.
	Transaction json.RawMessage
	// Keys are the keys that signed, recovered from the signatures; nil if the wallet broadcast.
	Keys []hive.PublicKey
	// Signatures, of SignExact only, are those of the wallet and of the request, one of each key:
	// what the next keeper gets. Once they suffice, those are left out that the chain does not
	// need, by the word of the wallet: one of its own, too, if the others suffice without.
	Signatures []hive.Signature
	// Complete says that these signatures suffice, by the word of the wallet, which asked the
	// chain; Missing is which authorities they do not satisfy. Neither is set if the wallet does
	// not say.
	Complete bool
	Missing  []hive.Shortfall
}

// Sign has operations signed and, unless SignOnly is set, broadcast by the wallet (HAS §4.4). It
// checks the operations as strictly as wallets do before it sends anything. It waits for the wallet
// until ctx ends or the request expires at the relay; with [Options].Transaction it then waits
// until the chain has the transaction, for Options.ConfirmWithin at most. It may be called
// concurrently: requests reach the wallet in the order in which they are sent.
//
// A session that has ended is [ErrSessionOver], and nothing is sent. The other errors are listed in
// the package comment, which says after which of them the transaction may be on the chain.
func (c *Client) Sign(ctx context.Context, s *Session, r SignRequest) (*Signed, error) {
	if err := c.checkUsable(s); err != nil {
		return nil, err
	}
	raw, asked, err := c.operations(r.Operations)
	if err != nil {
		return nil, err
	}
	var nonce protocol.Nonce
	build := func() (protocol.Request, error) {
		nonce = s.next(timeNow())
		data := protocol.SignReqData{KeyType: r.Role, Ops: raw, Broadcast: !r.SignOnly, Nonce: nonce}
		payload, err := data.Encode()
		if err != nil {
			return protocol.Request{}, err
		}
		return s.sealRequest(protocol.Sign, payload), nil
	}
	var signed *Signed
	order := signing{c, s.account, asked, r.SignOnly}
	accept := func(_ *call, m protocol.Ack) (err error) {
		signed, err = order.accept(ctx, m)
		return err
	}
	if err := c.ask(ctx, exchange{s, protocol.Sign, build, accept, &nonce}); err != nil {
		return nil, err
	}
	// The ack was in clear and may be anybody's: only the chain can confirm it.
	if !r.SignOnly && c.options.Transaction != nil {
		if err := c.confirm(ctx, signed.ID, asked); err != nil {
			return nil, fmt.Errorf("client: sign for %s: %w", s.account, err)
		}
		signed.Confirmed = true
	}
	return signed, nil
}

// ExactRequest is a transaction that a wallet is asked to sign as it is.
type ExactRequest struct {
	Role hive.Role // Posting or Active: exactly the one that the operations need
	// Transaction is the whole unsigned transaction as JSON, with reference block, expiration and
	// operations, in either form of the chain.
	Transaction json.RawMessage
	// SignOnly has the signatures returned, and nothing broadcast.
	SignOnly bool
	// Signatures are those that others made over this transaction, where several keys share an
	// account: at most protocol.MaxSignatures.
	Signatures []hive.Signature
}

// ErrNoExact says that the wallet does not sign transactions of the application's making, or was
// not asked at the login whether it does: set Options.App.Exact. Nothing was sent.
var ErrNoExact = errors.New("the wallet has not said that it signs transactions of the application's making")

// ErrNoShared says that the wallet does not add its signature to those of others, or was not asked
// at the login whether it does: set Options.App.Shared. Nothing was sent.
var ErrNoShared = errors.New("the wallet has not said that it adds its signature to those of others")

// SignExact has a transaction signed as it is and, unless SignOnly is set, broadcast by the wallet.
// The same transaction may be asked for again while it can still be included, also after an error:
// it is judged again, gets the same signature, and counts once in the wallet's limits. Signed has
// the transaction with all signatures in any case. Else it is as [Client.Sign].
//
// Where several keys share an account, give the signatures of the others with it. The wallet
// broadcasts if they and its own suffice, and otherwise refuses with [ErrAuthority]: SignOnly says
// what is missing.
//
// A wallet that does not know such requests is [ErrNoExact] or [ErrNoShared], and nothing is sent.
func (c *Client) SignExact(ctx context.Context, s *Session, r ExactRequest) (*Signed, error) {
	if err := c.checkUsable(s); err != nil {
		return nil, err
	}
	exact, shared := s.signs()
	switch {
	case !exact:
		return nil, fmt.Errorf("client: %w", ErrNoExact)
	case len(r.Signatures) > 0 && !shared:
		return nil, fmt.Errorf("client: %w", ErrNoShared)
	}
	t, err := c.options.Network.ParseTransaction(r.Transaction)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	if len(t.Signatures) > 0 {
		return nil, errors.New("client: the transaction is signed already")
	}
	packed, err := c.options.Network.Serialize(t.Transaction)
	if err != nil {
		return nil, fmt.Errorf("client: %w", err)
	}
	made := exactly{packed: packed, digest: c.options.Network.SigningDigest(packed)}
	for i, other := range r.Signatures {
		key, err := other.Recover(made.digest)
		if err != nil {
			return nil, fmt.Errorf("client: signature %d: %w", i+1, err)
		}
		made.others, made.by = append(made.others, other), append(made.by, key)
	}
	data := protocol.SignReqData{KeyType: r.Role, Broadcast: !r.SignOnly, Tx: &protocol.TxHead{
		RefBlockNum: t.RefBlockNum, RefBlockPrefix: t.RefBlockPrefix, Expiration: t.Expiration}}
	if shared { // also without any, so that it says what is missing
		data.Signatures = append([]hive.Signature{}, r.Signatures...)
	}
	for _, op := range t.Operations {
		data.Ops = append(data.Ops, c.options.Network.AppendOperation(nil, op))
	}
	var nonce protocol.Nonce
	build := func() (protocol.Request, error) {
		nonce = s.next(timeNow())
		data.Nonce = nonce
		payload, err := data.Encode()
		if err != nil {
			return protocol.Request{}, err
		}
		return s.sealRequest(protocol.Sign, payload), nil
	}
	var signed *Signed
	order := signing{c, s.account, t.Operations, r.SignOnly}
	accept := func(_ *call, m protocol.Ack) (err error) {
		signed, err = order.acceptExact(ctx, s, m, made)
		return err
	}
	if err := c.ask(ctx, exchange{s, protocol.Sign, build, accept, &nonce}); err != nil {
		return nil, err
	}
	if !r.SignOnly && c.options.Transaction != nil {
		if err := c.confirm(ctx, signed.ID, t.Operations); err != nil {
			return nil, fmt.Errorf("client: sign for %s: %w", s.account, err)
		}
		signed.Confirmed = true
	}
	return signed, nil
}

// exactly is a transaction that this application made.
type exactly struct {
	packed []byte // as it is signed
	digest hive.Digest
	others []hive.Signature // that were sent with it
	by     []hive.PublicKey // the keys that made these
}

// acceptExact checks the sealed answer to a transaction that this application made: it is about
// that one, and has signatures of the account's keys.
func (s signing) acceptExact(ctx context.Context, session *Session, m protocol.Ack, order exactly) (*Signed, error) {
	if m.Broadcast == nil || *m.Broadcast == s.signOnly {
		return nil, badAnswer("broadcast is not what was asked for")
	}
	sealed, ok := m.SealedSignature()
	if !ok {
		return nil, badAnswer("no sealed signatures")
	}
	text, err := session.open(sealed)
	if err != nil {
		return nil, err
	}
	data, err := protocol.DecodeSignAckData(text)
	if err != nil {
		return nil, badAnswer("%w", err)
	}
	if want := hive.TransactionID(order.packed); data.ID != want {
		return nil, badAnswer("the answer is about transaction %s", data.ID)
	}
	network := s.client.options.Network
	t, err := network.DecodeTransaction(order.packed)
	if err != nil {
		return nil, badAnswer("%w", err)
	}
	raw, err := network.AppendJSON(nil, hive.SignedTransaction{Transaction: t, Signatures: data.Signatures})
	if err != nil {
		return nil, badAnswer("%w", err)
	}
	signed, err := s.acceptTransaction(ctx, raw)
	if err != nil {
		return nil, err
	}
	signed.Complete, signed.Missing = data.Missing != nil && len(data.Missing) == 0, data.Missing
	keys, signatures := append(signed.Keys, order.by...), append(data.Signatures, order.others...)
	if n := len(data.Superfluous); n > 0 && (data.Superfluous[n-1] >= len(keys) || n == len(keys)) {
		return nil, badAnswer("signature %d is called superfluous, of %d", data.Superfluous[n-1]+1, len(keys))
	}
	signed.Keys, signed.Signatures = nil, nil
	for i, key := range keys {
		if !slices.Contains(data.Superfluous, i) && !slices.Contains(signed.Keys, key) {
			signed.Keys, signed.Signatures = append(signed.Keys, key), append(signed.Signatures, signatures[i])
		}
	}
	signed.Transaction, err = network.AppendJSON(nil, hive.SignedTransaction{Transaction: t,
		Signatures: signed.Signatures})
	return signed, err
}

// operations returns the operations as JSON and as values, or what is wrong with them.
func (c *Client) operations(ops []Operation) (raw [][]byte, asked []hive.Operation, err error) {
	for i, op := range ops {
		text, err := json.Marshal(op)
		if err != nil {
			return nil, nil, fmt.Errorf("client: operation %d: %w", i, err)
		}
		parsed, err := c.options.Network.ParseOperation(text)
		if err != nil {
			return nil, nil, fmt.Errorf("client: operation %d: %w", i, err)
		}
		raw, asked = append(raw, text), append(asked, parsed)
	}
	if len(raw) == 0 {
		return nil, nil, errors.New("client: no operations to sign")
	}
	return raw, asked, nil
}

// signing is what a sign_ack is compared with.
type signing struct {
	client   *Client
	account  hive.AccountName
	asked    []hive.Operation
	signOnly bool
}

// accept checks a sign_ack. It is in clear (HAS §4.4), so everything in it is compared with what
// was asked.
func (s signing) accept(ctx context.Context, m protocol.Ack) (*Signed, error) {
	if m.Broadcast != nil && *m.Broadcast == s.signOnly {
		return nil, badAnswer("broadcast is %t", *m.Broadcast)
	}
	if s.signOnly {
		raw, ok := m.SignedTransaction()
		if !ok {
			return nil, badAnswer("no transaction")
		}
		return s.acceptTransaction(ctx, raw)
	}
	text, ok := m.TransactionID()
	if !ok {
		return nil, badAnswer("no transaction id")
	}
	id, err := hive.ParseTxID(text)
	if err != nil {
		return nil, badAnswer("%w", err)
	}
	return &Signed{ID: id}, nil
}

// acceptTransaction checks a transaction that was signed and not broadcast: it must be the one
// asked for, and each signature must be one of a key of the account, as far as Options.Keys knows.
func (s signing) acceptTransaction(ctx context.Context, raw []byte) (*Signed, error) {
	c, signed := s.client, &Signed{Transaction: raw}
	t, packed, err := c.readTransaction(raw, s.asked)
	if err != nil {
		return nil, badAnswer("%w", err)
	}
	signed.ID = hive.TransactionID(packed)
	if len(t.Signatures) == 0 {
		return nil, badAnswer("the transaction has no signature")
	}
	digest := c.options.Network.SigningDigest(packed)
	for _, signature := range t.Signatures {
		key, err := signature.Recover(digest)
		if err != nil {
			return nil, badAnswer("%w", err)
		}
		signed.Keys = append(signed.Keys, key)
	}
	if c.options.Keys == nil {
		return signed, nil
	}
	known, err := c.options.Keys(ctx, s.account)
	if err != nil {
		return nil, fmt.Errorf("looking up the keys of %s: %w", s.account, err)
	}
	for _, key := range signed.Keys {
		if !slices.Contains(known, key) {
			return nil, badAnswer("%s is no key of %s", key, s.account)
		}
	}
	return signed, nil
}

// readTransaction returns a transaction and its serialised bytes, after checking that it holds the
// operations that were asked for and no others.
func (c *Client) readTransaction(raw []byte, asked []hive.Operation) (t hive.SignedTransaction, packed []byte,
	err error) {
	t, packed, err = readTransaction(c.options.Network, raw)
	if err == nil && !slices.EqualFunc(t.Operations, asked, hive.Operation.Equal) {
		err = errors.New("the transaction does not hold the operations that were asked for")
	}
	return t, packed, err
}

func readTransaction(network *hive.Network, raw []byte) (t hive.SignedTransaction, packed []byte, err error) {
	if t, err = network.ParseTransaction(raw); err != nil {
		return t, nil, err
	}
	packed, err = network.Serialize(t.Transaction)
	return t, packed, err
}

// confirm looks for the transaction on the chain until it is there or Options.ConfirmWithin is
// over.
func (c *Client) confirm(ctx context.Context, id hive.TxID, asked []hive.Operation) error {
	until := timeNow().Add(c.options.ConfirmWithin)
	for {
		raw, err := c.options.Transaction(ctx, id)
		if err == nil && raw == nil {
			err = ErrNoTransaction
		}
		if err == nil {
			return c.confirmed(raw, id, asked)
		}
		if ctx.Err() != nil {
			return &UnconfirmedError{ID: id, Err: ctx.Err()}
		}
		if !errors.Is(err, ErrNoTransaction) {
			c.log.Warn("looking for a transaction", "id", id.String(), "err", err)
		}
		if timeNow().Add(c.options.ConfirmEvery).After(until) || !sleep(ctx, c.options.ConfirmEvery) {
			return &UnconfirmedError{ID: id, Err: err}
		}
	}
}

// confirmed checks a transaction that the chain has, and that it holds the operations that were
// asked for.
func (c *Client) confirmed(raw []byte, id hive.TxID, asked []hive.Operation) error {
	t, err := CheckTransaction(c.options.Network, raw, id)
	if err == nil && !slices.EqualFunc(t.Operations, asked, hive.Operation.Equal) {
		err = badAnswer("transaction %s does not hold the operations that were asked for", id)
	}
	return err
}

// CheckTransaction reads what get_transaction of a node returns, and checks that it is the
// transaction with that id. The id is computed again from its bytes: a node could return another
// transaction under it. The error matches [ErrBadAnswer].
func CheckTransaction(network *hive.Network, raw []byte, id hive.TxID) (hive.SignedTransaction, error) {
	raw, err := transactionMembers(raw)
	var t hive.SignedTransaction
	var packed []byte
	if err == nil {
		t, packed, err = readTransaction(network, raw)
	}
	if err != nil {
		return t, badAnswer("transaction %s: %w", id, err)
	}
	if got := hive.TransactionID(packed); got != id {
		return t, badAnswer("transaction %s: the node returned %s", id, got)
	}
	return t, nil
}

// transactionMembers returns a transaction without what nodes add to it: its place in the chain,
// and its id, which is computed here instead.
func transactionMembers(raw []byte) ([]byte, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return nil, errors.New("not a JSON object")
	}
	for _, added := range []string{"block_num", "transaction_id", "transaction_num"} {
		delete(members, added)
	}
	return json.Marshal(members)
}
