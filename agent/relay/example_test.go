package relay_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/coder/websocket"

	"pksa/agent/relay"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// A relay listens on this machine, for the wallets of one account, until it is told to stop.
func ExampleRelay_Serve() {
	key := hive.PrivateKeyFromSeed("example/alice") // in production: the keys of the account on the chain
	r, err := relay.New(relay.Options{
		Server: "127.0.0.1",
		Keys:   relay.FixedKeys(map[hive.AccountName][]hive.PublicKey{"alice": {key.Public()}}),
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- r.Serve(ctx, listener) }()

	greeting, err := greetingOf("ws://" + listener.Addr().String())
	fmt.Println("protocol", greeting.Protocol, "requests live", greeting.TimeoutSeconds, "s", err)
	stop()
	fmt.Println("stopped:", <-stopped)

	// The relay has stopped for good.
	listener, err = net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Serve(context.Background(), listener))
	// Output:
	// protocol 1 requests live 60 s <nil>
	// stopped: <nil>
	// relay is closed
}

// greetingOf connects to a relay as any wallet or application does, and returns its first message.
func greetingOf(url string) (protocol.Connected, error) {
	conn, _, err := websocket.Dial(context.Background(), url, nil)
	if err != nil {
		return protocol.Connected{}, err
	}
	defer conn.CloseNow()
	_, frame, err := conn.Read(context.Background())
	if err != nil {
		return protocol.Connected{}, err
	}
	m, err := protocol.DecodeForApp(frame)
	if err != nil {
		return protocol.Connected{}, err
	}
	greeting, _ := m.(protocol.Connected)
	return greeting, nil
}
