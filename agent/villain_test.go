package agent_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// villain owns a relay. It names a key of its own to the agent, so that it can read every proof,
// keeps whatever it saw, and says what it likes.
type villain struct {
	t      *testing.T
	world  *world
	honest *relaytest.Server
	key    *hive.PrivateKey
	second *hive.PrivateKey
	theirs hive.PublicKey // of the honest part of the relay

	mu       sync.Mutex
	chance   *rand.Rand
	wallet   *relaytest.Wire
	resting  bool
	requests []relaytest.Frame // that went to the agent
	replies  []relaytest.Frame // that came from it
	keys     map[string]bool   // auth_keys of the victims: only for looking at what the agent says
	asked    map[string]int    // permlinks of the votes that were asked for → how many are on the chain
	did      map[string]int
	steps    int
	logins   int
	answers  int
	proofs   int
}

func newVillain(seed uint64) *villain {
	return &villain{
		chance: rand.New(rand.NewPCG(seed, 7)), key: hive.PrivateKeyFromSeed("villain"),
		second: hive.PrivateKeyFromSeed("villain again"),
		did:    map[string]int{},
	}
}

// fault stands on all wires of the hostile relay.
func (v *villain) fault(w *relaytest.Wire, f relaytest.Frame) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case f.To == relaytest.ToClient && f.Cmd == "key_ack":
		key, _ := said(f.Body)["key"].(string)
		if theirs, err := hive.ParsePublicKey(key); err == nil {
			v.theirs = theirs
		}
		w.Pass(f.With(map[string]any{"key": v.key.Public().String()}))
	case f.To == relaytest.ToRelay && f.Cmd == "register_req":
		v.wallet = w
		v.look(f)
		v.register(w, f)
	case f.To == relaytest.ToRelay && w == v.wallet && f.UUID != "":
		v.look(f)
		v.keep(&v.replies, f)
		v.forward(w, f)
	case f.To == relaytest.ToClient && w == v.wallet && strings.HasSuffix(f.Cmd, "_req") && f.UUID != "":
		v.keep(&v.requests, f)
		v.deliver(w, f)
	default:
		w.Pass(f)
	}
}

// register passes a registration on with proofs that the honest part of the relay can read: those
// that the agent made are for the villain's key.
func (v *villain) register(w *relaytest.Wire, f relaytest.Frame) {
	accounts, _ := said(f.Body)["accounts"].([]any)
	for _, a := range accounts {
		entry := a.(map[string]any)
		proof := v.proof(entry["name"], entry["pok"])
		entry["pok"], entry["challenge"] = proof, proof
	}
	w.Pass(f.With(map[string]any{"accounts": accounts}))
}

func (v *villain) forward(w *relaytest.Wire, f relaytest.Frame) {
	w.Pass(f.With(map[string]any{"pok": v.proof("alice", said(f.Body)["pok"])}))
}

// proof is one for the honest part of the relay. The test knows all keys.
func (v *villain) proof(account, pok any) string {
	name, _ := account.(string)
	text, _ := pok.(string)
	clear, err := v.key.DecodeMemo(text)
	if err != nil {
		return ""
	}
	proof, err := keyOf(hive.AccountName(name), hive.Memo).EncodeMemo(v.theirs, "#"+strings.TrimPrefix(clear, "#"), 1)
	if err != nil {
		v.t.Error(err)
	}
	return proof
}

// deliver passes a request on, most of the time, and sometimes late, twice or never.
func (v *villain) deliver(w *relaytest.Wire, f relaytest.Frame) {
	if v.resting {
		w.Pass(f)
		return
	}
	switch v.chance.IntN(6) {
	case 0:
	case 1:
		relaytest.Delay(time.Duration(v.chance.IntN(90))*time.Second)(w, f)
	case 2:
		relaytest.Duplicate(2)(w, f)
	case 3:
		relaytest.Replay(time.Duration(v.chance.IntN(600))*time.Second)(w, f)
	default:
		w.Pass(f)
	}
}

