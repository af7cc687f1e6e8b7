package policy

import (
	"context"
	"maps"
	"slices"

	"pksa/protocol/hive"
)

// The proof looks at all requests at once. It takes one thing that can be asked for, such as a
// transfer, and parts what can be into boxes: of each field a set of classes, where the values of a
// class are told apart by no test of both files. Boxes in which no rule that changed can match, or
// in which the answer that is to be proven holds whatever lies in them, are done; others are cut in
// two. What is left is no proof.
//
// A box may hold more than there can be, such as an amount below zero, and never less: so it can
// fail to prove what is true, and never proves what is not.

// Proof is what is certain of one kind of request, for both policies with the same charges counted.
type Proof struct {
	// Of is an operation by its name, "session", "challenge" or "decrypt". What is proven holds for
	// requests of nothing else, or of several such.
	Of string `json:"of"`
	// NoMore says that none of them is allowed or asked about that was not, nor allowed that was
	// asked about. NoLess says the same of what was.
	NoMore bool `json:"no_more"`
	NoLess bool `json:"no_less"`
	// Why is why one of them is not proven; it need not be false for that.
	Why string `json:"why,omitempty"`
}

const (
	mostBoxes = 20_000 // of one proof
	mostReps  = 2_000_000
	// mostFree bounds the tests of one place of which nothing is known but that they are tests.
	mostFree = 12
)

// Why something is not proven.
const (
	whyLimit = "a limit that may count it changed"
	whyOpen  = "some request may have another answer"
	whyLarge = "the rules are too many or too long for a proof"
)

// prove returns a proof for each kind of request that a rule or limit which changed may be about.
// Of all others every answer is the same.
func (c *twoFiles) prove(ctx context.Context, all []standpoint) (proofs []Proof, err error) {
	for _, about := range provable() {
		if !slices.ContainsFunc(all, func(s standpoint) bool { return !s.same && about.touches(s.rule) }) {
			continue
		}
		proof, err := c.proveOf(ctx, about, all)
		if err != nil {
			return nil, err
		}
		proofs = append(proofs, proof)
	}
	return proofs, nil
}

// subject is what a proof is about.
type subject struct {
	kind Kind
	name string // of the operation
}

func (s subject) String() string {
	switch s.kind {
	case Auth:
		return "session"
	case Sign:
		return s.name
	}
	return s.kind.String()
}

// provable returns all subjects.
func provable() []subject {
	all := []subject{{kind: Auth}, {kind: Challenge}, {kind: Decrypt}}
	for _, d := range hive.Definitions() {
		if refusedAlways(d) == "" {
			all = append(all, subject{Sign, d.Name})
		}
	}
	return all
}

// touches reports whether a rule in force can be about the subject.
func (s subject) touches(r *rule) bool {
	return !r.observe && r.kinds[s.kind] && (r.entries == nil || s.kind != Sign || slices.ContainsFunc(r.entries,
		func(e opEntry) bool { return slices.Contains(e.mayName(r.section), s.name) }))
}

func (c *twoFiles) proveOf(ctx context.Context, about subject, all []standpoint) (Proof, error) {
	proof := Proof{Of: about.String(), NoMore: true, NoLess: true}
	for _, one := range all {
		// With the same limits, what one policy's limits refuse the other's refuse, too.
		if one.limit != nil && !one.same && about.touches(one.rule) {
			// One that was changed, or got another name, may leave more room or less.
			proof.NoMore = proof.NoMore && one.policy == c.now && one.other == nil
			proof.NoLess = proof.NoLess && one.policy == c.old && one.other == nil
			proof.Why = whyLimit
		}
	}
	accounts, ok := accountsOf(about, c.old, c.now)
	if !ok {
		return Proof{Of: proof.Of, Why: whyLarge}, nil
	}
	boxes := 0
	for _, account := range accounts {
		if !proof.NoMore && !proof.NoLess {
			break
		}
		p, ok := newProver(about, account, all, c.old)
		if !ok {
			return Proof{Of: proof.Of, Why: whyLarge}, nil
		}
		p.ctx, p.boxes = ctx, boxes
		for _, more := range []bool{true, false} {
			holds := &proof.NoLess
			if more {
				holds = &proof.NoMore
			}
			if !*holds {
				continue
			}
			why, err := p.holds(more)
			if err != nil {
				return proof, err
			}
			if *holds = why == ""; why != "" {
				proof.Why = why
			}
		}
		boxes = p.boxes
	}
	if proof.NoMore && proof.NoLess {
		proof.Why = ""
	}
	return proof, nil
}

