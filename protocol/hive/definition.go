package hive

// Definition is all that this package knows about an operation. There is one for each of the fifty,
// in one table (definitions*.go); adding an operation is adding an entry there. Definitions are
// shared and must not be changed.
type Definition struct {
	ID    int    // number in the bytes
	Name  string // as in legacy JSON, without "_operation"
	State State
	Does  string // what it can do to the account that signs it, one sentence

	Fields  []FieldDef // in the order of the bytes (tx §3.2)
	Signers []Signer   // who must authorise it

	Spends   []Cost   // what it costs at worst
	Payees   []string // fields that name who gets value or rights by it
	Takeover []string // fields whose presence lets it take the account over
	Price    []string // an exchange_rate, or the amounts given and wanted

	limits []limit
	names  []string
}

// State tells whether an operation can still be used.
type State uint8

// The states. Only live operations are ever signed.
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
	Memo     bool   // text that the receiver reads, and encrypted if it begins with "#"

	codec       codec
	absent      Value // the value if the JSON leaves it out
	mayBeAbsent bool  // what tx §3.4 lists
}

// Signer is an account, or several, whose authority an operation needs. Role is zero for
// authorities that are not an account's: of explicit keys.
type Signer struct {
	Role  Role
	Field string // an account, a set of accounts, or (Role zero) what holds the keys
	When  string // the condition, in words; empty: always
	cond  func(Operation) bool
}

// Cost is a field, and another that it is multiplied by, if any.
type Cost struct{ Field, Times string }

// by is the common signer: the account in that field, or each of a set.
func by(role Role, field string) Signer { return Signer{Role: role, Field: field} }

// keysIn is for operations that need explicit keys: those in the field.
func keysIn(field string) Signer { return Signer{Field: field} }

func (s Signer) when(words string, condition func(Operation) bool) Signer {
	s.When, s.cond = words, condition
	return s
}

// Definitions returns the fifty, in order of their numbers.
func Definitions() []*Definition { return definitions }

// DefinitionOf returns the operation of that name, as in legacy JSON. Virtual operations have none.
func DefinitionOf(name string) (*Definition, bool) {
	d, ok := definitionsByName[name]
	return d, ok
}

var (
	definitions = concat(definitionsSocial, definitionsMoney, definitionsAccounts, definitionsGovernance,
		definitionsDead)
	definitionsByName = map[string]*Definition{}
)

// concat puts the parts of the table in order and completes them. A fault in the table shows at the
// first start of any program or test.
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

// Field returns the field of that name. The fields that open an extension ("beneficiaries",
// "pair_id", "end_date") are found here, too.
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

// Opened returns the field that opens the operation's extensions, if it has such: "beneficiaries",
// "pair_id" or "end_date".
func (d *Definition) Opened() (FieldDef, bool) {
	if ext, ok := d.extension(); ok {
		return ext.opened, true
	}
	return FieldDef{}, false
}

// extension returns how the last field is read if that is a list of extensions.
func (d *Definition) extension() (extensionCodec, bool) {
	ext, ok := d.Fields[len(d.Fields)-1].codec.(extensionCodec)
	return ext, ok
}

// Roles returns the roles that the operation may need, lowest first; which of them it does need can
// depend on its content. Operations that need keys of no account have none for those.
func (d *Definition) Roles() []Role {
	var roles []Role
	for role := Posting; role <= Owner; role++ {
		for _, s := range d.Signers {
			if s.Role == role {
				roles = append(roles, role)
				break
			}
		}
	}
	return roles
}

// OnlyPosting reports whether the posting key is all it can ever need.
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
