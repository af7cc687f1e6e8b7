package nodetest

import (
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// methods are what the node answers.
var methods = map[string]func(*Node, jsontext.Value) ([]byte, *apiError){
	"condenser_api.get_dynamic_global_properties": (*Node).properties,
	"database_api.get_dynamic_global_properties":  (*Node).properties,
	"condenser_api.get_block_header":              (*Node).blockHeader,
	"condenser_api.broadcast_transaction":         (*Node).broadcast,
	"network_broadcast_api.broadcast_transaction": (*Node).broadcast,
	"condenser_api.get_accounts":                  (*Node).getAccounts,
	"database_api.find_accounts":                  (*Node).findAccounts,
	"condenser_api.get_transaction":               (*Node).getTransaction,
	"condenser_api.get_account_history":           (*Node).accountHistory,
	"transaction_status_api.find_transaction":     (*Node).findTransaction,
	"database_api.get_version":                    (*Node).version,
	"condenser_api.get_version":                   (*Node).version,
	"condenser_api.get_hardfork_version":          (*Node).hardfork,
	"database_api.verify_authority":               (*Node).verifyAuthority,
	"condenser_api.verify_authority":              (*Node).verifyAuthority,
	"account_by_key_api.get_key_references":       (*Node).keyReferences,
	"condenser_api.get_key_references":            (*Node).keyReferences,
	"rc_api.find_rc_accounts":                     (*Node).credits,
}

func (n *Node) call(r *request) ([]byte, *apiError) {
	api, _, _ := strings.Cut(r.Method, ".")
	n.mu.Lock()
	missing := n.without[api]
	n.mu.Unlock()
	method, ok := methods[r.Method]
	if !ok || missing {
		e := asserted("api_itr != data.registered_apis.end()", "Could not find API ${api}", [2]string{"api", api})
		return nil, e
	}
	return method(n, r.Params)
}

func parameters(raw jsontext.Value, to any) *apiError {
	if err := json.Unmarshal(raw, to); err != nil {
		return &apiError{outer: -32002, bare: true, message: "Invalid parameters"}
	}
	return nil
}

// viewLocked is what this node sees. Callers hold the chain and the node.
func (n *Node) viewLocked() view {
	head := max(n.chain.headLocked()-n.behind, n.chain.base+2)
	return view{head: head, time: n.chain.blockLocked(head).time}
}

func (n *Node) irreversibleLocked(v view) uint32 {
	return max(v.head-uint32(n.chain.options.IrreversibleLag), n.chain.base+1)
}

// lock takes chain and node.
func (n *Node) lock() (unlock func()) {
	n.chain.lock()
	n.mu.Lock()
	return func() {
		n.mu.Unlock()
		n.chain.mu.Unlock()
	}
}

// shift is how many blocks and seconds the node's lies are away from the truth.
func (n *Node) shiftLocked() (blocks int64, seconds int64) {
	blocks = int64(n.ahead / BlockInterval)
	return blocks, 3 * blocks
}

// idLocked is the id of the block with that number, invented if this node lies.
func (n *Node) idLocked(number uint32) string {
	if b := n.chain.blockLocked(number); b != nil && n.ahead == 0 {
		return hex.EncodeToString(b.id[:])
	}
	id := blockID(number, [32]byte(hive.HashText(strconv.Itoa(int(number)))))
	return hex.EncodeToString(id[:])
}

func (n *Node) properties(jsontext.Value) ([]byte, *apiError) {
	defer n.lock()()
	v := n.viewLocked()
	blocks, seconds := n.shiftLocked()
	head := uint32(int64(v.head) + blocks)
	dst := strconv.AppendUint([]byte(`{"head_block_number":`), uint64(head), 10)
	dst = append(append(dst, `,"head_block_id":"`...), n.idLocked(head)...)
	dst = append(append(dst, `","time":"`...), hive.Time(int64(v.time)+seconds).String()...)
	dst = strconv.AppendUint(append(dst, `","last_irreversible_block_num":`...), uint64(int64(n.irreversibleLocked(v))+
		blocks), 10)
	return append(dst, `,"maximum_block_size":65536,"current_witness":"nodetest"}`...), nil
}

func (n *Node) blockHeader(raw jsontext.Value) ([]byte, *apiError) {
	var numbers []uint32
	if err := parameters(raw, &numbers); err != nil || len(numbers) != 1 {
		return nil, &apiError{outer: -32002, bare: true, message: "Invalid parameters"}
	}
	defer n.lock()()
	v := n.viewLocked()
	blocks, seconds := n.shiftLocked()
	b := n.chain.blockLocked(uint32(int64(numbers[0]) - blocks))
	if b == nil || int64(numbers[0])-blocks > int64(v.head) {
		return []byte("null"), nil
	}
	dst := append([]byte(`{"previous":"`), n.idLocked(numbers[0]-1)...)
	dst = append(append(dst, `","timestamp":"`...), hive.Time(int64(b.time)+seconds).String()...)
	return append(dst, `","witness":"nodetest","transaction_merkle_root":"0000000000000000000000000000000000000000",`+
		`"extensions":[]}`...), nil
}

// transaction takes the transaction out of params: [tx] or {"trx": tx}.
func transaction(raw jsontext.Value) (jsontext.Value, *apiError) {
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
	return nil, &apiError{outer: -32002, bare: true, message: "Invalid parameters"}
}

func (n *Node) broadcast(raw jsontext.Value) ([]byte, *apiError) {
	text, apiErr := transaction(raw)
	if apiErr != nil {
		return nil, apiErr
	}
	e, apiErr := n.chain.readTransaction(text)
	if apiErr != nil {
		return nil, apiErr
	}
	defer n.lock()()
	e.node = n.Name
	v := n.viewLocked()
	_, seconds := n.shiftLocked()
	v.time = hive.Time(int64(v.time) + seconds)
	if n.ahead != 0 {
		v.head = n.chain.headLocked() // it lies about numbers; it knows the blocks
	}
	if n.own[e.id] != nil || n.visibleLocked(e.id, v) {
		// A node forgets a transaction at its expiration, and refuses it as expired from then on.
		if e.tx.Expiration > v.time {
			return nil, duplicate()
		}
	}
	if err := n.chain.checkLocked(e, v); err != nil {
		return nil, err
	}
	n.own[e.id] = e
	// What goes on to the others is judged by their head; if it does not fit, nobody tells the
	// sender.
	truth := view{head: n.chain.headLocked(), time: n.chain.headTimeLocked()}
	if !n.lonely && n.chain.known[e.id] == nil && n.chain.checkLocked(e, truth) == nil {
		n.chain.queueLocked(e)
	}
	return []byte("{}"), nil
}

// visibleLocked reports whether this node has the transaction.
func (n *Node) visibleLocked(id hive.TxID, v view) bool {
	e := n.chain.known[id]
	if e == nil || n.lonely {
		return false
	}
	return e.block == 0 && n.behind == 0 || e.block != 0 && e.block <= v.head
}

func (n *Node) findTransaction(raw jsontext.Value) ([]byte, *apiError) {
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
	defer n.lock()()
	v := n.viewLocked()
	_, seconds := n.shiftLocked()
	if e := n.chain.known[id]; n.visibleLocked(id, v) {
		switch {
		case e.block == 0:
			return []byte(`{"status":"within_mempool"}`), nil
		case e.block <= n.irreversibleLocked(v):
			return status("within_irreversible_block", e.block), nil
		}
		return status("within_reversible_block", e.block), nil
	}
	if e := n.own[id]; e != nil && int64(e.tx.Expiration) > int64(v.time)+seconds {
		return []byte(`{"status":"within_mempool"}`), nil
	}
	expiration, err := hive.ParseTime(p.Expiration)
	switch {
	case err != nil:
		return []byte(`{"status":"unknown"}`), nil
	case expiration < n.chain.blocks[0].time:
		return []byte(`{"status":"too_old"}`), nil
	case int64(n.chain.blockLocked(n.irreversibleLocked(v)).time)+seconds > int64(expiration):
		return []byte(`{"status":"expired_irreversible"}`), nil
	case int64(v.time)+seconds > int64(expiration):
		return []byte(`{"status":"expired_reversible"}`), nil
	}
	return []byte(`{"status":"unknown"}`), nil
}

func status(text string, block uint32) []byte {
	dst := append([]byte(`{"status":"`), text...)
	return append(strconv.AppendUint(append(dst, `","block_num":`...), uint64(block), 10), '}')
}

func (n *Node) getTransaction(raw jsontext.Value) ([]byte, *apiError) {
	var ids []string
	if err := parameters(raw, &ids); err != nil {
		return nil, err
	}
	if len(ids) != 1 {
		return nil, &apiError{outer: -32002, bare: true, message: "Invalid parameters"}
	}
	id, err := hive.ParseTxID(ids[0])
	if err != nil {
		return nil, parseError(err)
	}
	defer n.lock()()
	e := n.chain.known[id]
	if e == nil || e.block == 0 || !n.visibleLocked(id, n.viewLocked()) {
		return nil, asserted("", "Unknown Transaction ${trx_id}", [2]string{"trx_id", ids[0]})
	}
	dst := append([]byte(nil), e.json[:len(e.json)-1]...)
	dst = append(append(append(dst, `,"transaction_id":"`...), id.String()...), `","block_num":`...)
	dst = append(strconv.AppendUint(dst, uint64(e.block), 10), `,"transaction_num":`...)
	return append(strconv.AppendInt(dst, int64(e.index), 10), '}'), nil
}

func (n *Node) version(jsontext.Value) ([]byte, *apiError) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return []byte(`{"blockchain_version":"1.28.7","hive_revision":"nodetest","fc_revision":"nodetest","chain_id":"` +
		hex.EncodeToString(n.chainID[:]) + `","node_type":"mainnet"}`), nil
}

