package hive

// Operations that are read, shown and refused: the chain no longer takes them, or never took them
// from a wallet.
var definitionsDead = []Definition{
	{
		ID: 14, Name: "pow", State: Dead,
		Does: "nothing: mining has ended",
		Fields: []FieldDef{
			f("worker_account", account), f("block_id", bytes20), f("nonce", uint64s), f("work", powWork),
			f("props", properties),
		},
	},
	{
		ID: 30, Name: "pow2", State: Dead,
		Does:   "nothing: mining has ended",
		Fields: []FieldDef{f("work", pow2Work), optional("new_owner_key", publicKey), f("props", properties)},
		Signers: []Signer{
			by(Active, "work").when("new_owner_key is absent", lacks("new_owner_key")),
			keysIn("new_owner_key").when("new_owner_key is present", has("new_owner_key")),
		},
	},
	{
		ID: 16, Name: "witness_block_approve", State: WitnessOnly,
		Does:   "nothing: sent between witness nodes, signed with the witness's block signing key",
		Fields: []FieldDef{f("witness", account), f("block_id", bytes20)},
	},
	{
		ID: 35, Name: "custom_binary", State: Dead,
		Does: "nothing: refused by the chain",
		Fields: []FieldDef{
			f("required_owner_auths", accounts), f("required_active_auths", accounts), f("required_posting_auths",
				accounts),
			f("required_auths", authorityListCodec{}), f("id", text), f("data", blob),
		},
		Signers: []Signer{
			by(Owner, "required_owner_auths"), by(Active, "required_active_auths"),
			by(Posting, "required_posting_auths"), keysIn("required_auths"),
		},
		limits: []limit{atMostBytes("id", 32)},
	},
	{
		ID: 37, Name: "reset_account", State: Dead,
		Does: "nothing: refused by the chain",
		Fields: []FieldDef{f("reset_account", account), f("account_to_reset", account),
			f("new_owner_authority", authority)},
		Signers: []Signer{by(Active, "reset_account")},
	},
	{
		ID: 38, Name: "set_reset_account", State: Dead,
		Does: "nothing: refused by the chain",
		Fields: []FieldDef{f("account", account), f("current_reset_account", maybeAccount),
			f("reset_account", maybeAccount)},
		Signers: []Signer{
			by(Owner, "account").when("current_reset_account is not empty", func(o Operation) bool {
				return o.get("current_reset_account") != AccountName("")
			}),
			by(Posting, "account").when("current_reset_account is empty", func(o Operation) bool {
				return o.get("current_reset_account") == AccountName("")
			}),
		},
	},
	{
		ID: 41, Name: "account_create_with_delegation", State: Dead,
		Does: "nothing: refused by the chain",
		Fields: []FieldDef{
			f("fee", amount), f("delegation", amount), f("creator", account), f("new_account_name", account),
			f("owner", authority), f("active", authority), f("posting", authority),
			f("memo_key", nullableKey), jsonField("json_metadata"), noExtensions(),
		},
		Signers: []Signer{by(Active, "creator")},
		Spends:  []Cost{{Field: "fee"}},
		Payees:  []string{"new_account_name"},
	},
}

// The layouts of mining (tx §3.2, at the end).
var (
	powWork = recordCodec{"pow", []FieldDef{
		f("worker", publicKey), f("input", bytes32), f("signature", hexCodec{name: "bytes65", size: 65}),
		f("work", bytes32),
	}}
	powInput = recordCodec{"pow2_input", []FieldDef{
		f("worker_account", account), f("prev_block", bytes20), f("nonce", uint64s),
	}}
	powProof = recordCodec{"equihash_proof", []FieldDef{
		f("n", uint32s), f("k", uint32s), f("seed", bytes32), f("inputs", uintList),
	}}
	pow2Work = variantCodec{"pow2_work", []recordCodec{
		{"pow2", []FieldDef{f("input", powInput), f("pow_summary", uint32s)}},
		{"equihash_pow", []FieldDef{f("input", powInput), f("proof", powProof), f("prev_block", bytes20),
			f("pow_summary", uint32s)}},
	}}
)
