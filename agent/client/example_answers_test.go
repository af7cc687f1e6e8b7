package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"pksa/agent/client"
	"pksa/agent/relay/relaytest"
	"pksa/protocol"
	"pksa/protocol/hive"
)

// A bot decides by the error whether to ask again. Only ErrNothingDone says that a second request
// cannot do the same thing twice; the reason says whether it would help.
func ExampleErrNothingDone() {
	// The wallet says that the account has not enough resource credits.
	err := exampleSign(func(w *world, req protocol.Request) protocol.Message {
		return relaytest.Nack(req, w.authKey, protocol.TextBroadcastCredits)
	})
	switch {
	case errors.Is(err, client.ErrNothingDone) && errors.Is(err, client.ErrCredits):
		fmt.Println("asking again in an hour")
	case errors.Is(err, client.ErrNothingDone):
		fmt.Println("a person must look at it:", err)
	default:
		fmt.Println("looking at the chain first:", err)
	}
	// Output: asking again in an hour
}

// A relay can say no in the place of the wallet, or hand over the refusal of another request. Then
// the request may have been carried out.
func ExampleRefusedError_unverified() {
	err := exampleSign(func(w *world, req protocol.Request) protocol.Message {
		return protocol.Nack{Kind: req.Kind, UUID: req.UUID, Error: "Request was canceled by the user."}
	})
	var refused *client.RefusedError
	if errors.As(err, &refused) {
		fmt.Println(refused.Text, refused.Verified, errors.Is(err, client.ErrNothingDone))
	}
	// Output: Request was canceled by the user. false false
}

// The reason of a failure is an error of its own, and as text in FailedError.
func ExampleFailedError() {
	err := exampleSign(func(w *world, req protocol.Request) protocol.Message {
		return relaytest.Nack(req, w.authKey, protocol.TextBroadcastRejected)
	})
	var failed *client.FailedError
	if errors.As(err, &failed) {
		fmt.Println(failed.Text)
		fmt.Println("the operations are the reason:", errors.Is(err, client.ErrRejected))
		fmt.Println("no block will have them:", errors.Is(err, client.ErrBroadcast) && failed.Verified)
	}
	// Output:
	// broadcast failed: rejected by the chain
	// the operations are the reason: true
	// no block will have them: true
}

// The wallet itself does not know what became of the transaction. It names it, and the bot looks
// for it before it asks again.
func ExampleFailedError_TransactionID() {
	err := exampleSign(func(w *world, req protocol.Request) protocol.Message {
		return relaytest.Fail(req, w.authKey, protocol.TextBroadcastUncertain+" "+txID)
	})
	var failed *client.FailedError
	if errors.Is(err, client.ErrUncertain) && errors.As(err, &failed) {
		id, ok := failed.TransactionID()
		fmt.Println("looking for", id, ok)
	}
	// Output: looking for abababababababababababababababababababab true
}

// The client asks again by itself when the wallet is busy. Here the wallet has time at the third
// request.
func ExampleErrBusy() {
	asked := 0
	err := exampleSign(func(w *world, req protocol.Request) protocol.Message {
		if asked++; asked < 3 {
			return relaytest.Nack(req, w.authKey, protocol.TextBusy)
		}
		return protocol.BroadcastAck(req.UUID, txID)
	})
	fmt.Println(asked, "requests, error", err)
	// Output: 3 requests, error <nil>
}

// A kept session is replaced when the wallet says that it has ended, and the request is made once
// more.
func ExampleClient_Keep() {
	ended := true
	relay, stop := exampleRelay(func(w *world, req protocol.Request) protocol.Message {
		if ended {
			ended = false
			return relaytest.Nack(req, w.authKey, protocol.TextSessionExpired)
		}
		return protocol.BroadcastAck(req.UUID, txID)
	})
	defer stop()
	folder, err := os.MkdirTemp("", "bot")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(folder)

	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bot, _ := exampleLogin(ctx, relay) // as in the example of the package
	defer bot.Close()
	kept, err := bot.Keep(ctx, client.Login{
		Account: "alice", Secret: slotSecret, File: filepath.Join(folder, "bot.session"),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	signed, err := kept.Sign(ctx, vote(100))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent as", signed.ID)
	// Output: sent as abababababababababababababababababababab
}

// A proof that was signed is checked by its signature. Of a decrypted memo, Verified says that the
// text is of this memo, and not of another one.
func ExampleProof() {
	relay, stop := exampleRelay(nil)
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bot, session := exampleLogin(ctx, relay)
	defer bot.Close()

	signed, err := bot.Challenge(ctx, session, client.Challenge{Role: hive.Posting, Text: "log in to example.com"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("signed by alice:", signed.Key == alice.Public())

	memo, err := mallory.EncodeMemo(alice.Public(), "#for alice only", 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	opened, err := bot.Challenge(ctx, session, client.Challenge{Role: hive.Memo, Text: memo, Decrypt: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(opened.Text), opened.Verified)
	// Output:
	// signed by alice: true
	// for alice only true
}

// A wallet whose policy asks a person answers when that person has. The application tells its user
// meanwhile.
func ExampleWaiting() {
	asked := make(chan struct{})
	relay, stop := exampleRelay(func(w *world, req protocol.Request) protocol.Message {
		<-asked // the person says yes after the user was told to look
		return protocol.BroadcastAck(req.UUID, txID)
	})
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bot, err := client.Dial(ctx, client.Options{
		Relay: relay.URL, DialContext: relay.DialContext, App: protocol.AppInfo{Name: "votebot"},
		WaitingAfter: 50 * time.Millisecond, // leave out for two seconds
		Waiting: func(_ context.Context, w client.Waiting) {
			if w.Kind != protocol.Sign {
				return
			}
			fmt.Printf("look at the wallet of %s within %d s\n", w.Account,
				int(time.Until(w.Until).Round(time.Minute).Seconds()))
			close(asked)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer bot.Close()
	grant, err := bot.Authenticate(ctx, client.Auth{Account: "alice", Secret: slotSecret})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err = bot.Sign(ctx, grant.Session, vote(100)); err == nil {
		fmt.Println("and it was sent")
	}
	// Output:
	// look at the wallet of alice within 60 s
	// and it was sent
}

// exampleSign makes one request to a wallet that answers it in a certain way.
func exampleSign(answer func(*world, protocol.Request) protocol.Message) error {
	relay, stop := exampleRelay(answer)
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	bot, session := exampleLogin(ctx, relay)
	defer bot.Close()
	_, err := bot.Sign(ctx, session, vote(100))
	return err
}