func (v *villain) keep(list *[]relaytest.Frame, f relaytest.Frame) {
	*list = append(*list, f)
	if len(*list) > 512 {
		*list = slices.Delete(*list, 0, v.chance.IntN(256))
	}
}

var (
	uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	timeForm = regexp.MustCompile(`^[0-9]{12,13}$`) // ms; the clock of a bubble begins in the year 2000
	idForm   = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// look reads what the agent says as the villain does, with its own key, and as its victims do.
func (v *villain) look(f relaytest.Frame) {
	object := said(f.Body)
	if accounts, ok := object["accounts"].([]any); ok {
		for _, a := range accounts {
			v.lookProof(a.(map[string]any)["pok"], timeForm)
		}
		return
	}
	v.lookProof(object["pok"], uuidForm)
	if !uuidForm.MatchString(f.UUID) {
		v.t.Errorf("the agent answers a request with the uuid %q", f.UUID)
	}
	v.answers++
	for _, member := range []string{"data", "error"} {
		if text, ok := object[member].(string); ok {
			v.lookSealed(f.Cmd, text)
		}
	}
}

// lookProof: a proof says a uuid or a time and nothing else, and is made with the lowest key.
func (v *villain) lookProof(pok any, form *regexp.Regexp) {
	text, _ := pok.(string)
	header, err := hive.ParseMemo(text)
	if err != nil {
		v.t.Errorf("proof %q: %v", text, err)
		return
	}
	if header.From != keyOf("alice", hive.Memo).Public() && header.From != keyOf("carol", hive.Memo).Public() {
		v.t.Errorf("a proof was made with the key %s, which is not the lowest", header.From)
	}
	clear, err := v.key.DecodeMemo(text)
	if err != nil {
		clear, err = v.second.DecodeMemo(text)
	}
	if err != nil || !form.MatchString(strings.TrimPrefix(clear, "#")) {
		v.t.Errorf("a proof says %q, %v", clear, err)
	}
	v.proofs++
}

// lookSealed: what is sealed for an application is a uuid, a fixed text, or an answer that is true.
// None of it is a request.
func (v *villain) lookSealed(cmd, data string) {
	if cmd == "sign_ack" || cmd == "auth_err" {
		return // not sealed
	}
	for key := range v.keys {
		clear, err := relaytest.Open(key, data)
		if err != nil {
			continue
		}
		v.lookClear(cmd, clear)
		return
	}
	v.t.Errorf("%s: none of the victims can open it", cmd)
}

func (v *villain) lookClear(cmd, clear string) {
	fixed := []string{protocol.TextInvalid, protocol.TextNonce, protocol.TextNotSupported, protocol.TextNotPermitted,
		protocol.TextLimit,
		protocol.TextBroadcastFailed, protocol.TextBroadcastUncertain, protocol.TextBusy, protocol.TextInternal}
	switch {
	case strings.HasSuffix(cmd, "_nack") && uuidForm.MatchString(clear):
	case strings.HasSuffix(cmd, "_err") && slices.Contains(fixed, clear):
	case strings.HasPrefix(clear, protocol.TextBroadcastUncertain+" ") &&
		idForm.MatchString(clear[len(protocol.TextBroadcastUncertain)+1:]):
	case cmd == "challenge_ack":
		answer, err := protocol.DecodeChallengeAckData([]byte(clear))
		var signature hive.Signature
		if err == nil {
			signature, err = hive.ParseSignature(answer.Challenge)
		}
		if err != nil || !signature.Verify(hive.HashText("honest text"), answer.PubKey) {
			v.t.Errorf("a signature of something else: %s, %v", clear, err)
		}
	case cmd == "auth_ack":
		if _, err := protocol.DecodeAuthAckData([]byte(clear)); err != nil {
			v.t.Errorf("auth_ack: %v", err)
		}
	default:
		v.t.Errorf("%s holds %q", cmd, clear)
	}
	if _, err := protocol.DecodeSignReqData([]byte(clear)); err == nil {
		v.t.Errorf("the agent sealed what is a request: %s", clear)
	}
}

// vote is a request that an application makes, noted before it is made.
func (v *villain) vote(permlink string) client.SignRequest {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked[permlink] = 0
	return vote(permlink)
}

// login opens a session, as often as it takes.
func (v *villain) login(c *client.Client) *client.Session {
	for {
		s := client.NewSession("alice", "")
		v.mu.Lock()
		v.logins++
		v.keys[s.AuthKey()] = true
		v.mu.Unlock()
		if _, err := c.Authenticate(v.t.Context(), client.Auth{Account: "alice", Session: s,
			Secret: secret}); err == nil {
			return s
		}
		time.Sleep(time.Second)
	}
}

// victims are applications that know no better than to use the hostile relay. Their sessions get
// into quarantine, so they begin new ones.
func (v *villain) victims(stop <-chan struct{}, ended chan<- struct{}) {
	defer close(ended)
	var working sync.WaitGroup
	defer working.Wait()
	for n := range 20 {
		working.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
					v.victim(fmt.Sprintf("victim-%d-%d", n, i))
				}
			}
		})
	}
}

