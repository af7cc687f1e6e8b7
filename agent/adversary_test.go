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
	"pksa/agent/probe"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// adversary owns a relay. It names a key of its own to the agent, so that it can read every proof,
// keeps whatever it saw, and says what it likes.
type adversary struct {
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

func newAdversary(seed uint64) *adversary {
	return &adversary{
		chance: rand.New(rand.NewPCG(seed, 7)), key: hive.PrivateKeyFromSeed("adversary"),
		second: hive.PrivateKeyFromSeed("adversary again"),
		did:    map[string]int{},
	}
}

// fault stands on all wires of the hostile relay. What is sent is decided under the lock, and sent
// without it: a wallet that reads at its rate keeps a sender waiting, and all others would wait
// too.
func (adv *adversary) fault(w *relaytest.Wire, f relaytest.Frame) {
	adv.mu.Lock()
	send := adv.decide(w, f)
	adv.mu.Unlock()
	send()
}

// decide returns what is done with a frame.
func (adv *adversary) decide(w *relaytest.Wire, f relaytest.Frame) func() {
	switch {
	case f.To == relaytest.ToClient && f.Cmd == "key_ack":
		key, _ := said(f.Body)["key"].(string)
		if theirs, err := hive.ParsePublicKey(key); err == nil {
			adv.theirs = theirs
		}
		return func() { w.Pass(f.With(map[string]any{"key": adv.key.Public().String()})) }
	case f.To == relaytest.ToRelay && f.Cmd == "register_req":
		adv.wallet = w
		adv.look(f)
		return adv.register(w, f)
	case f.To == relaytest.ToRelay && w == adv.wallet && f.UUID != "":
		adv.look(f)
		adv.keep(&adv.replies, f)
		return adv.forward(w, f)
	case f.To == relaytest.ToClient && w == adv.wallet && strings.HasSuffix(f.Cmd, "_req") && f.UUID != "":
		adv.keep(&adv.requests, f)
		return adv.deliver(w, f)
	}
	return func() { w.Pass(f) }
}

// register passes a registration on with proofs that the honest part of the relay can read: those
// that the agent made are for the adversary's key.
func (adv *adversary) register(w *relaytest.Wire, f relaytest.Frame) func() {
	accounts, _ := said(f.Body)["accounts"].([]any)
	for _, a := range accounts {
		entry := a.(map[string]any)
		proof := adv.proof(entry["name"], entry["pok"])
		entry["pok"], entry["challenge"] = proof, proof
	}
	return func() { w.Pass(f.With(map[string]any{"accounts": accounts})) }
}

func (adv *adversary) forward(w *relaytest.Wire, f relaytest.Frame) func() {
	proof := adv.proof("alice", said(f.Body)["pok"])
	return func() { w.Pass(f.With(map[string]any{"pok": proof})) }
}

// proof is one for the honest part of the relay. The test knows all keys.
func (adv *adversary) proof(account, pok any) string {
	name, _ := account.(string)
	text, _ := pok.(string)
	clear, err := adv.key.DecodeMemo(text)
	if err != nil {
		return ""
	}
	proof, err := keyOf(hive.AccountName(name), hive.Memo).EncodeMemo(adv.theirs, "#"+strings.TrimPrefix(clear, "#"), 1)
	if err != nil {
		adv.t.Error(err)
	}
	return proof
}

// deliver passes a request on, most of the time, and sometimes late, twice or never.
func (adv *adversary) deliver(w *relaytest.Wire, f relaytest.Frame) func() {
	how := (*relaytest.Wire).Pass
	if !adv.resting {
		switch adv.chance.IntN(6) {
		case 0:
			return func() {}
		case 1:
			how = relaytest.Delay(time.Duration(adv.chance.IntN(90)) * time.Second)
		case 2:
			how = relaytest.Duplicate(2)
		case 3:
			how = relaytest.Replay(time.Duration(adv.chance.IntN(600)) * time.Second)
		}
	}
	return func() { how(w, f) }
}

func (adv *adversary) keep(list *[]relaytest.Frame, f relaytest.Frame) {
	*list = append(*list, f)
	if len(*list) > 512 {
		*list = slices.Delete(*list, 0, adv.chance.IntN(256))
	}
}

var (
	uuidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	timeForm = regexp.MustCompile(`^[0-9]{12,13}$`) // ms; the clock of a bubble begins in the year 2000
	idForm   = regexp.MustCompile(`^[0-9a-f]{40}$`)
)

// reasons are all that a nack may say in clear.
var reasons = []string{protocol.TextRefused, protocol.TextInvalid, protocol.TextNonce, protocol.TextNotSupported,
	protocol.TextBusy, protocol.TextInternal, protocol.TextSessionExpired, protocol.TextBroadcastCredits,
	protocol.TextBroadcastBalance, protocol.TextBroadcastAuthority, protocol.TextBroadcastExpired,
	protocol.TextBroadcastRejected, protocol.TextBroadcastNoNode}

// look reads what the agent says as the adversary does, with its own key, and as its victims do.
func (adv *adversary) look(f relaytest.Frame) {
	object := said(f.Body)
	if accounts, ok := object["accounts"].([]any); ok {
		for _, a := range accounts {
			adv.lookProof(a.(map[string]any)["pok"], timeForm)
		}
		return
	}
	adv.lookProof(object["pok"], uuidForm)
	if !uuidForm.MatchString(f.UUID) {
		adv.t.Errorf("the agent answers a request with the uuid %q", f.UUID)
	}
	adv.answers++
	for _, member := range []string{"data", "error"} {
		text, ok := object[member].(string)
		switch {
		case ok && member == "error" && strings.HasSuffix(f.Cmd, "_nack"):
			if !slices.Contains(reasons, text) {
				adv.t.Errorf("%s: the reason is %q", f.Cmd, text)
			}
		case ok:
			adv.lookSealed(f.Cmd, text)
		}
	}
}

// lookProof: a proof says a uuid or a time and nothing else, and is made with the lowest key.
func (adv *adversary) lookProof(pok any, form *regexp.Regexp) {
	text, _ := pok.(string)
	header, err := hive.ParseMemo(text)
	if err != nil {
		adv.t.Errorf("proof %q: %v", text, err)
		return
	}
	if header.From != keyOf("alice", hive.Memo).Public() && header.From != keyOf("carol", hive.Memo).Public() {
		adv.t.Errorf("a proof was made with the key %s, which is not the lowest", header.From)
	}
	clear, err := adv.key.DecodeMemo(text)
	if err != nil {
		clear, err = adv.second.DecodeMemo(text)
	}
	if err != nil || !form.MatchString(strings.TrimPrefix(clear, "#")) {
		adv.t.Errorf("a proof says %q, %v", clear, err)
	}
	adv.proofs++
}

// lookSealed: what is sealed for an application is a uuid, a fixed text, or an answer that is true.
// None of it is a request.
func (adv *adversary) lookSealed(cmd, data string) {
	if cmd == "sign_ack" || cmd == "auth_err" {
		return // not sealed
	}
	if probe.Marked(data) {
		m, err := probe.Open(adv.world.keys.ProbeSealer(), "alice", data)
		if err != nil {
			m, err = probe.Open(adv.world.keys.ProbeSealer(), "carol", data)
		}
		if err != nil || cmd != "challenge_ack" || !m.Answer {
			adv.t.Errorf("%s: answers a probe with %+v, %v", cmd, m, err)
		}
		return
	}
	// A wrong key opens one text in some thousands, too, by chance: the text counts of which
	// nothing is wrong.
	wrong := "none of the victims can open it"
	for key := range adv.keys {
		clear, err := relaytest.Open(key, data)
		if err != nil {
			continue
		}
		if wrong = wrongWith(cmd, clear); wrong == "" {
			return
		}
	}
	adv.t.Errorf("%s: %s", cmd, wrong)
}

// wrongWith returns what is wrong with the clear text of an answer, or "".
func wrongWith(cmd, clear string) string {
	fixed := []string{protocol.TextBroadcastCredits, protocol.TextBroadcastBalance, protocol.TextBroadcastAuthority,
		protocol.TextBroadcastExpired, protocol.TextBroadcastRejected, protocol.TextBroadcastNoNode,
		protocol.TextInternal}
	if _, err := protocol.DecodeSignReqData([]byte(clear)); err == nil {
		return "the agent sealed what is a request: " + clear
	}
	switch {
	case strings.HasSuffix(cmd, "_nack") && uuidForm.MatchString(clear):
	case strings.HasSuffix(cmd, "_err") && slices.Contains(fixed, clear):
	case strings.HasPrefix(clear, protocol.TextBroadcastUncertain+" ") &&
		idForm.MatchString(clear[len(protocol.TextBroadcastUncertain)+1:]):
	case cmd == "challenge_ack":
		answer, err := protocol.DecodeChallengeAckData([]byte(clear))
		var signature hive.Signature
		if err == nil {
			signature, err = hive.ParseSignature(string(answer.Challenge))
		}
		if err != nil || !signature.Verify(hive.HashText("honest text"), answer.PubKey) {
			return fmt.Sprintf("a signature of something else: %s, %v", clear, err)
		}
	case cmd == "auth_ack":
		if _, err := protocol.DecodeAuthAckData([]byte(clear)); err != nil {
			return err.Error()
		}
	default:
		return fmt.Sprintf("it holds %q", clear)
	}
	return ""
}

// vote is a request that an application makes, noted before it is made.
func (adv *adversary) vote(permlink string) client.SignRequest {
	adv.mu.Lock()
	defer adv.mu.Unlock()
	adv.asked[permlink] = 0
	return vote(permlink)
}

// login opens a session, as often as it takes.
func (adv *adversary) login(c *client.Client) *client.Session {
	for {
		s := client.NewSession("alice", "")
		adv.mu.Lock()
		adv.logins++
		adv.keys[s.AuthKey()] = true
		adv.mu.Unlock()
		if _, err := c.Authenticate(adv.t.Context(), client.Auth{Account: "alice", Session: s,
			Secret: secret}); err == nil {
			return s
		}
		time.Sleep(time.Second)
	}
}

// victims are applications that know no better than to use the hostile relay. Their sessions get
// into quarantine, so they begin new ones.
func (adv *adversary) victims(stop <-chan struct{}, ended chan<- struct{}) {
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
					adv.victim(fmt.Sprintf("victim-%d-%d", n, i))
				}
			}
		})
	}
}