// level is how far the rules let a part pass: 0 not at all, 1 if a person says yes, 2 at once.
type level int

// term is what a rule says, as a tree over atoms. With no more than atoms that are known, it is
// known; else it is an interval.
type term struct {
	how  termKind
	list []*term
	atom int
}

type termKind uint8

const (
	termYes termKind = iota
	termAtom
	termAnd
	termOr
	termNot // of list[0], and doubt where the atom, that the value is absent, says yes
)

// atom is one test of one thing. What it says is known by the class of that thing, or is free.
type atom struct {
	dim  int
	says []outcome // by class
	free int       // the dimension that says it where says is freely
}

// freely is what an atom says that its own dimension decides, where the class does not.
const freely outcome = 3

// box is the classes that are left of each dimension. The lists are shared and never written to.
type box [][]int

// provenRule is a rule of one or both of the files.
type provenRule struct {
	rule    *rule
	says    *term
	changed bool
	in      [2]bool // old and new
}

// prover proves for one subject and one account.
type prover struct {
	ctx     context.Context
	about   subject
	account string
	rules   []*provenRule
	dims    [][]int // the classes of each
	atoms   []atom
	shared  map[*rule][]int  // the atoms of what a rule says beside its content
	naming  map[*opEntry]int // the atom that says that an entry is about the operation
	manual  int              // the atom that says that the operator made the session; -1: none can be
	implied [][2]int         // of atoms with a dimension of their own: where the first says yes, the second does
	apart   [][2]int         // of such: not both say yes
	spots   []*spot
	boxes   int
}

// holds returns why not: in every box the one policy lets nothing pass further than the other.
func (p *prover) holds(more bool) (why string, err error) {
	left := []box{slices.Clone(p.dims)}
	for len(left) > 0 {
		b := left[len(left)-1]
		left = left[:len(left)-1]
		if p.boxes++; p.boxes > mostBoxes {
			return whyLarge, nil
		}
		if p.boxes%256 == 0 && p.ctx.Err() != nil {
			return "", p.ctx.Err()
		}
		if !p.canBe(b) {
			continue
		}
		oldLow, oldHigh := p.level(b, 0)
		newLow, newHigh := p.level(b, 1)
		switch {
		case more && newHigh <= oldLow, !more && oldHigh <= newLow, !p.changes(b):
			continue
		}
		parts := p.cut(b)
		if parts == nil {
			return whyOpen, nil
		}
		left = append(left, parts...)
	}
	return "", nil
}

// canBe reports whether what is known of free tests allows the box.
func (p *prover) canBe(b box) bool {
	surely := func(i int) bool {
		low, _ := p.says(b, p.atoms[i].free)
		return low == yes
	}
	for _, pair := range p.implied {
		if _, high := p.says(b, p.atoms[pair[1]].free); high != yes && surely(pair[0]) {
			return false
		}
	}
	for _, pair := range p.apart {
		if surely(pair[0]) && surely(pair[1]) {
			return false
		}
	}
	return true
}

// says returns what the outcomes of a free dimension are between. Its classes are the outcomes.
func (p *prover) says(b box, dim int) (low, high outcome) {
	return outcome(slices.Min(b[dim])), outcome(slices.Max(b[dim]))
}

// changes reports whether a rule that only one file has may match in the box: otherwise all that
// decides is in both.
func (p *prover) changes(b box) bool {
	return slices.ContainsFunc(p.rules, func(r *provenRule) bool {
		if !r.changed {
			return false
		}
		_, high := p.eval(r.says, b)
		return r.rule.hit(high)
	})
}

// eval returns between which outcomes a rule lies in a box.
func (p *prover) eval(n *term, b box) (low, high outcome) {
	switch n.how {
	case termYes:
		return yes, yes
	case termAtom:
		return p.evalAtom(n.atom, b)
	case termNot:
		low, high = p.eval(n.list[0], b)
		low, high = high.not(), low.not()
		absentLow, absentHigh := p.evalAtom(n.atom, b)
		switch {
		case absentLow == yes:
			return unclear, unclear
		case absentHigh == yes:
			return min(low, unclear), max(high, unclear)
		}
		return low, high
	case termAnd:
		low, high = yes, yes
		for _, one := range n.list {
			l, h := p.eval(one, b)
			low, high = min(low, l), min(high, h)
		}
		return low, high
	}
	for _, one := range n.list {
		l, h := p.eval(one, b)
		low, high = max(low, l), max(high, h)
	}
	return low, high
}

