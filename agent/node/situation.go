package node

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
	"pksa/protocol/sorts"
)

// AccountState is what an answer says of an account beside its keys.
type AccountState struct {
	Recovery hive.AccountName // may be empty, with very old accounts
	Proxy    hive.AccountName // empty: none
	// PowerDown is the millionths of VESTS that the power-down is of in all, which runs; 0: none
	// does.
	PowerDown uint64
	// PowerDownEnds is when its last part is paid. It stays the same while parts are paid.
	PowerDownEnds hive.Time
	Routes        int // to which parts of a power-down go
	Savings       int // withdrawals from savings that are under way
}

// Route sends a part of a power-down to an account. Percent is in hundredths of a percent.
type Route struct {
	To      hive.AccountName
	Percent uint16
	Auto    bool // the part stays Hive Power
}

// SavingsWithdrawal is a payment from savings, which takes three days.
type SavingsWithdrawal struct {
	ID     uint32
	To     hive.AccountName
	Amount hive.Asset
	Pays   hive.Time // when it is paid
}

// RecoveryChange is a change of the recovery account, which takes 30 days. The zero value is none.
type RecoveryChange struct {
	To hive.AccountName
	On hive.Time
}

// Situation is what one host says of an account. Members that were not told are nil.
type Situation struct {
	Account  Account
	Recovery *RecoveryChange
	Routes   *[]Route             // by receiver
	Savings  *[]SavingsWithdrawal // by number
}

// Report is what one host says of accounts. A name that it does not know is absent.
type Report struct {
	Host     string
	Accounts map[hive.AccountName]Situation
}

// Situations asks nodes on different hosts for all that they say of accounts, and returns the
// reports of at most that many hosts. It returns fewer if others do not answer. For a hundred
// accounts a host is asked two questions; routes and withdrawals of an account that has some are
// questions of their own, and are asked where details says so.
func (c *Client) Situations(ctx context.Context, most int, names []hive.AccountName,
	details func(Account) bool) []Report {
	var reports []Report
	var voices []string // of those in reports
	for _, n := range c.candidates() {
		if len(reports) == most || ctx.Err() != nil {
			break
		}
		if slices.Contains(voices, n.voice) {
			continue
		}
		if r, err := c.report(ctx, n, names, details); err == nil {
			reports, voices = append(reports, r), append(voices, n.voice)
		}
	}
	return reports
}

func (c *Client) report(ctx context.Context, n *endpoint, names []hive.AccountName,
	details func(Account) bool) (Report, error) {
	v, err := view(ctx, n, names, c.accounts)
	if err != nil {
		return Report{}, err
	}
	r := Report{Host: n.host, Accounts: make(map[hive.AccountName]Situation, len(v.Accounts))}
	for name, a := range v.Accounts {
		r.Accounts[name] = Situation{Account: a}
	}
	for batch := range slices.Chunk(names, accountsAtOnce) {
		changes, err := c.recoveryChanges(ctx, n, batch)
		if err != nil {
			break // a node that does not offer this: it is not told
		}
		for _, name := range batch {
			if s, ok := r.Accounts[name]; ok {
				change := changes[name]
				s.Recovery = &change
				r.Accounts[name] = s
			}
		}
	}
	for _, name := range names { // in their order: details may have a bound
		s, ok := r.Accounts[name]
		if !ok || s.Account.State == nil {
			continue
		}
		ask := details(s.Account)
		if s.Account.State.Routes == 0 {
			s.Routes = &[]Route{}
		} else if ask {
			s.Routes, _ = c.routes(ctx, n, name)
		}
		if s.Account.State.Savings == 0 {
			s.Savings = &[]SavingsWithdrawal{}
		} else if ask {
			s.Savings, _ = c.savings(ctx, n, name)
		}
		r.Accounts[name] = s
	}
	return r, nil
}

