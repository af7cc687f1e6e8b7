package memchain

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"sync"
	"time"

	"pksa/protocol/hive"
)

const (
	// BlockInterval is the time between blocks.
	BlockInterval = 3 * time.Second
	// firstBlock is where chains begin; a number as on the main network of today.
	firstBlock = 101_000_000
	// prehistory is how many blocks a new chain has already.
	prehistory = 50
	// kept is how many blocks are remembered at least: those that transactions may refer to.
	kept = 1 << 16
)

// Options make a [Chain]. The zero value is a main network with blocks by the clock.
type Options struct {
	Network *hive.Network // hive.Mainnet if nil
	// OnDemand stops the clock: only Produce makes blocks, each three seconds after the one before.
	OnDemand bool
	// IrreversibleLag is how many blocks the last irreversible one is behind the head; 0 means 1.
	IrreversibleLag int
	// CreditCost is what a transaction costs in resource credits; 0 means 1000.
	CreditCost int64
}

// Chain is the state that nodes share. Its methods may be called concurrently.
type Chain struct {
	options Options

	mu       sync.Mutex
	base     uint32 // number of blocks[0]
	blocks   []block
	pending  []*Entry
	known    map[hive.TxID]*Entry // queued or in a block
	accounts map[hive.AccountName]*account
}

type block struct {
	id      BlockID
	time    hive.Time
	entries []*Entry
}

// NewChain makes a chain whose head block is less than three seconds old.
func NewChain(o Options) *Chain {
	if o.Network == nil {
		o.Network = hive.Mainnet
	}
	if o.IrreversibleLag <= 0 {
		o.IrreversibleLag = 1
	}
	if o.CreditCost == 0 {
		o.CreditCost = 1000
	}
	c := &Chain{options: o, base: firstBlock, known: map[hive.TxID]*Entry{}, accounts: map[hive.AccountName]*account{}}
	head := hive.TimeOf(time.Now())
	head -= head % 3 // blocks stand at whole multiples of three seconds
	for i := range prehistory {
		c.appendBlockLocked(head - hive.Time(3*(prehistory-1-i)))
	}
	return c
}

// Network returns the one of the options.
func (c *Chain) Network() *hive.Network { return c.options.Network }

func (c *Chain) appendBlockLocked(at hive.Time) *block {
	number := c.base + uint32(len(c.blocks))
	// Each id comes from the one before, so it is the same in every run, and names all that came
	// before it.
	var seed [32]byte
	if len(c.blocks) > 0 {
		seed = sha256.Sum256(c.blocks[len(c.blocks)-1].id[:])
	}
	c.blocks = append(c.blocks, block{id: blockID(number, seed), time: at})
	return &c.blocks[len(c.blocks)-1]
}

func blockID(number uint32, seed [32]byte) (id BlockID) {
	copy(id[4:], seed[:])
	binary.BigEndian.PutUint32(id[:], number)
	return id
}

// lock takes the chain and brings it up to the present.
func (c *Chain) lock() {
	c.mu.Lock()
	if c.options.OnDemand {
		return
	}
	now := hive.TimeOf(time.Now())
	for c.headTimeLocked()+3 <= now {
		c.produceLocked()
	}
}

func (c *Chain) headLocked() uint32        { return c.base + uint32(len(c.blocks)) - 1 }
func (c *Chain) headTimeLocked() hive.Time { return c.blocks[len(c.blocks)-1].time }

// idLocked returns the id of the block with that number. A number without a block gets an id too.
func (c *Chain) idLocked(number uint32) BlockID {
	if b := c.blockLocked(number); b != nil {
		return b.id
	}
	return blockID(number, [32]byte{})
}

// blockLocked returns the block of that number, nil if there is none (any more).
func (c *Chain) blockLocked(number uint32) *block {
	if number < c.base || number > c.headLocked() {
		return nil
	}
	return &c.blocks[number-c.base]
}

// Produce makes n blocks. The first holds what is queued.
func (c *Chain) Produce(n int) {
	c.lock()
	defer c.mu.Unlock()
	for range n {
		c.produceLocked()
	}
}

func (c *Chain) produceLocked() {
	b := c.appendBlockLocked(c.headTimeLocked() + 3)
	number := c.headLocked()
	for _, e := range c.pending {
		if e.Transaction.Expiration <= b.time {
			delete(c.known, e.ID)
			continue
		}
		e.Block, e.index = number, len(b.entries)
		b.entries = append(b.entries, e)
	}
	c.pending = nil
	if len(c.blocks) > 2*kept {
		// What is in the dropped blocks stays in c.known, so that it can be looked up.
		c.base += kept
		c.blocks = slices.Clone(c.blocks[kept:])
	}
}

// Head returns number and time of the head block.
func (c *Chain) Head() (number uint32, at hive.Time) {
	c.lock()
	defer c.mu.Unlock()
	return c.headLocked(), c.headTimeLocked()
}

// Reference returns what a transaction says to refer to the block before the last irreversible one.
func (c *Chain) Reference() (num uint16, prefix uint32) {
	c.lock()
	defer c.mu.Unlock()
	number := c.headLocked() - uint32(c.options.IrreversibleLag) - 1
	id := c.blockLocked(number).id
	num, prefix, err := hive.ReferenceBlock(number, id.String())
	if err != nil {
		panic(err) // our own ids begin with their numbers
	}
	return num, prefix
}

// Included is a transaction as the chain holds it.
type Included struct {
	ID          hive.TxID
	Block       uint32 // 0: queued, in no block yet
	Node        string // name of the node that took it first
	JSON        []byte // as it was sent
	Transaction hive.SignedTransaction
}

// Entry is a transaction that a node has read. Block and Node are empty until the chain takes it.
type Entry struct {
	Included
	index   int              // within the block
	signers []hive.PublicKey // nil: not recovered yet
}

// Transactions returns what is in blocks, in their order, and then what is queued.
func (c *Chain) Transactions() []Included {
	c.lock()
	defer c.mu.Unlock()
	var list []Included
	for _, b := range c.blocks {
		for _, e := range b.entries {
			list = append(list, e.Included)
		}
	}
	for _, e := range c.pending {
		list = append(list, e.Included)
	}
	return list
}

// Count returns how many times the transaction is on the chain, queued or in a block. It counts and
// believes no index.
func (c *Chain) Count(id hive.TxID) int {
	n := 0
	for _, t := range c.Transactions() {
		if t.ID == id {
			n++
		}
	}
	return n
}