func (n *Node) hardfork(jsontext.Value) ([]byte, *apiError) { return []byte(`"1.28.0"`), nil }

// verifyAuthority checks the signatures only.
func (n *Node) verifyAuthority(raw jsontext.Value) ([]byte, *apiError) {
	text, apiErr := transaction(raw)
	if apiErr != nil {
		return nil, apiErr
	}
	e, apiErr := n.chain.readTransaction(text)
	if apiErr != nil {
		return nil, apiErr
	}
	defer n.lock()()
	if err := n.chain.checkAuthorityLocked(e, n.viewLocked()); err != nil {
		return nil, err
	}
	if len(raw) > 0 && raw[0] == '[' {
		return []byte("true"), nil
	}
	return []byte(`{"valid":true}`), nil
}

func (n *Node) getAccounts(raw jsontext.Value) ([]byte, *apiError) {
	var lists [][]string
	if err := parameters(raw, &lists); err != nil {
		return nil, err
	}
	if len(lists) < 1 {
		return nil, &apiError{outer: -32002, bare: true, message: "Invalid parameters"}
	}
	return n.accounts(lists[0]), nil
}

func (n *Node) findAccounts(raw jsontext.Value) ([]byte, *apiError) {
	var p struct {
		Accounts []string `json:"accounts"`
	}
	if err := parameters(raw, &p); err != nil {
		return nil, err
	}
	return append(append([]byte(`{"accounts":`), n.accounts(p.Accounts)...), '}'), nil
}