// victim logs in, asks for this and that, and goes away. What it hears is of no concern here.
func (v *villain) victim(name string) {
	c := v.world.dialAt(v.world.relay)
	defer c.Close()
	s := v.login(c)
	for i := range 5 {
		c.Sign(v.t.Context(), s, v.vote(fmt.Sprintf("%s-%d", name, i)))
		c.Challenge(v.t.Context(), s, client.Challenge{Role: hive.Posting, Text: "honest text"})
		time.Sleep(300 * time.Millisecond)
	}
}

// rest makes the villain pass everything.
func (v *villain) rest() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.resting = true
}

func (v *villain) registered() bool {
	for _, l := range v.world.agent.Status().Links {
		if strings.Contains(l.Relay, "hostile") && l.Registered == 2 {
			return true
		}
	}
	return false
}

// step does one hostile thing to the agent.
func (v *villain) step() {
	time.Sleep(20 * time.Millisecond) // within the rates, or nothing would come of it
	v.mu.Lock()
	defer v.mu.Unlock()
	v.steps++
	if v.wallet == nil || len(v.requests) == 0 {
		v.did["nothing yet"]++
		return
	}
	among := v.requests
	if v.chance.IntN(4) > 0 { // the latest are of sessions that are not in quarantine yet
		among = among[max(0, len(among)-8):]
	}
	old := among[v.chance.IntN(len(among))]
	attack := attacks[v.chance.IntN(len(attacks))]
	v.did[attack.name]++
	for _, body := range attack.make(v, old) {
		v.wallet.Send(relaytest.ToClient, body)
	}
}

