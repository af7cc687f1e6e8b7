package memchain

import (
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// methods are what nodes answer.
var methods = map[string]func(State, jsontext.Value) ([]byte, *Failure){
	"condenser_api.get_dynamic_global_properties": State.properties,
	"database_api.get_dynamic_global_properties":  State.properties,
	"condenser_api.get_block_header":              State.blockHeader,
	"condenser_api.broadcast_transaction":         State.broadcast,
	"network_broadcast_api.broadcast_transaction": State.broadcast,
	"condenser_api.get_accounts":                  State.getAccounts,
	"condenser_api.get_witness_by_account":        State.getWitness,
	"database_api.find_accounts":                  State.findAccounts,
	"condenser_api.get_transaction":               State.getTransaction,
	"condenser_api.get_account_history":           State.accountHistory,
	"transaction_status_api.find_transaction":     State.findTransaction,
	"database_api.get_version":                    State.version,
	"condenser_api.get_version":                   State.version,
	"condenser_api.get_hardfork_version":          State.hardfork,
	"database_api.verify_authority":               State.verifyAuthority,
	"condenser_api.verify_authority":              State.verifyAuthority,
	"account_by_key_api.get_key_references":       State.keyReferences,
	"condenser_api.get_key_references":            State.keyReferences,
	"rc_api.find_rc_accounts":                     State.credits,

	"database_api.find_change_recovery_account_requests": State.recoveryChanges,
	"condenser_api.get_withdraw_routes":                  State.withdrawRoutes,
	"condenser_api.get_savings_withdraw_from":            State.savingsWithdrawals,
}

// Answer returns the result of a call, as an honest node in this state answers it.
func (s State) Answer(method string, params jsontext.Value) ([]byte, *Failure) {
	if f, ok := methods[method]; ok {
		return f(s, params)
	}
	return nil, NotOffered(method)
}

// NotOffered returns the error of a node that does not offer the API of a method.
func NotOffered(method string) *Failure {
	api, _, _ := strings.Cut(method, ".")
	return asserted("api_itr != data.registered_apis.end()", "Could not find API ${api}", [2]string{"api", api})
}

func parameters(raw jsontext.Value, to any) *Failure {
	if err := json.Unmarshal(raw, to); err != nil {
		return invalidParameters()
	}
	return nil
}

func (s State) properties(jsontext.Value) ([]byte, *Failure) { return s.Properties().JSON(), nil }

func (s State) blockHeader(raw jsontext.Value) ([]byte, *Failure) {
	number, failure := BlockNumber(raw)
	if failure != nil {
		return nil, failure
	}
	header, ok := s.Header(number)
	if !ok {
		return []byte("null"), nil
	}
	return header.JSON(), nil
}

func (s State) broadcast(raw jsontext.Value) ([]byte, *Failure) {
	e, failure := s.Read(raw)
	if failure == nil {
		failure = s.Accept(e)
	}
	if failure != nil {
		return nil, failure
	}
	return []byte("{}"), nil
}

func (s State) findTransaction(raw jsontext.Value) ([]byte, *Failure) {
	var p struct {
		ID         string `json:"transaction_id"`
		Expiration string `json:"expiration"`
	}
	if err := parameters(raw, &p); err != nil {
		return nil, err
	}
	id, err := hive.ParseTxID(p.ID)
	if err != nil {
		return nil, parseError(err)
	}
	if e := s.chain.known[id]; s.sees(e) {
		switch {
		case e.Block == 0:
			return InMempool(), nil
		case e.Block <= s.Irreversible:
			return status("within_irreversible_block", e.Block), nil
		}
		return status("within_reversible_block", e.Block), nil
	}
	expiration, err := hive.ParseTime(p.Expiration)
	switch {
	case err != nil:
		return []byte(`{"status":"unknown"}`), nil
	case expiration < s.chain.blocks[0].time:
		return []byte(`{"status":"too_old"}`), nil
	case s.IrreversibleTime > expiration:
		return []byte(`{"status":"expired_irreversible"}`), nil
	case s.Time > expiration:
		return []byte(`{"status":"expired_reversible"}`), nil
	}
	return []byte(`{"status":"unknown"}`), nil
}

// InMempool returns the answer of find_transaction about a transaction that waits for a block.
func InMempool() []byte { return []byte(`{"status":"within_mempool"}`) }

func status(text string, block uint32) []byte {
	dst := append([]byte(`{"status":"`), text...)
	return append(strconv.AppendUint(append(dst, `","block_num":`...), uint64(block), 10), '}')
}

func (s State) getTransaction(raw jsontext.Value) ([]byte, *Failure) {
	var ids []string
	if err := parameters(raw, &ids); err != nil {
		return nil, err
	}
	if len(ids) != 1 {
		return nil, invalidParameters()
	}
	id, err := hive.ParseTxID(ids[0])
	if err != nil {
		return nil, parseError(err)
	}
	e := s.chain.known[id]
	if e == nil || e.Block == 0 || !s.sees(e) {
		return nil, asserted("", "Unknown Transaction ${trx_id}", [2]string{"trx_id", ids[0]})
	}
	dst := append([]byte(nil), e.JSON[:len(e.JSON)-1]...)
	dst = append(append(append(dst, `,"transaction_id":"`...), id.String()...), `","block_num":`...)
	dst = append(strconv.AppendUint(dst, uint64(e.Block), 10), `,"transaction_num":`...)
	return append(strconv.AppendInt(dst, int64(e.index), 10), '}'), nil
}

func (s State) version(jsontext.Value) ([]byte, *Failure) {
	return []byte(`{"blockchain_version":"1.28.7","hive_revision":"memchain","fc_revision":"memchain","chain_id":"` +
		hex.EncodeToString(s.ChainID[:]) + `","node_type":"mainnet"}`), nil
}

func (s State) hardfork(jsontext.Value) ([]byte, *Failure) { return []byte(`"1.28.0"`), nil }

// verifyAuthority checks the signatures only.
func (s State) verifyAuthority(raw jsontext.Value) ([]byte, *Failure) {
	e, failure := s.Read(raw)
	if failure != nil {
		return nil, failure
	}
	if err := s.checkAuthority(e); err != nil {
		return nil, err
	}
	if len(raw) > 0 && raw[0] == '[' {
		return []byte("true"), nil
	}
	return []byte(`{"valid":true}`), nil
}
