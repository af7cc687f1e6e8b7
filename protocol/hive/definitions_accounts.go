package hive

// Operations that make accounts, and that change who controls them.
var definitionsAccounts = []Definition{
	{
		ID: 9, Name: "account_create",
		Does: "pays the fee for a new account and says who holds it",
		Fields: []FieldDef{
			f("fee", amount), f("creator", account), f("new_account_name", account),
			f("owner", authority), f("active", authority), f("posting", authority),
			f("memo_key", nullableKey), jsonField("json_metadata"),
		},
		Signers: []Signer{by(Active, "creator")},
		Spends:  []Cost{{Field: "fee"}},
		Payees:  []string{"new_account_name"},
		limits: []limit{
			only("fee", HIVE), atMost("fee", mostCreationFee), jsonOrEmpty("json_metadata"),
			bounded("owner"), bounded("active"), bounded("posting"),
		},
	},
	{
		ID: 10, Name: "account_update",
		Does: "changes the account's keys: it can take the account over",
		Fields: []FieldDef{
			f("account", account), optional("owner", authority), optional("active", authority),
			optional("posting", authority), f("memo_key", nullableKey), jsonField("json_metadata"),
		},
		Signers: []Signer{
			by(Owner, "account").when("owner is present", has("owner")),
			by(Active, "account").when("owner is absent", lacks("owner")),
		},
		Payees:   []string{"owner", "active", "posting"},
		Takeover: []string{"account"}, // always: it sets the memo key every time
		limits:   []limit{jsonOrEmpty("json_metadata")},
	},
	{
		ID: 43, Name: "account_update2",
		Does: "changes the profile, or the account's keys: it can take the account over",
		Fields: []FieldDef{
			f("account", account), optional("owner", authority), optional("active", authority),
			optional("posting", authority), optional("memo_key", nullableKey),
			jsonField("json_metadata"), jsonField("posting_json_metadata"), noExtensions(),
		},
		Signers: []Signer{
			by(Owner, "account").when("owner is present", has("owner")),
			by(Active, "account").when("active, posting, memo_key or json_metadata is present, not owner",
				update2NeedsActive),
			by(Posting, "account").when("only posting_json_metadata is present", update2NeedsPosting),
		},
		Payees:   []string{"owner", "active", "posting"},
		Takeover: []string{"owner", "active", "posting", "memo_key"},
		limits:   []limit{jsonOrEmpty("json_metadata"), jsonOrEmpty("posting_json_metadata")},
	},
	{
		ID: 22, Name: "claim_account",
		Does:    "buys the right to make an account, with HIVE or resource credits",
		Fields:  []FieldDef{f("creator", account), f("fee", amount), noExtensions()},
		Signers: []Signer{by(Active, "creator")},
		Spends:  []Cost{{Field: "fee"}},
		limits:  []limit{only("fee", HIVE), atMost("fee", mostCreationFee)},
	},
	{
		ID: 23, Name: "create_claimed_account",
		Does: "uses up a claimed account and says who holds it",
		Fields: []FieldDef{
			f("creator", account), f("new_account_name", account),
			f("owner", authority), f("active", authority), f("posting", authority),
			f("memo_key", nullableKey), jsonField("json_metadata"), noExtensions(),
		},
		Signers: []Signer{by(Active, "creator")},
		Payees:  []string{"new_account_name"},
		limits: []limit{
			jsonOrEmpty("json_metadata"),
			bounded("owner"), bounded("active"), bounded("posting"),
		},
	},
	{
		ID: 24, Name: "request_account_recovery",
		Does: "starts to give another account, whose recovery account this is, a new owner",
		Fields: []FieldDef{
			f("recovery_account", account), f("account_to_recover", account), f("new_owner_authority", authority),
			noExtensions(),
		},
		Signers: []Signer{by(Active, "recovery_account")},
		Payees:  []string{"new_owner_authority"},
		limits:  []limit{bounded("new_owner_authority")},
	},
	{
		ID: 25, Name: "recover_account",
		Does: "gives an account a new owner, with the old and the new owner keys",
		Fields: []FieldDef{
			f("account_to_recover", account), f("new_owner_authority", authority), f("recent_owner_authority",
				authority), noExtensions(),
		},
		Signers: []Signer{keysIn("new_owner_authority"), keysIn("recent_owner_authority")},
		Payees:  []string{"new_owner_authority"},
		limits: []limit{
			bounded("new_owner_authority"), bounded("recent_owner_authority"),
			late(satisfiable("new_owner_authority")), late(satisfiable("recent_owner_authority")),
			differs("new_owner_authority", "recent_owner_authority"),
		},
	},
	{
		ID: 26, Name: "change_recovery_account",
		Does: "names who may give the account a new owner, 30 days from now",
		Fields: []FieldDef{
			f("account_to_recover", account), f("new_recovery_account", account), noExtensions(),
		},
		Signers: []Signer{by(Owner, "account_to_recover")},
		Payees:  []string{"new_recovery_account"},
	},
	{
		ID: 36, Name: "decline_voting_rights",
		Does:    "gives up voting; final after 30 days",
		Fields:  []FieldDef{f("account", account), f("decline", boolean)},
		Signers: []Signer{by(Owner, "account")},
	},
}

// update2NeedsActive follows the node: the presence of an optional field decides, also if its value
// is what the account has already (tx §3.3).
func update2NeedsActive(o Operation) bool {
	return o.get("owner") == nil && !onlyPostingMetadata(o)
}

func update2NeedsPosting(o Operation) bool {
	return o.get("owner") == nil && onlyPostingMetadata(o)
}

func onlyPostingMetadata(o Operation) bool {
	return o.get("active") == nil && o.get("posting") == nil && o.get("memo_key") == nil && o.get("json_metadata") == ""
}

func has(field string) func(Operation) bool {
	return func(o Operation) bool { return o.get(field) != nil }
}

func lacks(field string) func(Operation) bool {
	return func(o Operation) bool { return o.get(field) == nil }
}