// attacks are what the villain does with a request that it saw.
var attacks = []struct {
	name string
	make func(*villain, relaytest.Frame) [][]byte
}{
	{"flip a bit", func(v *villain, f relaytest.Frame) [][]byte { return v.altered(f, flipBit) }},
	{"flip bits of a block and the next", func(v *villain, f relaytest.Frame) [][]byte {
		return v.altered(f,
			flipPair)
	}},
	{"cut blocks off", func(v *villain, f relaytest.Frame) [][]byte { return v.altered(f, cutBlocks) }},
	{"swap blocks", func(v *villain, f relaytest.Frame) [][]byte { return v.altered(f, swapBlocks) }},
	{"another salt", func(v *villain, f relaytest.Frame) [][]byte { return v.altered(f, otherSalt) }},
	{"replay", func(v *villain, f relaytest.Frame) [][]byte { return [][]byte{f.Body} }},
	{"replay as another", func(v *villain, f relaytest.Frame) [][]byte { return v.with(f, "uuid", v.uuid()) }},
	{"replay twice at once", func(v *villain, f relaytest.Frame) [][]byte {
		twin := v.with(f, "uuid", v.uuid())[0]
		return [][]byte{twin, twin, v.with(f, "uuid", v.uuid())[0]}
	}},
	{"another account", func(v *villain, f relaytest.Frame) [][]byte {
		return v.with(f, "uuid", v.uuid(), "account", []string{"carol", "mallory", "Alice", "bob"}[v.chance.IntN(4)])
	}},
	{"another kind", func(v *villain, f relaytest.Frame) [][]byte {
		return v.with(f, "uuid", v.uuid(), "cmd", []string{"sign_req", "challenge_req", "auth_req"}[v.chance.IntN(3)])
	}},
	{"its own answer as a request", (*villain).mirrored},
	{"auth_key of one, data of another", func(v *villain, f relaytest.Frame) [][]byte {
		other := said(v.requests[v.chance.IntN(len(v.requests))].Body)
		return v.with(f, "uuid", v.uuid(), "cmd", "auth_req", "auth_key", other["auth_key"])
	}},
	{"a foreign request", func(v *villain, f relaytest.Frame) [][]byte {
		return v.with(f, "uuid", v.uuid(), "data", relaytest.Seal("a key of nobody here",
			`{"key_type":"posting","ops":[],"broadcast":true}`))
	}},
	{"a uuid that is a request", func(v *villain, f relaytest.Frame) [][]byte {
		return v.with(f, "uuid", `{"key_type":"active","ops":[["transfer",{}]],"broadcast":true,`+
			`"nonce":9000000000000000}`)
	}},
	{"a uuid of other form", func(v *villain, f relaytest.Frame) [][]byte {
		return v.with(f, "uuid", []any{"", "x", strings.Repeat("a", 36), v.uuid() + " ", 7, nil,
			strings.Repeat("1", 1<<16)}[v.chance.IntN(7)])
	}},
	{"a lie in expire", func(v *villain, f relaytest.Frame) [][]byte {
		return v.with(f, "uuid", v.uuid(), "expire", []any{0, -1, int64(1) << 60, "soon", 1e300, nil,
			time.Now().Add(25 * time.Hour).UnixMilli()}[v.chance.IntN(7)])
	}},
	{"another auth_key", func(v *villain, f relaytest.Frame) [][]byte {
		return v.with(f, "uuid", v.uuid(), "auth_key", relaytest.Seal(secret+"?", "a key of the villain"))
	}},
	{"malformed", func(v *villain, f relaytest.Frame) [][]byte {
		all := relaytest.MalformedFrames()
		return [][]byte{all[v.chance.IntN(len(all))]}
	}},
	{"broken JSON", func(v *villain, f relaytest.Frame) [][]byte {
		body := slices.Clone(f.Body)
		body[v.chance.IntN(len(body))] ^= byte(1 + v.chance.IntN(255))
		return [][]byte{body}
	}},
	{"twice the same member", func(v *villain, f relaytest.Frame) [][]byte {
		return [][]byte{bytes.Replace(f.Body, []byte("{"), []byte(`{"account":"carol",`), 1)}
	}},
	{"a large frame", func(v *villain, f relaytest.Frame) [][]byte {
		if v.chance.IntN(50) > 0 {
			return nil
		}
		return v.with(f, "uuid", v.uuid(), "data", strings.Repeat("QUJD", 120_000))
	}},
	{"too large a frame", func(v *villain, f relaytest.Frame) [][]byte {
		if v.chance.IntN(200) > 0 {
			return nil
		}
		return [][]byte{bytes.Repeat([]byte{' '}, protocol.MaxFrame+1)} // ends the connection
	}},
	{"a flood", func(v *villain, f relaytest.Frame) (all [][]byte) {
		if v.chance.IntN(50) > 0 {
			return nil
		}
		for range 100 {
			all = append(all, v.with(f, "uuid", v.uuid())...)
		}
		return all
	}},
	{"complaints", func(v *villain, f relaytest.Frame) [][]byte {
		return [][]byte{[]byte(`{"cmd":"error","error":"account \"alice\" {\"key_type\":\"active\"}"}`)}
	}},
	{"a second key", func(v *villain, f relaytest.Frame) [][]byte {
		if v.chance.IntN(200) > 0 {
			return nil
		}
		return [][]byte{[]byte(`{"cmd":"key_ack","key":"` + v.second.Public().String() + `"}`)} // ends the connection
	}},
	{"the connection cut", func(v *villain, f relaytest.Frame) [][]byte {
		if v.chance.IntN(200) == 0 {
			v.wallet.Cut()
		}
		return nil
	}},
}

