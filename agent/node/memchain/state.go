package memchain

import (
	"encoding/hex"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/protocol/hive"
)

// State is the chain as one node sees it while it answers one call. The state that [Chain.State]
// returns is the truth; a node that lags or lies changes its copy before it answers.
type State struct {
	Node             string // the node's name, to be kept with the transactions that it takes
	ChainID          [32]byte
	Head             uint32    // the newest block that the node has
	Time             hive.Time // of the head block
	Irreversible     uint32
	IrreversibleTime hive.Time
	// Alone means that no transaction of another node has reached this one.
	Alone bool

	chain  *Chain
	behind bool // so that what is queued has not reached the node
}

// State returns the present state of the chain for a node of that name. The chain stands still
// until release is called; until then it may be used through the state only.
func (c *Chain) State(node string) (s State, release func()) {
	c.lock()
	s = State{Node: node, ChainID: c.options.Network.ChainID, chain: c}
	return s.at(c.headLocked()), c.mu.Unlock
}

// Before returns the state of a node that has not got the last blocks, so many of them.
func (s State) Before(blocks uint32) State {
	s.behind = blocks > 0
	return s.at(max(s.Head-blocks, s.chain.base+2))
}

func (s State) at(head uint32) State {
	s.Head, s.Time = head, s.chain.blockLocked(head).time
	s.Irreversible = max(head-uint32(s.chain.options.IrreversibleLag), s.chain.base+1)
	s.IrreversibleTime = s.chain.blockLocked(s.Irreversible).time
	return s
}

// Has reports whether the node has the transaction, queued or in a block.
func (s State) Has(id hive.TxID) bool { return s.sees(s.chain.known[id]) }

func (s State) sees(e *Entry) bool {
	if e == nil || s.Alone {
		return false
	}
	return e.Block == 0 && !s.behind || e.Block != 0 && e.Block <= s.Head
}

// Accept checks a transaction and queues it for the next block.
func (s State) Accept(e *Entry) *Failure {
	if err := s.Check(e); err != nil {
		return err
	}
	e.Node = s.Node
	s.chain.queueLocked(e)
	return nil
}

// Properties is what a node answers about its head block.
type Properties struct {
	Head         uint32
	ID           BlockID
	Time         hive.Time
	Irreversible uint32
}

// Properties returns those of the head block.
func (s State) Properties() Properties {
	return Properties{s.Head, s.chain.idLocked(s.Head), s.Time, s.Irreversible}
}

// JSON returns the answer of the node.
func (p Properties) JSON() []byte {
	dst := strconv.AppendUint([]byte(`{"head_block_number":`), uint64(p.Head), 10)
	dst = append(append(dst, `,"head_block_id":"`...), p.ID.String()...)
	dst = append(append(dst, `","time":"`...), p.Time.String()...)
	dst = append(dst, `","last_irreversible_block_num":`...)
	dst = strconv.AppendUint(dst, uint64(p.Irreversible), 10)
	return append(dst, `,"maximum_block_size":65536,"current_witness":"memchain"}`...)
}

// Header is what a node answers about a block.
type Header struct {
	Previous BlockID
	Time     hive.Time
}

// Header returns that of the block with the number, if the node has it.
func (s State) Header(number uint32) (Header, bool) {
	b := s.chain.blockLocked(number)
	if b == nil || number > s.Head {
		return Header{}, false
	}
	return Header{s.chain.idLocked(number - 1), b.time}, true
}

// JSON returns the answer of the node.
func (h Header) JSON() []byte {
	dst := append([]byte(`{"previous":"`), h.Previous.String()...)
	dst = append(append(dst, `","timestamp":"`...), h.Time.String()...)
	return append(dst, `","witness":"memchain","transaction_merkle_root":"`+
		`0000000000000000000000000000000000000000","extensions":[]}`...)
}

// BlockNumber reads the parameters of get_block_header.
func BlockNumber(params jsontext.Value) (uint32, *Failure) {
	var numbers []uint32
	if err := json.Unmarshal(params, &numbers); err != nil || len(numbers) != 1 {
		return 0, invalidParameters()
	}
	return numbers[0], nil
}

// BlockID is the id of a block. It begins with the block's number, four bytes big-endian.
type BlockID [20]byte

// String returns the id in hexadecimal digits.
func (id BlockID) String() string { return hex.EncodeToString(id[:]) }
