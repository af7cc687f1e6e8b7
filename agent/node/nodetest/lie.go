package nodetest

import (
	"encoding/binary"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

// mood is how a node differs from an honest one.
type mood struct {
	otherChain *[32]byte
	behind     uint32
	ahead      time.Duration
	lonely     bool
	without    map[string]bool // APIs that it does not offer
}

// blocks returns by how many blocks the node's numbers are ahead.
func (m *mood) blocks() int64 { return int64(m.ahead / memchain.BlockInterval) }

// view returns what the node takes for the state of the chain. Numbers of blocks stay true in it;
// only times are shifted.
func (m *mood) view(truth memchain.State) memchain.State {
	s := truth.Before(m.behind)
	if m.otherChain != nil {
		s.ChainID = *m.otherChain
	}
	s.Alone = m.lonely
	seconds := 3 * m.blocks()
	s.Time = hive.Time(int64(s.Time) + seconds)
	s.IrreversibleTime = hive.Time(int64(s.IrreversibleTime) + seconds)
	return s
}

// answerLocked answers a call as the node is in the mood to. truth is the state of the chain.
func (n *Node) answerLocked(truth memchain.State, method string, params jsontext.Value) ([]byte, *memchain.Failure) {
	if n.without[apiOf(method)] {
		return nil, memchain.NotOffered(method)
	}
	s := n.view(truth)
	switch {
	case isBroadcast(method):
		return n.takeLocked(truth, s, params)
	case method == "transaction_status_api.find_transaction" && n.ownsLocked(s, params):
		return memchain.InMempool(), nil
	case n.ahead == 0:
	case method == "condenser_api.get_dynamic_global_properties",
		method == "database_api.get_dynamic_global_properties":
		return n.lieOfHead(s.Properties()), nil
	case method == "condenser_api.get_block_header":
		return n.lieOfBlock(s, params)
	}
	return s.Answer(method, params)
}

// takeLocked takes a transaction. What goes on to the others is judged by their state; if it does
// not fit, nobody tells the sender.
func (n *Node) takeLocked(truth, s memchain.State, params jsontext.Value) ([]byte, *memchain.Failure) {
	e, failure := s.Read(params)
	if failure != nil {
		return nil, failure
	}
	if n.ahead != 0 {
		s.Head = truth.Head // it lies about numbers; it knows the blocks
	}
	if own := n.own[e.ID]; own != nil && e.Transaction.Expiration > s.Time {
		return nil, memchain.Duplicate()
	}
	if failure := s.Check(e); failure != nil {
		return nil, failure
	}
	n.own[e.ID] = e
	if !n.lonely {
		_ = truth.Accept(e)
	}
	return []byte("{}"), nil
}

// ownsLocked reports whether the transaction that find_transaction asks for waits at this node and
// nowhere else.
func (n *Node) ownsLocked(s memchain.State, params jsontext.Value) bool {
	var p struct {
		ID string `json:"transaction_id"`
	}
	if json.Unmarshal(params, &p) != nil {
		return false
	}
	id, err := hive.ParseTxID(p.ID)
	if err != nil || s.Has(id) {
		return false
	}
	own := n.own[id]
	return own != nil && own.Transaction.Expiration > s.Time
}

// lieOfHead answers with a head that is ahead. Its blocks are invented.
func (n *Node) lieOfHead(p memchain.Properties) []byte {
	p.Head = uint32(int64(p.Head) + n.blocks())
	p.Irreversible = uint32(int64(p.Irreversible) + n.blocks())
	p.ID = invented(p.Head)
	return p.JSON()
}

func (n *Node) lieOfBlock(s memchain.State, params jsontext.Value) ([]byte, *memchain.Failure) {
	number, failure := memchain.BlockNumber(params)
	if failure != nil {
		return nil, failure
	}
	header, ok := s.Header(uint32(int64(number) - n.blocks()))
	if !ok {
		return []byte("null"), nil
	}
	header.Previous = invented(number - 1)
	header.Time = hive.Time(int64(header.Time) + 3*n.blocks())
	return header.JSON(), nil
}

// invented returns an id for a block that the chain does not have.
func invented(number uint32) (id memchain.BlockID) {
	seed := hive.HashText(strconv.Itoa(int(number)))
	copy(id[4:], seed[:])
	binary.BigEndian.PutUint32(id[:], number)
	return id
}
