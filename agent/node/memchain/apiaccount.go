package memchain

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

func (s State) getAccounts(raw jsontext.Value) ([]byte, *Failure) {
	var lists [][]string
	if err := parameters(raw, &lists); err != nil {
		return nil, err
	}
	if len(lists) < 1 {
		return nil, invalidParameters()
	}
	return s.accounts(lists[0]), nil
}

func (s State) getWitness(raw jsontext.Value) ([]byte, *Failure) {
	var names []string
	if err := parameters(raw, &names); err != nil {
		return nil, err
	}
	if len(names) != 1 {
		return nil, invalidParameters()
	}
	a, ok := s.chain.accounts[hive.AccountName(names[0])]
	if !ok || a.Witness == nil {
		return []byte("null"), nil
	}
	dst := hive.AppendString([]byte(`{"id":7,"owner":`), names[0])
	dst = hive.AppendString(append(dst, `,"url":"","signing_key":`...),
		a.Witness.Text(s.chain.options.Network.KeyPrefix))
	return append(dst, '}'), nil
}

func (s State) findAccounts(raw jsontext.Value) ([]byte, *Failure) {
	var p struct {
		Accounts []string `json:"accounts"`
	}
	if err := parameters(raw, &p); err != nil {
		return nil, err
	}
	return append(append([]byte(`{"accounts":`), s.accounts(p.Accounts)...), '}'), nil
}

func (s State) accounts(names []string) []byte {
	dst := []byte{'['}
	for _, name := range names {
		a, ok := s.chain.accounts[hive.AccountName(name)]
		if !ok {
			continue
		}
		if len(dst) > 1 {
			dst = append(dst, ',')
		}
		dst = a.append(dst, s.chain.options.Network)
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
	dst = a.appendState(dst)
	return append(dst, `,"json_metadata":"","posting_json_metadata":""}`...)
}

// appendState appends what else of an account may change without its keys.
func (a *account) appendState(dst []byte) []byte {
	dst = hive.AppendString(append(dst, `,"recovery_account":`...), string(a.Recovery))
	dst = hive.AppendString(append(dst, `,"proxy":`...), string(a.Proxy))
	rate, next := int64(0), "1969-12-31T23:59:59" // how nodes write that there is none
	if a.PowerDown > 0 {
		rate, next = max(a.PowerDown/13, 1), a.NextPowerDown.String()
	}
	dst = hive.AppendString(append(dst, `,"vesting_withdraw_rate":`...),
		hive.Asset{Amount: rate, Symbol: hive.VESTS}.String())
	dst = hive.AppendString(append(dst, `,"next_vesting_withdrawal":`...), next)
	dst = strconv.AppendInt(append(dst, `,"withdrawn":`...), a.PowerDownPaid, 10)
	dst = strconv.AppendInt(append(dst, `,"to_withdraw":`...), a.PowerDown, 10)
	dst = strconv.AppendInt(append(dst, `,"withdraw_routes":`...), int64(len(a.Routes)), 10)
	return strconv.AppendInt(append(dst, `,"savings_withdraw_requests":`...), int64(len(a.Savings)), 10)
}

// recoveryChanges answers {"accounts":[…]} with the changes that are under way.
func (s State) recoveryChanges(raw jsontext.Value) ([]byte, *Failure) {
	var p struct {
		Accounts []string `json:"accounts"`
	}
	if err := parameters(raw, &p); err != nil {
		return nil, err
	}
	var list []map[string]any
	for _, name := range p.Accounts {
		if a, ok := s.chain.accounts[hive.AccountName(name)]; ok && a.RecoveryChange != nil {
			list = append(list, map[string]any{"id": 1, "account_to_recover": name,
				"recovery_account": string(a.RecoveryChange.To), "effective_on": a.RecoveryChange.On.String()})
		}
	}
	return encoded(map[string]any{"requests": append([]map[string]any{}, list...)})
}

func (s State) withdrawRoutes(raw jsontext.Value) ([]byte, *Failure) {
	a, failure := s.named(raw)
	if failure != nil {
		return nil, failure
	}
	list := []map[string]any{}
	for _, r := range a.Routes {
		list = append(list, map[string]any{"from_account": string(a.Name), "to_account": string(r.To),
			"percent": r.Percent, "auto_vest": r.Auto})
	}
	return encoded(list)
}

func (s State) savingsWithdrawals(raw jsontext.Value) ([]byte, *Failure) {
	a, failure := s.named(raw)
	if failure != nil {
		return nil, failure
	}
	list := []map[string]any{}
	for i, w := range a.Savings {
		list = append(list, map[string]any{"id": i, "from": string(a.Name), "to": string(w.To), "memo": w.Memo,
			"request_id": w.ID, "amount": hive.Asset{Amount: w.Amount, Symbol: hive.HBD}.String(),
			"complete": w.Pays.String()})
	}
	return encoded(list)
}

// named returns the account that the first of the parameters names.
func (s State) named(raw jsontext.Value) (*account, *Failure) {
	var names []string
	if err := parameters(raw, &names); err != nil {
		return nil, err
	}
	if len(names) < 1 {
		return nil, invalidParameters()
	}
	if a, ok := s.chain.accounts[hive.AccountName(names[0])]; ok {
		return a, nil
	}
	return &account{}, nil
}

func encoded(result any) ([]byte, *Failure) {
	text, err := json.Marshal(result)
	if err != nil {
		return nil, parseError(err)
	}
	return text, nil
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
func (s State) keyReferences(raw jsontext.Value) ([]byte, *Failure) {
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
	lists := make([][]string, len(named.Keys))
	for i, text := range named.Keys {
		lists[i] = []string{}
		for name, a := range s.chain.accounts {
			auths := slices.Concat(a.Owner.KeyAuths, a.Active.KeyAuths, a.Posting.KeyAuths)
			if slices.ContainsFunc(auths,
				func(k hive.KeyWeight) bool { return k.Key.Text(s.chain.options.Network.KeyPrefix) == text }) {
				lists[i] = append(lists[i], string(name))
			}
		}
		slices.Sort(lists[i])
	}
	var result any = map[string]any{"accounts": lists}
	if isList {
		result = lists
	}
	return encoded(result)
}

func (s State) credits(raw jsontext.Value) ([]byte, *Failure) {
	var p struct {
		Accounts []string `json:"accounts"`
	}
	if err := parameters(raw, &p); err != nil {
		return nil, err
	}
	dst := []byte(`{"rc_accounts":[`)
	for _, name := range p.Accounts {
		a, ok := s.chain.accounts[hive.AccountName(name)]
		if !ok {
			continue
		}
		if dst[len(dst)-1] == '}' {
			dst = append(dst, ',')
		}
		dst = hive.AppendString(append(dst, `{"account":`...), name)
		dst = append(append(dst, `,"rc_manabar":{"current_mana":"`...), strconv.FormatInt(max(a.Credits, 0), 10)...)
		dst = strconv.AppendInt(append(dst, `","last_update_time":`...), time.Now().Unix(), 10)
		dst = append(append(dst, `},"max_rc":"`...), strconv.FormatInt(plenty, 10)...)
		dst = append(dst, `","delegated_rc":0,"received_delegated_rc":0}`...)
	}
	return append(dst, "]}"...), nil
}
