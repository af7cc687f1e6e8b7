package protocol_test

import (
	"errors"
	"strings"
	"testing"

	"pksa/protocol"
	"pksa/protocol/hive"
)

// TestEncode fixes the bytes: members in the order of the tables of HAS §4, absent ones left out.
func TestEncode(t *testing.T) {
	key, err := hive.ParsePublicKey(testKey)
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	id := strings.Repeat("ab", 20)
	u := `"uuid":"` + testUUID + `"`
	cases := []struct {
		m    protocol.Message
		want string
	}{
		{protocol.Connected{TimeoutSeconds: 60, Version: "1.2", Protocol: 1, Server: "s", SocketID: "i",
			PingRateSeconds: 30},
			`{"cmd":"connected","timeout":60,"version":"1.2","protocol":1,"server":"s","socketid":"i","ping_rate":30}`},
		{protocol.Connected{TimeoutSeconds: 60, Protocol: 0.8}, `{"cmd":"connected","timeout":60,"protocol":0.8}`},
		{protocol.ErrorMessage{Text: "<é>\n"}, `{"cmd":"error","error":"<é>\n"}`},
		{protocol.Ping{}, `ping`},
		{protocol.KeyReq{}, `{"cmd":"key_req"}`},
		{protocol.KeyAck{Key: key}, `{"cmd":"key_ack","key":"` + testKey + `"}`},
		{protocol.RegisterReq{App: "a", Accounts: []protocol.RegisterAccount{{Name: "alice", PoK: "#p", KeyType: "memo",
			Challenge: "#p"}, {Name: "bob"}}},
			`{"cmd":"register_req","app":"a","accounts":[{"name":"alice","pok":"#p","key_type":"memo",` +
				`"challenge":"#p"},{"name":"bob"}]}`},
		{protocol.RegisterAck{Account: "alice"}, `{"cmd":"register_ack","account":"alice"}`},
		{protocol.Request{Kind: protocol.Auth, Account: "alice", Data: "d", AuthKey: "k", Token: "t"},
			`{"cmd":"auth_req","account":"alice","data":"d","auth_key":"k","token":"t"}`},
		{protocol.Request{Kind: protocol.Sign, Account: "alice", Data: "d", UUID: testUUID, Expire: 5},
			`{"cmd":"sign_req","account":"alice","data":"d",` + u + `,"expire":5}`},
		{protocol.Wait{Kind: protocol.Auth, UUID: testUUID, Expire: 5, Account: "alice"}, `{"cmd":"auth_wait",` + u +
			`,"expire":5,"account":"alice"}`},
		{protocol.BareWait{Kind: protocol.Sign}, `{"cmd":"sign_wait"}`},
		{protocol.Ack{Kind: protocol.Challenge, UUID: testUUID, Data: []byte("d"), PoK: "#p"},
			`{"cmd":"challenge_ack",` + u + `,"data":"d","pok":"#p"}`},
		{protocol.BroadcastAck(testUUID, id), `{"cmd":"sign_ack",` + u + `,"data":"` + id + `","broadcast":true}`},
		{signedAck([]byte(`{"b": 1, "a":"\u0061"}`)), `{"cmd":"sign_ack",` + u +
			`,"data":{"b": 1, "a":"\u0061"},"broadcast":false}`},
		{protocol.Ack{Kind: protocol.Sign, UUID: testUUID, Data: []byte(`"x"`)}, `{"cmd":"sign_ack",` + u +
			`,"data":"x"}`},
		{protocol.Nack{Kind: protocol.Sign, UUID: testUUID, Data: "d", Error: protocol.TextRefused, PoK: "#p"},
			`{"cmd":"sign_nack",` + u + `,"data":"d","error":"request refused","pok":"#p"}`},
		{protocol.Nack{Kind: protocol.Auth, UUID: testUUID}, `{"cmd":"auth_nack",` + u + `}`},
		{protocol.Err{Kind: protocol.Auth, UUID: testUUID, Error: protocol.TextAuthFailed, PoK: "#p"},
			`{"cmd":"auth_err",` + u + `,"error":"authentication failed","pok":"#p"}`},
		{protocol.AttachReq{UUID: testUUID}, `{"cmd":"attach_req",` + u + `}`},
		{protocol.AttachAck{UUID: testUUID}, `{"cmd":"attach_ack",` + u + `}`},
		{protocol.AttachNack{UUID: testUUID}, `{"cmd":"attach_nack",` + u + `}`},

		// What no decoder would take is not written.
		{nil, ""},
		{&protocol.KeyReq{}, ""},
		{protocol.Connected{Protocol: -1}, ""},
		{protocol.Connected{TimeoutSeconds: -1}, ""},
		{protocol.Connected{PingRateSeconds: -1}, ""},
		{protocol.ErrorMessage{Text: "\xff"}, ""},
		{protocol.KeyAck{}, ""},
		{protocol.RegisterReq{App: "a"}, ""},
		{protocol.Request{Account: "alice", Data: "d"}, ""},
		{protocol.Request{Kind: 4, Account: "alice", Data: "d"}, ""},
		{protocol.Request{Kind: protocol.Sign, Account: "Alice", Data: "d"}, ""},
		{protocol.Request{Kind: protocol.Sign, Account: "alice"}, ""},
		{protocol.Request{Kind: protocol.Sign, Account: "alice", Data: "d", AuthKey: "k"}, ""},
		{protocol.Request{Kind: protocol.Sign, Account: "alice", Data: "d", UUID: testUUID}, ""},
		{protocol.Request{Kind: protocol.Sign, Account: "alice", Data: "d", Expire: 5}, ""},
		{protocol.Wait{Kind: protocol.Sign, UUID: testUUID}, ""},
		{protocol.BareWait{}, ""},
		{protocol.Ack{Kind: protocol.Auth, UUID: testUUID, Data: []byte("d"), Broadcast: &yes}, ""},
		{protocol.Ack{Kind: protocol.Sign, UUID: testUUID, Data: []byte(id)}, ""},
		{protocol.Ack{Kind: protocol.Sign, UUID: testUUID}, ""},
		{signedAck([]byte(`{},"data":{}`)), ""},
		{signedAck([]byte(`{"a":1,"a":2}`)), ""},
		{signedAck([]byte(`{"a":` + strings.Repeat("[", 31) + strings.Repeat("]", 31) + `}`)), ""},
		{protocol.Nack{Kind: protocol.Auth, UUID: `{"key_type":"active"}`, Data: "d"}, ""},
		{protocol.Err{Kind: protocol.Auth}, ""},
		{protocol.AttachReq{}, ""},
	}
	for _, c := range cases {
		frame, err := protocol.Encode(c.m)
		if string(frame) != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%T:\ngot  %s, %v\nwant %s", c.m, frame, err, c.want)
		}
	}
}