func (c *Client) recoveryChanges(ctx context.Context, n *endpoint,
	names []hive.AccountName) (map[hive.AccountName]RecoveryChange, error) {
	params := []byte(`{"accounts":[`)
	for i, name := range names {
		if i > 0 {
			params = append(params, ',')
		}
		params = hive.AppendString(params, string(name))
	}
	raw, err := c.ask(ctx, n, query{method: "database_api.find_change_recovery_account_requests",
		params: append(params, "]}"...)})
	if err != nil {
		return nil, err
	}
	changes, err := readRecoveryChanges(raw, names)
	if err != nil {
		return nil, c.malformed(n, err.Error())
	}
	return changes, nil
}

func readRecoveryChanges(raw []byte, names []hive.AccountName) (map[hive.AccountName]RecoveryChange, error) {
	var wire struct {
		Requests []struct {
			Account string `json:"account_to_recover"`
			To      string `json:"recovery_account"`
			On      string `json:"effective_on"`
		} `json:"requests"`
	}
	bad := unmarshal(raw, &wire) != nil || len(wire.Requests) > len(names)
	changes := map[hive.AccountName]RecoveryChange{}
	for _, w := range wire.Requests {
		to, badName := hive.ParseAccountName(w.To)
		on, badTime := hive.ParseTime(w.On)
		name := hive.AccountName(w.Account)
		_, twice := changes[name]
		bad = bad || errors.Join(badName, badTime) != nil || twice || !slices.Contains(names, name)
		changes[name] = RecoveryChange{to, on}
	}
	if bad {
		return nil, errors.New("changes of recovery accounts do not have the expected form")
	}
	return changes, nil
}

// maxDetails is how many routes, and how many withdrawals, an account can have: the chain permits
// 10 and 100.
const maxDetails = 100

func (c *Client) routes(ctx context.Context, n *endpoint, name hive.AccountName) (*[]Route, error) {
	params := append(hive.AppendString([]byte("["), string(name)), `,"outgoing"]`...)
	raw, err := c.ask(ctx, n, query{method: "condenser_api.get_withdraw_routes", params: params})
	if err != nil {
		return nil, err
	}
	routes, err := readRoutes(raw, name)
	if err != nil {
		return nil, c.malformed(n, err.Error())
	}
	return &routes, nil
}

func readRoutes(raw []byte, name hive.AccountName) ([]Route, error) {
	var wire []struct {
		From    string `json:"from_account"`
		To      string `json:"to_account"`
		Percent uint16 `json:"percent"`
		Auto    bool   `json:"auto_vest"`
	}
	bad := unmarshal(raw, &wire) != nil || len(wire) > maxDetails
	routes := []Route{}
	for _, w := range wire {
		to, err := hive.ParseAccountName(w.To)
		bad = bad || err != nil || w.From != string(name)
		routes = append(routes, Route{to, w.Percent, w.Auto})
	}
	if bad {
		return nil, errors.New("routes of a power-down do not have the expected form")
	}
	sorts.By(routes, func(a, b Route) int { return strings.Compare(string(a.To), string(b.To)) })
	return routes, nil
}

func (c *Client) savings(ctx context.Context, n *endpoint, name hive.AccountName) (*[]SavingsWithdrawal, error) {
	params := append(hive.AppendString([]byte("["), string(name)), ']')
	raw, err := c.ask(ctx, n, query{method: "condenser_api.get_savings_withdraw_from", params: params})
	if err != nil {
		return nil, err
	}
	list, err := readSavings(raw, name, c.options.Network)
	if err != nil {
		return nil, c.malformed(n, err.Error())
	}
	return &list, nil
}