// victim logs in, asks for this and that, and goes away. What it hears is of no concern here.
func (adv *adversary) victim(name string) {
	c := adv.world.dialAt(adv.world.relay)
	defer c.Close()
	s := adv.login(c)
	for i := range 5 {
		c.Sign(adv.t.Context(), s, adv.vote(fmt.Sprintf("%s-%d", name, i)))
		c.Challenge(adv.t.Context(), s, client.Challenge{Role: hive.Posting, Text: "honest text"})
		time.Sleep(300 * time.Millisecond)
	}
}

// rest makes the adversary pass everything.
func (adv *adversary) rest() {
	adv.mu.Lock()
	defer adv.mu.Unlock()
	adv.resting = true
}

func (adv *adversary) registered() bool {
	for _, l := range adv.world.agent.Status().Links {
		if strings.Contains(l.Relay, "hostile") && l.Registered == 2 {
			return true
		}
	}
	return false
}

// step does one hostile thing to the agent.
func (adv *adversary) step() {
	time.Sleep(20 * time.Millisecond) // within the rates, or nothing would come of it
	wallet, frames := adv.attack()
	for _, body := range frames {
		wallet.Send(relaytest.ToClient, body)
	}
}

// attack decides what the next hostile thing is.
func (adv *adversary) attack() (*relaytest.Wire, [][]byte) {
	adv.mu.Lock()
	defer adv.mu.Unlock()
	adv.steps++
	if adv.wallet == nil || len(adv.requests) == 0 {
		adv.did["nothing yet"]++
		return nil, nil
	}
	among := adv.requests
	if adv.chance.IntN(4) > 0 { // the latest are of sessions that are not in quarantine yet
		among = among[max(0, len(among)-8):]
	}
	old := among[adv.chance.IntN(len(among))]
	attack := attacks[adv.chance.IntN(len(attacks))]
	adv.did[attack.name]++
	return adv.wallet, attack.make(adv, old)
}

