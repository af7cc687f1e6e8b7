package pg

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestConnectTakesSeconds: a server that says nothing is waited for as long, and no longer.
func TestConnectTakesSeconds(t *testing.T) {
	for after, entered := range map[time.Duration]bool{connectTime - 1: true, connectTime + 1: false,
		2 * connectTime: false} {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				defer theirs.Close()
				back := pgproto3.NewBackend(theirs, theirs)
				if _, err := back.ReceiveStartupMessage(); err != nil {
					return
				}
				time.Sleep(after)
				back.Send(&pgproto3.AuthenticationOk{})
				back.Send(isReady)
				_ = back.Flush()
			}()
			begun := time.Now()
			c, err := connect(t.Context(), Options{Address: Address{Host: "127.0.0.1", User: "wallet", Database: "x"}},
				func(context.Context, string, string) (net.Conn, error) { return ours, nil })
			if (err == nil) != entered || time.Since(begun) > connectTime {
				t.Errorf("a server that says nothing for %v: %v after %v", after, err, time.Since(begun))
			}
			if err == nil {
				_ = c.Close()
			}
			<-ended
		})
	}
}