func readSavings(raw []byte, name hive.AccountName, network *hive.Network) ([]SavingsWithdrawal, error) {
	var wire []struct {
		From   string `json:"from"`
		To     string `json:"to"`
		ID     uint32 `json:"request_id"`
		Amount string `json:"amount"`
		Pays   string `json:"complete"`
	}
	bad := unmarshal(raw, &wire) != nil || len(wire) > maxDetails
	list := []SavingsWithdrawal{}
	for _, w := range wire {
		to, badName := hive.ParseAccountName(w.To)
		amount, badAmount := network.ParseAsset(w.Amount)
		pays, badTime := hive.ParseTime(w.Pays)
		bad = bad || errors.Join(badName, badAmount, badTime) != nil || w.From != string(name)
		list = append(list, SavingsWithdrawal{w.ID, to, amount, pays})
	}
	if bad {
		return nil, errors.New("withdrawals from savings do not have the expected form")
	}
	sorts.By(list, func(a, b SavingsWithdrawal) int { return cmp.Compare(a.ID, b.ID) })
	return list, nil
}

// wireState is the part of an account that the guard reads. Nothing in it makes an answer
// malformed: the keys count, whatever form the rest has.
type wireState struct {
	Recovery jsontext.Value `json:"recovery_account"`
	Proxy    jsontext.Value `json:"proxy"`
	Rate     jsontext.Value `json:"vesting_withdraw_rate"`
	Next     jsontext.Value `json:"next_vesting_withdrawal"`
	Whole    jsontext.Value `json:"to_withdraw"` // a number, or its digits as a text
	Paid     jsontext.Value `json:"withdrawn"`   // of it
	Routes   jsontext.Value `json:"withdraw_routes"`
	Savings  jsontext.Value `json:"savings_withdraw_requests"`
}

// read returns nil if the answer does not say all of it in the expected form.
func (w wireState) read() *AccountState {
	var s AccountState
	var recovery, proxy, rate string
	var routes, savings uint16
	for _, part := range []struct {
		from jsontext.Value
		to   any
	}{{w.Recovery, &recovery}, {w.Proxy, &proxy}, {w.Rate, &rate}, {w.Routes, &routes}, {w.Savings, &savings}} {
		if part.from == nil || unmarshal(part.from, part.to) != nil {
			return nil
		}
	}
	for _, name := range []string{recovery, proxy} {
		if _, err := hive.ParseAccountName(name); err != nil && name != "" {
			return nil
		}
	}
	s.Recovery, s.Proxy = hive.AccountName(recovery), hive.AccountName(proxy)
	s.Routes, s.Savings = int(routes), int(savings)
	number, _, _ := strings.Cut(rate, " ")
	if strings.Trim(number, "0.") == "" {
		return &s // the other members are left from the last power-down
	}
	ends, whole, err := w.powerDown(number)
	if err != nil {
		return nil
	}
	s.PowerDown, s.PowerDownEnds = whole, ends
	return &s
}

const (
	powerDownEvery = 7 * 24 * time.Hour // a part is paid
	maxParts       = 104                // as the chain had at its beginning; now it is 13
)

var errPowerDown = errors.New("a power-down does not have the expected form")

// powerDown returns when the last part of the power-down that runs is paid, and how many millionths
// of VESTS it is of in all. What a division by the number of parts leaves is paid with the last.
func (w wireState) powerDown(rate string) (hive.Time, uint64, error) {
	part, badPart := strconv.ParseUint(strings.Replace(rate, ".", "", 1), 10, 63) // six decimals, always
	whole, badWhole := strconv.ParseUint(strings.Trim(string(w.Whole), `"`), 10, 63)
	paid, badPaid := strconv.ParseUint(strings.Trim(string(w.Paid), `"`), 10, 63)
	var next string
	if w.Next == nil || unmarshal(w.Next, &next) != nil || whole == 0 || part == 0 ||
		errors.Join(badPart, badWhole, badPaid) != nil {
		return hive.Time(0), 0, errPowerDown
	}
	parts := (whole - min(paid, whole)) / part
	at, err := hive.ParseTime(next)
	if err != nil || parts > maxParts {
		return hive.Time(0), 0, errPowerDown
	}
	return hive.TimeOf(at.Time().Add(time.Duration(max(parts, 1)-1) * powerDownEvery)), whole, nil
}
