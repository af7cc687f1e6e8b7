// Command fakenode is the chain that the judges play on: a Hive API node in memory that really
// checks what it is sent, with two accounts whose keys derive from passwords, as those of real
// accounts mostly do.
//
// It listens on a free port of this machine, prints its address, and serves until it is stopped.
// Beside the API it answers GET /inspect?holding=TEXT with {"count": N}: how many transactions it
// has accepted whose JSON holds the text.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "fakenode:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	chain := memchain.NewChain(memchain.Options{})
	for name, variable := range map[hive.AccountName]string{"alice": "ALICE_PASSWORD", "bob": "BOB_PASSWORD"} {
		password := os.Getenv(variable)
		if password == "" {
			return fmt.Errorf("%s is not set", variable)
		}
		chain.AddAccount(account(name, password))
	}
	mux := http.NewServeMux()
	mux.Handle("/", chain.NewNode("fakenode"))
	mux.HandleFunc("GET /inspect", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]int{"count": holding(chain, r.FormValue("holding"))})
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", listener.Addr())
	return serve(ctx, listener, mux)
}

// account has the keys that a wallet derives from the password.
func account(name hive.AccountName, password string) memchain.Account {
	key := func(role hive.Role) hive.PublicKey {
		return hive.PrivateKeyFromPassword(name, role, password).Public()
	}
	return memchain.Account{
		Name:    name,
		Owner:   memchain.Single(key(hive.Owner)),
		Active:  memchain.Single(key(hive.Active)),
		Posting: memchain.Single(key(hive.Posting)),
		Memo:    key(hive.Memo),
		HIVE:    1_000_000, // 1,000.000 HIVE
		HBD:     1_000_000,
	}
}

// holding counts the accepted transactions whose JSON holds the text. No text is in none.
func holding(chain *memchain.Chain, text string) (count int) {
	if text == "" {
		return 0
	}
	for _, t := range chain.Transactions() {
		if bytes.Contains(t.JSON, []byte(text)) {
			count++
		}
	}
	return count
}

func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stopped := context.AfterFunc(ctx, func() { server.Close() })
	defer stopped()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