// attacks are what the adversary does with a request that it saw.
var attacks = []struct {
	name string
	make func(*adversary, relaytest.Frame) [][]byte
}{
	{"flip a bit", func(adv *adversary, f relaytest.Frame) [][]byte { return adv.altered(f, flipBit) }},
	{"flip bits of a block and the next", func(adv *adversary, f relaytest.Frame) [][]byte {
		return adv.altered(f,
			flipPair)
	}},
	{"cut blocks off", func(adv *adversary, f relaytest.Frame) [][]byte { return adv.altered(f, cutBlocks) }},
	{"swap blocks", func(adv *adversary, f relaytest.Frame) [][]byte { return adv.altered(f, swapBlocks) }},
	{"another salt", func(adv *adversary, f relaytest.Frame) [][]byte { return adv.altered(f, otherSalt) }},
	{"replay", func(adv *adversary, f relaytest.Frame) [][]byte { return [][]byte{f.Body} }},
	{"replay as another", func(adv *adversary, f relaytest.Frame) [][]byte { return adv.with(f, "uuid", adv.uuid()) }},
	{"replay twice at once", func(adv *adversary, f relaytest.Frame) [][]byte {
		twin := adv.with(f, "uuid", adv.uuid())[0]
		return [][]byte{twin, twin, adv.with(f, "uuid", adv.uuid())[0]}
	}},
	{"another account", func(adv *adversary, f relaytest.Frame) [][]byte {
		return adv.with(f, "uuid", adv.uuid(), "account", []string{"carol", "mallory", "Alice",
			"bob"}[adv.chance.IntN(4)])
	}},
	{"another kind", func(adv *adversary, f relaytest.Frame) [][]byte {
		return adv.with(f, "uuid", adv.uuid(), "cmd", []string{"sign_req", "challenge_req",
			"auth_req"}[adv.chance.IntN(3)])
	}},
	{"its own answer as a request", (*adversary).mirrored},
	{"auth_key of one, data of another", func(adv *adversary, f relaytest.Frame) [][]byte {
		other := said(adv.requests[adv.chance.IntN(len(adv.requests))].Body)
		return adv.with(f, "uuid", adv.uuid(), "cmd", "auth_req", "auth_key", other["auth_key"])
	}},
	{"a foreign request", func(adv *adversary, f relaytest.Frame) [][]byte {
		return adv.with(f, "uuid", adv.uuid(), "data", relaytest.Seal("a key of nobody here",
			`{"key_type":"posting","ops":[],"broadcast":true}`))
	}},
	{"a uuid that is a request", func(adv *adversary, f relaytest.Frame) [][]byte {
		return adv.with(f, "uuid", `{"key_type":"active","ops":[["transfer",{}]],"broadcast":true,`+
			`"nonce":9000000000000000}`)
	}},
	{"a uuid of other form", func(adv *adversary, f relaytest.Frame) [][]byte {
		return adv.with(f, "uuid", []any{"", "x", strings.Repeat("a", 36), adv.uuid() + " ", 7, nil,
			strings.Repeat("1", 1<<16)}[adv.chance.IntN(7)])
	}},
	{"a lie in expire", func(adv *adversary, f relaytest.Frame) [][]byte {
		return adv.with(f, "uuid", adv.uuid(), "expire", []any{0, -1, int64(1) << 60, "soon", 1e300, nil,
			time.Now().Add(25 * time.Hour).UnixMilli()}[adv.chance.IntN(7)])
	}},
	{"another auth_key", func(adv *adversary, f relaytest.Frame) [][]byte {
		return adv.with(f, "uuid", adv.uuid(), "auth_key", relaytest.Seal(secret+"?", "a key of the adversary"))
	}},
	{"malformed", func(adv *adversary, f relaytest.Frame) [][]byte {
		all := relaytest.MalformedFrames()
		return [][]byte{all[adv.chance.IntN(len(all))]}
	}},
	{"broken JSON", func(adv *adversary, f relaytest.Frame) [][]byte {
		body := slices.Clone(f.Body)
		body[adv.chance.IntN(len(body))] ^= byte(1 + adv.chance.IntN(255))
		return [][]byte{body}
	}},
	{"twice the same member", func(adv *adversary, f relaytest.Frame) [][]byte {
		return [][]byte{bytes.Replace(f.Body, []byte("{"), []byte(`{"account":"carol",`), 1)}
	}},
	{"a large frame", func(adv *adversary, f relaytest.Frame) [][]byte {
		if adv.chance.IntN(50) > 0 {
			return nil
		}
		return adv.with(f, "uuid", adv.uuid(), "data", strings.Repeat("QUJD", 120_000))
	}},
	{"too large a frame", func(adv *adversary, f relaytest.Frame) [][]byte {
		if adv.chance.IntN(200) > 0 {
			return nil
		}
		return [][]byte{bytes.Repeat([]byte{' '}, protocol.MaxFrame+1)} // ends the connection
	}},
	{"a flood", func(adv *adversary, f relaytest.Frame) (all [][]byte) {
		if adv.chance.IntN(50) > 0 {
			return nil
		}
		for range 100 {
			all = append(all, adv.with(f, "uuid", adv.uuid())...)
		}
		return all
	}},
	{"complaints", func(adv *adversary, f relaytest.Frame) [][]byte {
		return [][]byte{[]byte(`{"cmd":"error","error":"account \"alice\" {\"key_type\":\"active\"}"}`)}
	}},
	{"a second key", func(adv *adversary, f relaytest.Frame) [][]byte {
		if adv.chance.IntN(200) > 0 {
			return nil
		}
		return [][]byte{[]byte(`{"cmd":"key_ack","key":"` + adv.second.Public().String() + `"}`)} // ends the connection
	}},
	{"the connection cut", func(adv *adversary, f relaytest.Frame) [][]byte {
		if adv.chance.IntN(200) == 0 {
			adv.wallet.Cut()
		}
		return nil
	}},
}

