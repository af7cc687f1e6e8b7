package hive

import "math"

// Operations of witnesses, and votes for witnesses and proposals.
var definitionsGovernance = []Definition{
	{
		ID: 7, Name: "feed_publish",
		Does:    "publishes a witness's price of HIVE",
		Fields:  []FieldDef{f("publisher", account), f("exchange_rate", price)},
		Signers: []Signer{by(Active, "publisher")},
		Price:   []string{"exchange_rate"},
		limits:  []limit{market("exchange_rate")},
	},
	{
		ID: 11, Name: "witness_update",
		Does: "makes the account a witness, changes what it proposes and the key that signs blocks, or retires it",
		Fields: []FieldDef{
			f("owner", account), f("url", text), f("block_signing_key", nullableKey), f("props", properties),
			f("fee", amount),
		},
		Signers: []Signer{by(Active, "owner")},
		Spends:  []Cost{{Field: "fee"}},
		limits:  []limit{notEmpty("url"), atMostBytes("url", 2048), witnessProperties("props"), only("fee", HIVE)},
	},
	{
		ID: 12, Name: "account_witness_vote",
		Does:    "votes for a witness, or takes the vote back",
		Fields:  []FieldDef{f("account", account), f("witness", account), f("approve", boolean)},
		Signers: []Signer{by(Active, "account")},
	},
	{
		ID: 13, Name: "account_witness_proxy",
		Does:    "lets another account vote for witnesses and proposals in this one's place",
		Fields:  []FieldDef{f("account", account), f("proxy", maybeAccount)},
		Signers: []Signer{by(Active, "account")},
		Payees:  []string{"proxy"},
		limits:  []limit{differs("proxy", "account")},
	},
	{
		ID: 42, Name: "witness_set_properties",
		Does:    "changes what a witness proposes and the key that signs blocks",
		Fields:  []FieldDef{f("owner", account), f("props", propsCodec{}), noExtensions()},
		Signers: []Signer{by(Signing, "props")},
		Price:   []string{"props"},
		limits:  []limit{holdsSigningKey("props")},
	},
	{
		ID: 44, Name: "create_proposal",
		Does: "pays the fee for a proposal to be paid by the community",
		Fields: []FieldDef{
			f("creator", account), f("receiver", account), f("start_date", date), f("end_date", date),
			f("daily_pay", amount), f("subject", text), f("permlink", text), noExtensions(),
		},
		Signers: []Signer{by(Active, "creator")},
		Spends:  []Cost{{Field: proposalFee}},
		Payees:  []string{"receiver"},
		limits: []limit{
			before("start_date", "end_date"), only("daily_pay", HBD),
			notEmpty("subject"), atMostBytes("subject", 80), notEmpty("permlink"), permlinkSize,
		},
	},
	{
		ID: 45, Name: "update_proposal_votes",
		Does: "votes for proposals, or takes the votes back",
		Fields: []FieldDef{
			f("voter", account), f("proposal_ids", idSet), f("approve", boolean), noExtensions(),
		},
		Signers: []Signer{by(Active, "voter")},
		limits:  []limit{proposalIDs("proposal_ids")},
	},
	{
		ID: 46, Name: "remove_proposal",
		Does:    "ends proposals of the account",
		Fields:  []FieldDef{f("proposal_owner", account), f("proposal_ids", idSet), noExtensions()},
		Signers: []Signer{by(Active, "proposal_owner")},
		limits:  []limit{proposalIDs("proposal_ids")},
	},
	{
		ID: 47, Name: "update_proposal",
		Does: "lowers the pay, brings forward the end or changes the text of a proposal of the account",
		Fields: []FieldDef{
			f("proposal_id", int64s), f("creator", account), f("daily_pay", amount),
			f("subject", text), f("permlink", text), extension(endDateExtension),
		},
		Signers: []Signer{by(Active, "creator")},
		limits: []limit{
			between("proposal_id", 0, math.MaxInt64), only("daily_pay", HBD),
			notEmpty("subject"), atMostBytes("subject", 80), notEmpty("permlink"), permlinkSize,
		},
	},
}

// proposalFee stands in Spends for the cost of create_proposal. No field has it; it depends on the
// two dates.
const proposalFee = "(fee by days)"
