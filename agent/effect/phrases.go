package effect

import (
	"strconv"
	"strings"

	"pksa/protocol/hive"
)

// phrases has a sentence for each operation that can be signed. {field} stands for the field as
// words.
var phrases = map[string]func(words) string{
	"vote":            voteWords,
	"comment":         commentWords,
	"delete_comment":  always("removes @{author}/{permlink}"),
	"comment_options": optionsWords,
	"custom": always("hands {data} with the id {id} to a program outside of the chain as " +
		"{required_auths}"),
	"custom_json":          customWords,
	"claim_reward_balance": rewardWords,
	"transfer":             withMemo("pays {amount} from {from} to {to}"),
	"transfer_to_vesting":  vestingWords,
	"withdraw_vesting": unless("vesting_shares", "powers down {vesting_shares} of {account}, over 13 weeks",
		"stops the power-down of {account}"),
	"limit_order_create": always("sells {amount_to_sell} of {owner} for at least {min_to_receive}, as " +
		"order {orderid}"),
	"limit_order_create2": always("sells {amount_to_sell} of {owner} at {exchange_rate}, as order {orderid}"),
	"limit_order_cancel":  always("takes order {orderid} of {owner} off the market"),
	"convert": always("turns {amount} of {owner} into HIVE at the median price of the next " +
		"3.5 days"),
	"collateralized_convert":     always("pledges {amount} of {owner} for half its worth in HBD"),
	"set_withdraw_vesting_route": routeWords,
	"escrow_transfer":            escrowWords,
	"escrow_dispute": always("hands escrow {escrow_id} of {from} and {to} over to its agent {agent}, " +
		"as {who}"),
	"escrow_release": releaseWords,
	"escrow_approve": choose("approve",
		"agrees to escrow {escrow_id} of {from} and {to} with the agent {agent}, as {who}",
		"declines escrow {escrow_id} of {from} and {to} with the agent {agent}, as {who}"),
	"transfer_to_savings":          withMemo("moves {amount} from {from} to the savings of {to}"),
	"transfer_from_savings":        withMemo("pays {amount} from the savings of {from} to {to}, after three days"),
	"cancel_transfer_from_savings": always("stops withdrawal {request_id} from the savings of {from}"),
	"delegate_vesting_shares": unless("vesting_shares", "delegates {vesting_shares} of {delegator} to {delegatee}",
		"takes back what {delegator} delegated to {delegatee}"),
	"recurrent_transfer": recurrentWords,
	"account_create":     always("makes the account {new_account_name} for {fee} of {creator}; owner {owner}"),
	"create_claimed_account": always("makes the account {new_account_name} with a claimed right of {creator}; " +
		"owner {owner}"),
	"account_update":  updateWords,
	"account_update2": updateWords,
	"claim_account": unless("fee", "buys the right to make an account for {fee} of {creator}",
		"claims the right to make an account with resource credits of {creator}"),
	"request_account_recovery": always("starts to give {account_to_recover} a new owner, {new_owner_authority}, as " +
		"{recovery_account}"),
	"recover_account": always("gives {account_to_recover} a new owner, {new_owner_authority}"),
	"change_recovery_account": always("makes {new_recovery_account} the recovery account of {account_to_recover}, " +
		"30 days from now"),
	"decline_voting_rights": choose("decline", "gives up the voting rights of {account}, for good after 30 days",
		"keeps the voting rights of {account}"),
	"feed_publish":   always("publishes {exchange_rate} as the price of witness {publisher}"),
	"witness_update": witnessWords,
	"account_witness_vote": choose("approve", "votes for the witness {witness} as {account}",
		"takes back the vote of {account} for the witness {witness}"),
	"account_witness_proxy":  proxyWords,
	"witness_set_properties": always("changes {props} of the witness {owner}"),
	"create_proposal": always("asks for {daily_pay} a day for {receiver} from {start_date} to {end_date}, as " +
		"{creator}: {subject}"),
	"update_proposal_votes": choose("approve", "votes for proposals {proposal_ids} as {voter}",
		"takes back the votes of {voter} for proposals {proposal_ids}"),
	"remove_proposal": always("ends proposals {proposal_ids} of {proposal_owner}"),
	"update_proposal": always("changes proposal {proposal_id} of {creator} to {daily_pay} a day: {subject}"),
}

// always makes a sentence that has one form.
func always(template string) func(words) string {
	return func(w words) string { return w.fill(template) }
}

// withMemo makes a sentence with the memo at its end.
func withMemo(template string) func(words) string {
	return func(w words) string { return w.fill(template) + w.memo() }
}

