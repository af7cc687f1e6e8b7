package guard

import (
	"fmt"
	"slices"
	"strings"

	"pksa/protocol/hive"
)

// OpNames are the operations that can explain a change.
var OpNames = []string{"account_update", "account_update2", "account_witness_proxy", "withdraw_vesting",
	"set_withdraw_vesting_route", "transfer_from_savings", "cancel_transfer_from_savings", "change_recovery_account"}

// Explained reports whether one of the operations, which this wallet has signed, does exactly this
// to the account.
func Explained(name hive.AccountName, kind Kind, was, now, prefix string, ops []hive.Operation) bool {
	own := func(what func(hive.Operation) bool) bool { return slices.ContainsFunc(ops, what) }
	switch kind {
	case Owner, Active, Posting, Memo:
		return own(func(op hive.Operation) bool {
			return strings.HasPrefix(op.Name(), "account_update") && field(op, "account") == name &&
				keyText(op, kind, prefix) == now
		})
	case Proxy:
		return own(func(op hive.Operation) bool {
			to, _ := field(op, "proxy").(hive.AccountName)
			return op.Name() == "account_witness_proxy" && field(op, "account") == name && nameOrNone(to) == now
		})
	case PowerDown:
		return own(func(op hive.Operation) bool {
			amount, _ := field(op, "vesting_shares").(hive.Asset)
			text := vests(amount.Amount)
			if amount.Amount == 0 {
				text = None
			}
			return op.Name() == "withdraw_vesting" && field(op, "account") == name && text == now
		})
	case Routes:
		return explainedRoutes(name, was, now, own)
	case Savings:
		return explainedSavings(name, was, now, own)
	case RecoveryChange:
		to, _ := cutTime(now)
		return own(func(op hive.Operation) bool {
			return op.Name() == "change_recovery_account" && field(op, "account_to_recover") == name &&
				field(op, "new_recovery_account") == hive.AccountName(to)
		})
	}
	return false
}

func explainedRoutes(name hive.AccountName, was, now string, own func(func(hive.Operation) bool) bool) bool {
	gone, come := between(was, now)
	set := func(test func(to hive.AccountName, percent int64, auto bool) bool) bool {
		return own(func(op hive.Operation) bool {
			to, _ := field(op, "to_account").(hive.AccountName)
			percent, _ := field(op, "percent").(int64)
			return op.Name() == "set_withdraw_vesting_route" && field(op, "from_account") == name &&
				test(to, percent, field(op, "auto_vest") == true)
		})
	}
	for _, p := range come {
		if !set(func(to hive.AccountName, percent int64, auto bool) bool { return routeText(to, percent, auto) == p }) {
			return false
		}
	}
	for _, p := range gone {
		// A route that was changed is among those that came, under the same receiver.
		end := p[strings.LastIndexByte(p, ' '):]
		changed := slices.ContainsFunc(come, func(c string) bool { return strings.HasSuffix(c, end) })
		if !changed && !set(func(to hive.AccountName, percent int64, _ bool) bool {
			return percent == 0 && end == " "+string(to)
		}) {
			return false
		}
	}
	return true
}

func explainedSavings(name hive.AccountName, was, now string, own func(func(hive.Operation) bool) bool) bool {
	gone, come := between(was, now)
	number := func(op hive.Operation) int64 { n, _ := field(op, "request_id").(int64); return n }
	for _, p := range come {
		text, _ := cutTime(p)
		if !own(func(op hive.Operation) bool {
			to, _ := field(op, "to").(hive.AccountName)
			amount, _ := field(op, "amount").(hive.Asset)
			return op.Name() == "transfer_from_savings" && field(op, "from") == name &&
				withdrawalText(number(op), to, amount) == text
		}) {
			return false
		}
	}
	for _, p := range gone {
		if !own(func(op hive.Operation) bool {
			return op.Name() == "cancel_transfer_from_savings" && field(op, "from") == name &&
				strings.HasPrefix(p, fmt.Sprintf("%d ", number(op)))
		}) {
			return false
		}
	}
	return true
}

func field(op hive.Operation, name string) hive.Value {
	v, _ := op.Field(name)
	return v
}

// keyText returns what an update makes of a kind; empty if it leaves it as it is.
func keyText(op hive.Operation, kind Kind, prefix string) string {
	if kind == Memo {
		if key, ok := field(op, "memo_key").(hive.PublicKey); ok {
			return key.Text(prefix)
		}
		return ""
	}
	if a, ok := field(op, string(kind)).(hive.Authority); ok {
		return authority(a, prefix)
	}
	return ""
}