func (v *villain) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", v.chance.Uint32(), v.chance.IntN(1<<16), v.chance.IntN(1<<12),
		v.chance.IntN(1<<12), v.chance.Int64N(1<<48))
}

// with replaces members, given as names and values in turn. The request is made to expire later:
// its old end is past.
func (v *villain) with(f relaytest.Frame, members ...any) [][]byte {
	set := map[string]any{"expire": time.Now().Add(time.Minute).UnixMilli()}
	for i := 0; i < len(members); i += 2 {
		set[members[i].(string)] = members[i+1]
	}
	return [][]byte{f.With(set).Body}
}

// altered changes the sealed data, under the old uuid or a new one.
func (v *villain) altered(f relaytest.Frame, change func(*villain, []byte) []byte) [][]byte {
	text, _ := said(f.Body)["data"].(string)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) < 48 {
		return nil
	}
	uuid := f.UUID
	if v.chance.IntN(4) > 0 {
		uuid = v.uuid()
	}
	return v.with(f, "uuid", uuid, "data", base64.StdEncoding.EncodeToString(change(v, raw)))
}

func flipBit(v *villain, raw []byte) []byte {
	raw[16+v.chance.IntN(len(raw)-16)] ^= 1 << v.chance.IntN(8)
	return raw
}

// flipPair is what there is to do against CBC: a block becomes noise, and the next changes as
// wished. Rarely the noise is text.
func flipPair(v *villain, raw []byte) []byte {
	at := 16 + v.chance.IntN(len(raw)-16)
	raw[at] ^= byte(1 + v.chance.IntN(31)) // a digit becomes another, a letter another
	return raw
}

func cutBlocks(v *villain, raw []byte) []byte {
	blocks := (len(raw) - 16) / 16
	return raw[:16+16*(1+v.chance.IntN(blocks))]
}

func swapBlocks(v *villain, raw []byte) []byte {
	blocks := (len(raw) - 16) / 16
	i, j := 16+16*v.chance.IntN(blocks), 16+16*v.chance.IntN(blocks)
	for k := range 16 {
		raw[i+k], raw[j+k] = raw[j+k], raw[i+k]
	}
	return raw
}

func otherSalt(v *villain, raw []byte) []byte {
	raw[8+v.chance.IntN(8)] ^= 1
	return raw
}

// mirrored gives the agent something back that it sealed itself (HAS §13.2).
func (v *villain) mirrored(f relaytest.Frame) [][]byte {
	if len(v.replies) == 0 {
		return nil
	}
	reply := said(v.replies[v.chance.IntN(len(v.replies))].Body)
	data, ok := reply["data"].(string)
	if !ok {
		data, _ = reply["error"].(string)
	}
	body, err := json.Marshal(map[string]any{
		"cmd": []string{"sign_req", "challenge_req", "auth_req"}[v.chance.IntN(3)], "account": "alice",
		"uuid": v.uuid(),
		"data": data, "expire": time.Now().Add(time.Minute).UnixMilli(),
	})
	if err != nil {
		return nil
	}
	return [][]byte{body}
}
