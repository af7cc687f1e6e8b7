package service_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pksa/agent/ledger"
	"pksa/agent/node/nodetest"
	"pksa/agent/service"
)

// TestStandby: a wallet that is started while another one leads waits, and says so. It takes over
// what the other one has left, sessions too, within seconds of an orderly stop; and when the lease
// has ended of one that says nothing any more.
func TestStandby(t *testing.T) {
	d := newInDatabase(t)
	session := d.login()
	d.must(d.vote(session, "by the first"))
	second := d.copyOf()
	second.cfg.StatusListen = freeAddress(t)
	stopSecond := second.start()
	second.saysStandby()
	d.must(d.vote(session, "by the first again"))

	begun := time.Now()
	d.stop()
	<-d.ended
	d.must(d.err)
	err := d.vote(session, "by the second")
	if took := time.Since(begun); err != nil || took > 6*time.Second {
		t.Errorf("%v after the stop: %v", took, err)
	} else {
		t.Logf("answered %v after the stop began", took)
	}
	for _, id := range d.voted {
		if d.chain.Count(id) != 1 {
			t.Errorf("%s is on the chain %d times", id, d.chain.Count(id))
		}
	}
	d.must(stopSecond())

	// One that was killed, of which the lease is left.
	killed, err := ledger.Open(d.cfg.Ledger, d.options)
	d.must(err)
	d.server.SQL(d.database, `UPDATE pksa.leader SET epoch = epoch + 1, holder = 'killed/x', until = clock_timestamp() +
		interval '3 seconds'`)
	d.must(killed.Close())
	stopSecond = second.start()
	second.saysStandby()
	if err := d.vote(session, "after a crash"); err != nil {
		t.Error(err)
	}
	d.must(stopSecond())
}

// TestStandbyIsStopped: a standby ends when it is told to, and leaves the other one alone.
func TestStandbyIsStopped(t *testing.T) {
	d := newInDatabase(t)
	session := d.login()
	second := d.copyOf()
	second.cfg.StatusListen = freeAddress(t)
	stop := second.start()
	second.saysStandby()
	if err := stop(); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
	d.must(d.vote(session, "by the first"))
}

// copyOf returns a wallet in a copy of the home folder.
func (d *inDatabase) copyOf() *inDatabase {
	second, cfg := *d, *d.cfg
	second.home = &home{t: d.t, cfg: &cfg, unlock: d.unlock, node: d.home.node}
	cfg.Home = d.t.TempDir()
	d.must(os.Chmod(cfg.Home, 0o700))
	files, err := os.ReadDir(d.cfg.Home)
	d.must(err)
	for _, f := range files {
		if f.Type().IsRegular() {
			text, err := os.ReadFile(filepath.Join(d.cfg.Home, f.Name()))
			d.must(err)
			d.write(filepath.Join(cfg.Home, f.Name()), string(text))
		}
	}
	for _, path := range []*string{&cfg.Keystore, &cfg.Policy, &cfg.Ledger, &cfg.Control, &second.home.unlock} {
		*path = strings.Replace(*path, d.cfg.Home, cfg.Home, 1)
	}
	return &second
}

// start starts the wallet beside the test, and returns what stops it.
func (d *inDatabase) start() (stop func() error) {
	ctx, cancel := context.WithCancel(d.t.Context())
	o := d.home.options()
	o.Dial, o.Transport = d.relay.DialContext, nodetest.Transport(d.node)
	ended := make(chan error, 1)
	go func() {
		s, err := service.Open(ctx, o)
		if err == nil {
			err = errors.Join(s.Run(ctx), s.Close())
		}
		ended <- err
	}()
	return func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(time.Minute):
			return errors.New("it does not end")
		}
	}
}

// saysStandby waits until status.listen says that the wallet stands by.
func (d *inDatabase) saysStandby() {
	d.t.Helper()
	said := ""
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(20 * time.Millisecond) {
		answer, err := http.Get("http://" + d.cfg.StatusListen + "/readyz")
		if err != nil {
			continue
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if said = string(text); answer.StatusCode == http.StatusServiceUnavailable && strings.Contains(said,
			"standby: another wallet leads") {
			return
		}
	}
	d.t.Fatalf("it does not stand by: %q", said)
}
