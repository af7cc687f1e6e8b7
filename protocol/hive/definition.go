package hive

// Definition is everything that this package knows about an operation. The fifty operations have
// one entry each, in one table (definitions_*.go). A new operation is a new entry there.
// Definitions are shared and must not be changed.
type Definition struct {
	ID    int    // number in the bytes
	Name  string // as in legacy JSON, without "_operation"
	State State
	Does  string // its effect on the account that signs it, in one sentence

	Fields  []FieldDef // in the order of the bytes (tx §3.2)
	Signers []Signer   // who must authorise it

	Spends   []Cost   // its highest cost
	Payees   []string // fields that name the accounts that get value or rights
	Takeover []string // fields that can give the account to somebody else
	Price    []string // an exchange_rate, or the amounts given and wanted

	limits []limit
	names  []string
}

// State is the answer whether an operation can still be used.
type State uint8

// The states. Only live operations are signed.
const (
	Live        State = iota
	Dead              // disabled or refused by the chain: mining, resets, custom_binary
	WitnessOnly       // exchanged between witness nodes, never in a block
)

// String returns "live", "dead" or "witness nodes only".
func (s State) String() string {
	switch s {
	case Live:
		return "live"
	case Dead:
		return "dead"
	}
	return "witness nodes only"
}

// FieldDef is a field of an operation.
type FieldDef struct {
	Name     string
	Type     string // as in tx §3.1: "account", "asset", "optional authority", …
	Optional bool   // its value may be nil
	JSON     bool   // text that holds JSON, signed byte for byte as it came
	Memo     bool   // text for the receiver, encrypted if it begins with "#"
	// MayBeEmpty says that the chain takes an empty text in the place of JSON.
	MayBeEmpty bool

	codec       codec
	absent      Value // the value if the JSON leaves it out
	mayBeAbsent bool  // listed in tx §3.4
}

// Signer is one or more accounts whose authority an operation needs. Role is zero if the operation
// needs keys that it names itself, and no account.
type Signer struct {
	Role  Role
	Field string // an account, a set of accounts, or (Role zero, or Signing) the keys
	When  string // the condition in words; empty means always
	cond  func(Operation) bool
}

// Cost is the amount in a field, multiplied by the number in another field, if Times names one.
type Cost struct{ Field, Times string }

// by returns the usual signer: the account in that field, or each account of a set.
func by(role Role, field string) Signer { return Signer{Role: role, Field: field} }

// keysIn returns the signer of an operation that needs the keys in that field.
func keysIn(field string) Signer { return Signer{Field: field} }

func (s Signer) when(words string, condition func(Operation) bool) Signer {
	s.When, s.cond = words, condition
	return s
}

// Definitions returns all operations in the order of their numbers.
func Definitions() []*Definition { return definitions }

// DefinitionOf returns the operation with this name, as in legacy JSON. Virtual operations have no
// definition.
func DefinitionOf(name string) (*Definition, bool) {
	d, ok := definitionsByName[name]
	return d, ok
}

var (
	definitions = concat(definitionsSocial, definitionsMoney, definitionsAccounts, definitionsGovernance,
		definitionsDead)
	definitionsByName = map[string]*Definition{}
)

// concat returns the parts of the table in order, with the derived fields filled in. It panics on a
// fault in the table, so every program and test finds it at start.
func concat(parts ...[]Definition) []*Definition {
	all := make([]*Definition, operationCount)
	for _, part := range parts {
		for i := range part {
			d := &part[i]
			if all[d.ID] != nil {
				panic("two operations have the number of " + d.Name)
			}
			d.names = fieldNames(d.Fields)
			all[d.ID] = d
		}
	}
	return all
}

const operationCount = 50

func init() {
	for id, d := range definitions {
		if d == nil {
			panic("an operation is missing from the table")
		}
		definitionsByName[d.Name] = definitions[id]
	}
}

// Field returns the field with this name. It also finds the fields that stand for an extension
// ("beneficiaries", "pair_id", "end_date").
func (d *Definition) Field(name string) (FieldDef, bool) {
	for _, field := range d.Fields {
		if field.Name == name {
			return field, true
		}
		if ext, ok := field.codec.(extensionCodec); ok && ext.opened.Name == name {
			return ext.opened, true
		}
	}
	return FieldDef{}, false
}

// Opened returns the field that stands for the extension of the operation, if there is one:
// "beneficiaries", "pair_id" or "end_date".
func (d *Definition) Opened() (FieldDef, bool) {
	if ext, ok := d.extension(); ok {
		return ext.opened, true
	}
	return FieldDef{}, false
}

// extension returns the codec of the last field if that is a list of extensions.
func (d *Definition) extension() (extensionCodec, bool) {
	ext, ok := d.Fields[len(d.Fields)-1].codec.(extensionCodec)
	return ext, ok
}

// Roles returns the roles that the operation may need, lowest first. The content may decide which
// of them it needs. Keys that belong to no account are not among them.
func (d *Definition) Roles() []Role {
	var roles []Role
	for role := Posting; role <= Signing; role++ {
		for _, s := range d.Signers {
			if s.Role == role {
				roles = append(roles, role)
				break
			}
		}
	}
	return roles
}

// OnlyPosting reports whether the operation never needs more than the posting key.
func (d *Definition) OnlyPosting() bool {
	roles := d.Roles()
	return len(roles) == 1 && roles[0] == Posting
}

func (d *Definition) index(name string) int {
	for i, n := range d.names {
		if n == name {
			return i
		}
	}
	return -1
}
