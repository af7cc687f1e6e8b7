package ledger

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"pksa/agent/ledger/pg"
)

// pgConns are connections to one database. It may be used concurrently.
type pgConns struct {
	o      pg.Options
	places chan struct{} // as many as there may be connections in use

	mu     sync.Mutex
	idle   []rested
	closed int // grows: what was taken before is not kept
	taken  map[*pg.Conn]int
	there  bool // the last attempt to enter the database was answered
}

// take returns a connection of which nobody else has the use, and waits for one.
func (p *pgConns) take(ctx context.Context) (*pg.Conn, error) {
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	c, of := p.rested(ctx)
	if c == nil {
		var err error
		if c, err = p.reach(ctx); err != nil {
			<-p.places
			return nil, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == nil {
		p.taken = map[*pg.Conn]int{}
	}
	p.taken[c] = of
	return c, nil
}

// rested is a connection that is in no use.
type rested struct {
	conn  *pg.Conn
	since time.Time
}

// restedLong is after what rest a connection is tried before it is used: a commit whose connection
// had ended before would not be known to have failed.
const restedLong = 100 * time.Millisecond

// rested returns a connection that is in no use, if there is one, and what is the number now.
func (p *pgConns) rested(ctx context.Context) (*pg.Conn, int) {
	for {
		r, of := p.last()
		if r.conn == nil || time.Since(r.since) < restedLong || r.conn.Run(ctx) == nil {
			return r.conn, of
		}
		_ = r.conn.Close()
	}
}

// last returns the connection that was used last: others end when nobody needs them.
func (p *pgConns) last() (r rested, of int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := len(p.idle); n > 0 {
		r, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	return r, p.closed
}

// put makes a connection another one's to use.
func (p *pgConns) put(c *pg.Conn) {
	p.mu.Lock()
	keep := c.Usable() && p.taken[c] == p.closed
	delete(p.taken, c)
	if keep {
		p.idle = append(p.idle, rested{c, time.Now()})
	}
	p.mu.Unlock()
	if !keep {
		_ = c.Close()
	}
	<-p.places
}

// close ends the connections that are in no use now, and the others when they are given back.
func (p *pgConns) close() {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.closed++
	p.mu.Unlock()
	for _, r := range idle {
		_ = r.conn.Close()
	}
}

// pgPatience is how long whoever needs a connection waits for a database that is away. It was there
// a moment before, so it may only be starting again. When that time has passed in vain, nobody
// waits until it was there again.
const pgPatience = 8 * time.Second

// reach enters the database, and waits for it if it was there a moment before. Nothing of a
// transaction has been sent by then.
func (p *pgConns) reach(ctx context.Context) (*pg.Conn, error) {
	begun, pause := time.Now(), 10*time.Millisecond
	for {
		c, err := p.connect(ctx)
		p.mu.Lock()
		waits := p.there && err != nil && pg.IsAway(err) && time.Since(begun)+pause < pgPatience
		p.there = err == nil || waits
		p.mu.Unlock()
		if !waits {
			return c, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
		pause = min(2*pause, time.Second)
	}
}

// pgOldest is the oldest version of the server that is known to do what the store needs.
const pgOldest = 130000

// connect enters the database, and refuses a server that forgets what it has committed.
func (p *pgConns) connect(ctx context.Context) (*pg.Conn, error) {
	c, err := pg.Connect(ctx, p.o)
	if err != nil {
		return nil, err
	}
	var is [4]string
	err = c.Run(ctx, pg.Statement{
		SQL: `SELECT current_setting('server_version_num'), current_setting('fsync'),
			current_setting('synchronous_commit'), current_setting('transaction_read_only')`,
		Columns: len(is),
		Row: func(v [][]byte) error {
			for i := range is {
				is[i] = string(v[i])
			}
			return nil
		},
	})
	if err == nil {
		err = checkServer(is[0], is[1], is[2], is[3])
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", p.o.Address, err), c.Close())
	}
	return c, nil
}

func checkServer(version, fsync, commit, readOnly string) error {
	switch n, err := strconv.Atoi(version); {
	case err != nil || n < pgOldest:
		return fmt.Errorf("the server has version %s; 13 or a newer one is needed", version)
	case fsync != "on":
		return errors.New("fsync is off on this server: a crash would lose what was signed; turn it on")
	case commit == "off":
		return errors.New("synchronous_commit is off for this user or server: a crash would lose what was signed; " +
			"turn it on")
	case readOnly != "off":
		return errors.New("this server is read-only, as one is that follows another; name the one that takes writes")
	}
	return nil
}