func TestEncodeBound(t *testing.T) {
	empty, err := protocol.Encode(protocol.ErrorMessage{})
	if err != nil {
		t.Fatal(err)
	}
	room := protocol.MaxSend - len(empty)
	if frame, err := protocol.Encode(protocol.ErrorMessage{Text: strings.Repeat("x", room)}); err != nil ||
		len(frame) != protocol.MaxSend {
		t.Errorf("%d bytes, %v", len(frame), err)
	}
	frame, err := protocol.Encode(protocol.ErrorMessage{Text: strings.Repeat("x", room+1)})
	if !errors.Is(err, protocol.ErrFrameTooLarge) || frame != nil {
		t.Errorf("%d bytes, %v", len(frame), err)
	}
}

func TestTransactionID(t *testing.T) {
	id := strings.Repeat("aB", 20)
	for data, want := range map[string]string{
		`"` + id + `"`:                      strings.ToLower(id),
		`"\u0061` + id[1:] + `"`:            strings.ToLower(id),
		`"` + id + `0"`:                     "",
		`"` + id[1:] + `"`:                  "",
		`"` + id[1:] + `g"`:                 "",
		`{"ref_block_num":1}`:               "",
		"":                                  "",
		`"` + strings.Repeat("é", 20) + `"`: "",
	} {
		ack := protocol.Ack{Kind: protocol.Sign, Data: []byte(data)}
		if got, ok := ack.TransactionID(); got != want || ok != (want != "") {
			t.Errorf("%s: %q, %t", data, got, ok)
		}
	}
	sealed := protocol.Ack{Kind: protocol.Auth, Data: []byte(`"` + id + `"`)}
	if _, ok := sealed.TransactionID(); ok {
		t.Error("an auth_ack names a transaction")
	}
	if _, ok := sealed.SignedTransaction(); ok {
		t.Error("an auth_ack carries a transaction")
	}
}

// signedAck returns the answer of a wallet that has signed a transaction and not sent it.
func signedAck(transaction []byte) protocol.Ack {
	broadcast := false
	return protocol.Ack{Kind: protocol.Sign, UUID: testUUID, Data: transaction, Broadcast: &broadcast}
}