func (n *Node) accounts(names []string) []byte {
	defer n.lock()()
	dst := []byte{'['}
	for _, name := range names {
		a, ok := n.chain.accounts[hive.AccountName(name)]
		if !ok {
			continue
		}
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = a.append(dst, n.chain.options.Network)
	}
	return append(dst, ']')
}

func (a *account) append(dst []byte, network *hive.Network) []byte {
	dst = hive.AppendString(append(dst, `{"name":`...), string(a.Name))
	for _, part := range []struct {
		name string
		auth hive.Authority
	}{{"owner", a.Owner}, {"active", a.Active}, {"posting", a.Posting}} {
		dst = append(append(append(dst, `,"`...), part.name...), `":`...)
		dst = appendAuthority(dst, part.auth, network)
	}
	dst = hive.AppendString(append(dst, `,"memo_key":`...), a.Memo.Text(network.KeyPrefix))
	amount := func(n int64, symbol string) string {
		return strings.TrimSuffix(hive.Asset{Amount: n, Symbol: hive.HIVE}.String(), "HIVE") + symbol
	}
	dst = hive.AppendString(append(dst, `,"balance":`...), amount(a.HIVE, network.Hive.Text))
	dst = hive.AppendString(append(dst, `,"hbd_balance":`...), amount(a.HBD, network.HBD.Text))
	return append(dst, `,"json_metadata":"","posting_json_metadata":""}`...)
}