func (p *prover) evalAtom(i int, b box) (low, high outcome) {
	a := &p.atoms[i]
	low, high = yes, no
	for _, class := range b[a.dim] {
		l, h := a.says[class], a.says[class]
		if l == freely {
			l, h = p.says(b, a.free)
		}
		low, high = min(low, l), max(high, h)
	}
	return low, high
}

// level returns between which levels one of the policies answers in a box.
func (p *prover) level(b box, of int) (low, high level) {
	var may, must [limitSection + 1]bool
	var mayOnly, mustOnly bool
	for _, r := range p.rules {
		if !r.in[of] {
			continue
		}
		l, h := p.eval(r.says, b)
		if r.rule.onlyUncovered {
			mayOnly, mustOnly = mayOnly || r.rule.hit(h), mustOnly || r.rule.hit(l)
			continue
		}
		s := r.rule.section
		may[s], must[s] = may[s] || r.rule.hit(h), must[s] || r.rule.hit(l)
	}
	var manualLow, manualHigh outcome
	if p.manual >= 0 {
		manualLow, manualHigh = p.evalAtom(p.manual, b)
	}
	switch {
	case must[denySection]:
	case manualHigh == yes, may[allowSection] && !must[askSection]:
		high = 2
	case may[askSection], mayOnly:
		high = 1
	}
	switch {
	case may[denySection]:
	case manualLow == yes:
		low = 2
	case may[askSection]:
		if must[askSection] || must[allowSection] || mustOnly {
			low = 1
		}
	case must[allowSection]:
		low = 2
	case mustOnly:
		low = 1
	}
	return low, high
}

// cut parts a box by the first thing that is not known of a rule, of those that changed before
// others. It is nil if all is known.
func (p *prover) cut(b box) []box {
	for _, changed := range []bool{true, false} {
		for _, r := range p.rules {
			if r.changed != changed {
				continue
			}
			if low, high := p.eval(r.says, b); low != high {
				if parts := p.cutBy(r.says, b); parts != nil {
					return parts
				}
			}
		}
	}
	if p.manual >= 0 {
		return p.cutBy(&term{how: termAtom, atom: p.manual}, b)
	}
	return nil
}

func (p *prover) cutBy(n *term, b box) []box {
	switch n.how {
	case termYes:
		return nil
	case termAtom, termNot:
		if parts := p.cutAtom(n.atom, b); parts != nil {
			return parts
		}
	}
	for _, one := range n.list {
		if low, high := p.eval(one, b); low != high {
			if parts := p.cutBy(one, b); parts != nil {
				return parts
			}
		}
	}
	return nil
}

func (p *prover) cutAtom(i int, b box) (parts []box) {
	a := &p.atoms[i]
	by := map[outcome][]int{}
	for _, class := range b[a.dim] {
		by[a.says[class]] = append(by[a.says[class]], class)
	}
	dim := a.dim
	if _, free := by[freely]; free && len(by) == 1 {
		dim = a.free
		by = map[outcome][]int{}
		for _, class := range b[dim] {
			by[outcome(class)] = []int{class}
		}
	}
	if len(by) == 1 {
		return nil
	}
	for _, o := range slices.Sorted(maps.Keys(by)) {
		part := slices.Clone(b)
		part[dim] = by[o]
		parts = append(parts, part)
	}
	return parts
}

// newProver collects what the rules of both files test of the subject. The second result is false
// if that is too much.
func newProver(about subject, account string, all []standpoint, old *Policy) (*prover, bool) {
	p := &prover{about: about, account: account, manual: -1}
	for _, one := range all {
		if one.limit == nil && about.touches(one.rule) {
			p.rules = append(p.rules, &provenRule{rule: one.rule, changed: !one.same,
				in: [2]bool{one.same || one.policy == old, one.same || one.policy != old}})
		}
	}
	if !p.plain() {
		return nil, false
	}
	for _, r := range p.rules {
		r.says = &term{how: termAnd, list: append(p.conditions(r.rule), p.content(r.rule))}
	}
	return p, p.close()
}
