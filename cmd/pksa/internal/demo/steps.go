package demo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"pksa/agent/client"
	"pksa/agent/node/memchain"
	"pksa/protocol/hive"
)

// play is what one step leaves for the next.
type play struct {
	app     *client.Client
	session *client.Session
	vote    hive.TxID
}

var steps = []step{
	{"start", "The wallet starts", playStart},
	{"login", "The application logs in", playLogin},
	{"challenge", "The application asks for a proof", playChallenge},
	{"vote", "The application asks for a vote, which the policy allows", playVote},
	{"transfer", "The application asks for a transfer, which the policy does not allow", playTransfer},
	{"replay", "The relay turns bad and brings the vote once more", playReplay},
	{"reconnect", "The connection breaks", playReconnect},
}

func playStart(ctx context.Context, d *demo) (err error) {
	if d.world, err = newWorld(ctx); err != nil {
		return err
	}
	w := d.world
	d.explain("It holds keys of the account alice, in an encrypted file. A relay carries messages " +
		"between applications and wallets; it cannot read them.")
	if err := w.registered(ctx); err != nil {
		return err
	}
	d.say("wallet", "relay", "I answer for alice, and this proves that I hold a key of that account")
	d.say("relay", "wallet", "the chain confirms the key: you are registered")
	d.explain("This is the policy: what no rule allows is denied.")
	for _, line := range policyLines() {
		d.explain("%s", "  "+line)
	}
	d.fact("relay", w.relay.URL)
	d.fact("policy_sha256", w.wallet.Agent.Status().Policy.SHA256)
	return nil
}

func playLogin(ctx context.Context, d *demo) (err error) {
	w := d.world
	if d.play.app, err = w.dialApp(ctx); err != nil {
		return err
	}
	grant, err := d.play.app.Authenticate(ctx, client.Auth{Account: account, Secret: w.secret.Reveal()})
	d.say("app", "wallet", "I am demobot, sealed with the secret that I got from you. May I have a session for alice?")
	if err != nil {
		return err
	}
	d.play.session = grant.Session
	d.say("wallet", "app", "yes, until %s (rule %q)", grant.Expires.UTC().Format("2006-01-02 15:04:05Z"), "logins")
	d.fact("expires", grant.Expires.UTC())
	if sessions := w.ledger.SessionsOf(account); len(sessions) != 1 || sessions[0].App != appName {
		return fmt.Errorf("the wallet has %d sessions where it should have one of %s", len(sessions), appName)
	}
	return nil
}

func playChallenge(ctx context.Context, d *demo) error {
	text := "login to the demo as alice at " + time.Now().UTC().Format(time.RFC3339)
	d.say("app", "wallet", "please sign %q with the posting key", text)
	proof, err := d.play.app.Challenge(ctx, d.play.session, client.Challenge{Role: hive.Posting, Text: text})
	if err != nil {
		return err
	}
	if posting := memchain.Key(account, hive.Posting).Public(); !proof.OfAccount || proof.Key != posting ||
		!proof.Signature.Verify(hive.HashText(text), posting) {
		return errors.New("the signature is not by the posting key of alice")
	}
	d.say("wallet", "app", "%.24s… (rule %q)", proof.Signature, "proofs")
	d.explain("The application recovers the key from the signature and finds it among alice's on the chain:")
	d.explain("%s", proof.Key)
	d.fact("text", text)
	d.fact("signature", proof.Signature.String())
	d.fact("key", proof.Key.String())
	return nil
}

// vote asks for a vote and returns once the chain shows it.
func (d *demo) vote(ctx context.Context, permlink string) (hive.TxID, error) {
	signed, err := d.play.app.Sign(ctx, d.play.session, client.SignRequest{Role: hive.Posting,
		Operations: []client.Operation{{
			Name:   "vote",
			Fields: map[string]any{"voter": account, "author": "bob", "permlink": permlink, "weight": 10000},
		}}})
	if err != nil {
		return hive.TxID{}, err
	}
	if n := d.world.onChain(signed.ID); n != 1 || !signed.Confirmed {
		return signed.ID, fmt.Errorf("transaction %s is on the chain %d times", signed.ID, n)
	}
	return signed.ID, nil
}