// choose makes a sentence that has two forms, by a field that is true or false.
func choose(field, yes, no string) func(words) string {
	return func(w words) string { return w.either(field, yes, no) }
}

// unless makes a sentence that has another form for an amount of zero.
func unless(field, some, none string) func(words) string {
	return func(w words) string {
		if w.none(field) {
			return w.fill(none)
		}
		return w.fill(some)
	}
}

func voteWords(w words) string {
	switch n := w.number("weight"); {
	case n > 0:
		return "votes " + percent(n) + w.fill(" for @{author}/{permlink} as {voter}")
	case n < 0:
		return "votes " + percent(-n) + w.fill(" against @{author}/{permlink} as {voter}")
	}
	return w.fill("takes back the vote of {voter} for @{author}/{permlink}")
}

func commentWords(w words) string {
	body, _ := w.value("body").(string)
	size := " (" + strconv.Itoa(len(body)) + " bytes)"
	if w.empty("parent_author") {
		return w.fill("publishes or edits the post @{author}/{permlink}, {title}, in {parent_permlink}") + size
	}
	return w.fill("publishes or edits the reply @{author}/{permlink} to @{parent_author}/{parent_permlink}") + size
}

func optionsWords(w words) string {
	s := w.fill("sets for @{author}/{permlink}: rewards up to {max_accepted_payout}, ") +
		percent(w.number("percent_hbd")) + " in HBD" +
		w.either("allow_votes", "", ", no votes") + w.either("allow_curation_rewards", "", ", no curation rewards")
	if b, _ := w.value("beneficiaries").(hive.Beneficiaries); len(b) > 0 {
		s += w.fill(", shares for {beneficiaries}")
	}
	return s
}

func customWords(w words) string {
	var as []string
	if who, _ := w.value("required_auths").([]hive.AccountName); len(who) > 0 {
		as = append(as, w.fill("{required_auths} (active)"))
	}
	if who, _ := w.value("required_posting_auths").([]hive.AccountName); len(who) > 0 {
		as = append(as, w.fill("{required_posting_auths} (posting)"))
	}
	return w.fill("sends the custom_json {id} as ") + strings.Join(as, " and ") + w.fill(": {json}")
}

func rewardWords(w words) string {
	return "claims rewards of " + w.amounts("reward_hive", "reward_hbd", "reward_vests") + w.fill(" for {account}")
}

func vestingWords(w words) string {
	if w.empty("to") {
		return w.fill("turns {amount} of {from} into Hive Power")
	}
	return w.fill("turns {amount} of {from} into Hive Power of {to}")
}

func routeWords(w words) string {
	return "sends " + percent(w.number("percent")) +
		w.fill(" of what power-downs of {from_account} pay out to {to_account}") +
		w.either("auto_vest", ", as Hive Power", "")
}

func escrowWords(w words) string {
	return "locks " + w.amounts("hive_amount", "hbd_amount") +
		w.fill(" of {from} for {to}, as escrow {escrow_id} with the agent {agent} for {fee}")
}

func releaseWords(w words) string {
	return "pays " + w.amounts("hive_amount", "hbd_amount") +
		w.fill(" of escrow {escrow_id} of {from} and {to} out to {receiver}, as {who}")
}

func recurrentWords(w words) string {
	if w.none("amount") {
		return w.fill("ends the recurrent payments from {from} to {to}")
	}
	pays := w.fill("pays {amount} from {from} to {to} every {recurrence} hours, ")
	if w.number("executions") == 1 {
		return pays + "once" + w.memo()
	}
	return pays + w.fill("{executions} times") + w.memo()
}

// updateWords names every key that an account gets: whoever holds them holds it.
func updateWords(w words) string {
	var changes []string
	for _, role := range []string{"owner", "active", "posting"} {
		if w.given(role) {
			changes = append(changes, role+" "+w.of(role))
		}
	}
	if w.given("memo_key") {
		changes = append(changes, w.fill("memo {memo_key}"))
	}
	if len(changes) == 0 {
		return w.fill("changes the profile of {account}")
	}
	return w.fill("changes who holds {account}: ") + strings.Join(changes, "; ")
}

func witnessWords(w words) string {
	if key, _ := w.value("block_signing_key").(hive.PublicKey); key.IsNull() {
		return w.fill("retires the witness {owner}")
	}
	return w.fill("makes {owner} a witness, or changes it: blocks signed by {block_signing_key}, {url}")
}

func proxyWords(w words) string {
	if w.empty("proxy") {
		return w.fill("takes back the voting proxy of {account}")
	}
	return w.fill("lets {proxy} vote for witnesses and proposals in the place of {account}")
}
