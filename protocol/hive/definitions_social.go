package hive

// Operations of blogs, side chains and games.
var definitionsSocial = []Definition{
	{
		ID: 0, Name: "vote",
		Does:    "uses up voting power, and stands in public under the account's name",
		Fields:  []FieldDef{f("voter", account), f("author", account), f("permlink", text), f("weight", int16s)},
		Signers: []Signer{by(Posting, "voter")},
		limits:  []limit{between("weight", -10000, 10000), permlinkSize},
	},
	{
		ID: 1, Name: "comment",
		Does: "publishes or edits a post or a reply under the account's name, for good",
		Fields: []FieldDef{
			f("parent_author", maybeAccount), f("parent_permlink", text), f("author", account),
			f("permlink", text), f("title", text), f("body", text), jsonField("json_metadata"),
		},
		Signers: []Signer{by(Posting, "author")},
		limits: []limit{
			notEmpty("body"), atMostBytes("title", 255), jsonOrEmpty("json_metadata"),
			atMostBytes("parent_permlink", 255), permlinkSize,
		},
	},
	{
		ID: 17, Name: "delete_comment",
		Does:    "removes a post or a reply that has no votes and no answers",
		Fields:  []FieldDef{f("author", account), f("permlink", text)},
		Signers: []Signer{by(Posting, "author")},
		limits:  []limit{permlinkSize},
	},
	{
		ID: 19, Name: "comment_options",
		Does: "gives rewards of a post to others, or renounces them",
		Fields: []FieldDef{
			f("author", account), f("permlink", text), f("max_accepted_payout", amount), f("percent_hbd", uint16s),
			f("allow_votes", boolean), f("allow_curation_rewards", boolean), extension(beneficiariesExtension),
		},
		Signers: []Signer{by(Posting, "author")},
		Payees:  []string{"beneficiaries"},
		limits: []limit{
			permlinkSize, only("max_accepted_payout", HBD), between("percent_hbd", 0, 10000),
			sharesAtMost("beneficiaries", 10000), count(1<<7-1, "beneficiaries"), late(count(8, "beneficiaries")),
		},
	},
	{
		ID: 15, Name: "custom",
		Does:    "whatever a program outside of the chain reads into the bytes",
		Fields:  []FieldDef{f("required_auths", accounts).or([]AccountName{}), f("id", uint16s), f("data", blob)},
		Signers: []Signer{by(Active, "required_auths")},
		limits:  []limit{someone("required_auths"), count(40, "required_auths"), atMostBytes("data", 8192)},
	},
	{
		ID: 18, Name: "custom_json",
		Does: "whatever a game or side chain reads into the JSON: it can move tokens and goods there",
		Fields: []FieldDef{
			f("required_auths", accounts).or([]AccountName{}), f("required_posting_auths",
				accounts).or([]AccountName{}),
			f("id", text), filledJSONField("json"),
		},
		Signers: []Signer{by(Active, "required_auths"), by(Posting, "required_posting_auths")},
		limits: []limit{
			someone("required_auths", "required_posting_auths"), count(40, "required_auths", "required_posting_auths"),
			atMostBytes("id", 32), atMostBytes("json", 8192), mustBeJSON("json"),
		},
	},
	{
		ID: 39, Name: "claim_reward_balance",
		Does: "moves rewards that wait for the account into its balances",
		Fields: []FieldDef{
			f("account", account), f("reward_hive", amount), f("reward_hbd", amount), f("reward_vests", amount),
		},
		Signers: []Signer{by(Posting, "account")},
		limits: []limit{
			only("reward_hive", HIVE), only("reward_hbd", HBD), only("reward_vests", VESTS),
			onePositive("reward_hive", "reward_hbd", "reward_vests"),
		},
	},
}