func appendAuthority(dst []byte, a hive.Authority, network *hive.Network) []byte {
	dst = strconv.AppendUint(append(dst, `{"weight_threshold":`...), uint64(a.WeightThreshold), 10)
	pair := func(i int, name string, weight uint16) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(hive.AppendString(append(dst, '['), name), ',')
		dst = append(strconv.AppendUint(dst, uint64(weight), 10), ']')
	}
	dst = append(dst, `,"account_auths":[`...)
	for i, w := range a.AccountAuths {
		pair(i, string(w.Account), w.Weight)
	}
	dst = append(dst, `],"key_auths":[`...)
	for i, w := range a.KeyAuths {
		pair(i, w.Key.Text(network.KeyPrefix), w.Weight)
	}
	return append(dst, "]}"...)
}

// keyReferences answers {"keys":[…]} and, in the condenser's form, [[…]]. The memo key does not
// count.
func (n *Node) keyReferences(raw jsontext.Value) ([]byte, *apiError) {
	var named struct {
		Keys []string `json:"keys"`
	}
	var listed [][]string
	isList := json.Unmarshal(raw, &listed) == nil && len(listed) == 1
	if isList {
		named.Keys = listed[0]
	} else if err := parameters(raw, &named); err != nil {
		return nil, err
	}
	defer n.lock()()
	lists := make([][]string, len(named.Keys))
	for i, text := range named.Keys {
		lists[i] = []string{}
		for name, a := range n.chain.accounts {
			auths := slices.Concat(a.Owner.KeyAuths, a.Active.KeyAuths, a.Posting.KeyAuths)
			if slices.ContainsFunc(auths,
				func(k hive.KeyWeight) bool { return k.Key.Text(n.chain.options.Network.KeyPrefix) == text }) {
				lists[i] = append(lists[i], string(name))
			}
		}
		slices.Sort(lists[i])
	}
	var result any = map[string]any{"accounts": lists}
	if isList {
		result = lists
	}
	text, err := json.Marshal(result)
	if err != nil {
		return nil, parseError(err)
	}
	return text, nil
}

func (n *Node) credits(raw jsontext.Value) ([]byte, *apiError) {
	var p struct {
		Accounts []string `json:"accounts"`
	}
	if err := parameters(raw, &p); err != nil {
		return nil, err
	}
	defer n.lock()()
	dst := []byte(`{"rc_accounts":[`)
	for _, name := range p.Accounts {
		a, ok := n.chain.accounts[hive.AccountName(name)]
		if !ok {
			continue
		}
		if dst[len(dst)-1] == '}' {
			dst = append(dst, ',')
		}
		dst = hive.AppendString(append(dst, `{"account":`...), name)
		dst = append(append(dst, `,"rc_manabar":{"current_mana":"`...), strconv.FormatInt(max(a.Credits, 0), 10)...)
		dst = strconv.AppendInt(append(dst, `","last_update_time":`...), time.Now().Unix(), 10)
		dst = append(append(dst, `},"max_rc":"`...), strconv.Itoa(plenty)...)
		dst = append(dst, `","delegated_rc":0,"received_delegated_rc":0}`...)
	}
	return append(dst, "]}"...), nil
}