func (adv *adversary) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-8%03x-%012x", adv.chance.Uint32(), adv.chance.IntN(1<<16),
		adv.chance.IntN(1<<12),
		adv.chance.IntN(1<<12), adv.chance.Int64N(1<<48))
}

// with replaces members, given as names and values in turn. The request is made to expire later:
// its old end is past.
func (adv *adversary) with(f relaytest.Frame, members ...any) [][]byte {
	set := map[string]any{"expire": time.Now().Add(time.Minute).UnixMilli()}
	for i := 0; i < len(members); i += 2 {
		set[members[i].(string)] = members[i+1]
	}
	return [][]byte{f.With(set).Body}
}

// altered changes the sealed data, under the old uuid or a new one.
func (adv *adversary) altered(f relaytest.Frame, change func(*adversary, []byte) []byte) [][]byte {
	text, _ := said(f.Body)["data"].(string)
	raw, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(raw) < 48 {
		return nil
	}
	uuid := f.UUID
	if adv.chance.IntN(4) > 0 {
		uuid = adv.uuid()
	}
	return adv.with(f, "uuid", uuid, "data", base64.StdEncoding.EncodeToString(change(adv, raw)))
}

func flipBit(adv *adversary, raw []byte) []byte {
	raw[16+adv.chance.IntN(len(raw)-16)] ^= 1 << adv.chance.IntN(8)
	return raw
}