func playVote(ctx context.Context, d *demo) (err error) {
	d.say("app", "wallet", "please vote for bob's post in the name of alice")
	if d.play.vote, err = d.vote(ctx, "a-post"); err != nil {
		return err
	}
	d.say("wallet", "chain", "a transaction with this vote, signed by alice's posting key")
	d.say("wallet", "app", "done (rule %q), transaction %s", "votes", d.play.vote)
	d.explain("The application does not take this on trust: it found the transaction on the chain, with " +
		"the vote that it had asked for.")
	d.fact("transaction", d.play.vote.String())
	return nil
}

func playTransfer(ctx context.Context, d *demo) error {
	before := d.world.transactions()
	d.say("app", "wallet", "please send 1.000 HIVE from alice to mallory")
	_, err := d.play.app.Sign(ctx, d.play.session, client.SignRequest{Role: hive.Active,
		Operations: []client.Operation{{
			Name:   "transfer",
			Fields: map[string]any{"from": account, "to": "mallory", "amount": "1.000 HIVE", "memo": ""},
		}}})
	var refused *client.RefusedError
	switch {
	case err == nil:
		return errors.New("the wallet signed a transfer that no rule allows")
	case !errors.As(err, &refused) || !refused.Verified:
		return fmt.Errorf("a refusal by the wallet was expected: %w", err)
	case d.world.transactions() != before:
		return errors.New("a transaction came to the chain although the wallet refused")
	}
	d.say("wallet", "app", "no")
	d.explain("It holds alice's active key, and did not use it: no rule allows this. An application " +
		"whose secret is stolen can do no more than the policy lets it.")
	d.fact("refused", true)
	return nil
}

func playReplay(ctx context.Context, d *demo) error {
	before := d.world.transactions()
	d.explain("It recorded the sealed request of step 4, and sends it to the wallet under a new number.")
	d.say("relay", "wallet", "a new request from the application! (it is the old one)")
	id, err := d.world.tap.replay(ctx)
	switch {
	case err != nil:
		return err
	case id != d.play.vote.String():
		return fmt.Errorf("the wallet answered with the transaction %s", id)
	case d.world.onChain(d.play.vote) != 1 || d.world.transactions() != before:
		return errors.New("a second transaction came to the chain")
	}
	d.say("wallet", "app", "that is done, by the transaction of step 4")
	d.explain("The wallet had written the request down before it signed, so it knows it even after a " +
		"crash, and gives the same answer. A refusal could hide from the application that it has voted. The " +
		"chain still shows one vote.")
	d.fact("answer", "the recorded one")
	return nil
}

func playReconnect(ctx context.Context, d *demo) error {
	w := d.world
	w.relay.Cut()
	d.explain("All connections to the relay are cut. The application asks while the wallet is away.")
	d.say("app", "wallet", "please vote for bob's other post")
	id, err := d.voteUntilTaken(ctx, "another-post")
	if err != nil {
		return err
	}
	d.say("wallet", "app", "done, transaction %s", id)
	d.explain("Both came back by themselves. The request waited at the relay for the wallet.")
	links := w.wallet.Agent.Status().Links
	if len(links) != 1 || links[0].Reconnects == 0 {
		return errors.New("the wallet's connection was not cut")
	}
	d.fact("transaction", id.String())
	return nil
}

// voteUntilTaken asks again when the connection was lost before the relay had the request, as
// applications do, once the chain shows that nothing came of it.
func (d *demo) voteUntilTaken(ctx context.Context, permlink string) (hive.TxID, error) {
	before := d.world.transactions()
	for {
		id, err := d.vote(ctx, permlink)
		if !errors.Is(err, client.ErrLost) || ctx.Err() != nil || d.world.transactions() != before {
			return id, err
		}
	}
}