// flipPair is what there is to do against CBC: a block becomes noise, and the next changes as
// wished. Rarely the noise is text.
func flipPair(adv *adversary, raw []byte) []byte {
	at := 16 + adv.chance.IntN(len(raw)-16)
	raw[at] ^= byte(1 + adv.chance.IntN(31)) // a digit becomes another, a letter another
	return raw
}

func cutBlocks(adv *adversary, raw []byte) []byte {
	blocks := (len(raw) - 16) / 16
	return raw[:16+16*(1+adv.chance.IntN(blocks))]
}

func swapBlocks(adv *adversary, raw []byte) []byte {
	blocks := (len(raw) - 16) / 16
	i, j := 16+16*adv.chance.IntN(blocks), 16+16*adv.chance.IntN(blocks)
	for k := range 16 {
		raw[i+k], raw[j+k] = raw[j+k], raw[i+k]
	}
	return raw
}

func otherSalt(adv *adversary, raw []byte) []byte {
	raw[8+adv.chance.IntN(8)] ^= 1
	return raw
}

// mirrored gives the agent something back that it sealed itself (HAS §13.2).
func (adv *adversary) mirrored(f relaytest.Frame) [][]byte {
	if len(adv.replies) == 0 {
		return nil
	}
	reply := said(adv.replies[adv.chance.IntN(len(adv.replies))].Body)
	data, ok := reply["data"].(string)
	if !ok {
		data, _ = reply["error"].(string)
	}
	body, err := json.Marshal(map[string]any{
		"cmd": []string{"sign_req", "challenge_req", "auth_req"}[adv.chance.IntN(3)], "account": "alice",
		"uuid": adv.uuid(),
		"data": data, "expire": time.Now().Add(time.Minute).UnixMilli(),
	})
	if err != nil {
		return nil
	}
	return [][]byte{body}
}
