package ledger

import (
	"context"
	"strings"
	"time"

	"pksa/agent/ledger/pg"
)

// DatabaseState is how a database stands in which a ledger is kept, as anybody sees it who may
// enter it. Nobody need lead for that, and nothing is changed by it.
type DatabaseState struct {
	Server string        // its version, as it writes it
	Took   time.Duration // one question to it, and the answer
	Ledger bool          // there is one; what follows up to Epoch is of that
	// Leader is the machine on which a wallet leads, by a lease that has not ended. Empty: none.
	Leader string
	Since  time.Time // when the last one began to lead, by the server's clock
	Epoch  int64     // how many have led
	// Replicas is how many servers follow this one, and Synchronous how many of them a commit waits
	// for, as far as this user may see that.
	Replicas, Synchronous int
	// TornPages says that full_page_writes is off: a crash may leave pages half written, unless the
	// file system itself prevents that.
	TornPages bool
}

// LookAtDatabase enters a database and looks at it. A server that the ledger refuses is an error.
func LookAtDatabase(ctx context.Context, o *pg.Options) (DatabaseState, error) {
	s := newPGStore(pgOptions{Options: *o})
	defer s.conns.close()
	d, err := s.look(ctx)
	if err != nil {
		return DatabaseState{}, s.place(err)
	}
	return d, nil
}

func (s *pgStore) look(ctx context.Context) (d DatabaseState, err error) {
	version, err := s.version()
	if err != nil {
		return d, err
	}
	begun := time.Now()
	var replicas, waited int64
	err = s.runIn(ctx, pgTime, pg.Statement{
		// Who may not see how a server follows sees that one does.
		SQL: `SELECT current_setting('server_version'), current_setting('full_page_writes'),
			count(*) FILTER (WHERE coalesce(state, '') <> 'backup'),
			CASE WHEN current_setting('synchronous_standby_names') = '' THEN 0
			ELSE count(*) FILTER (WHERE coalesce(sync_state, 'sync') <> 'async') END
			FROM pg_stat_replication`,
		Columns: 4,
		Row: func(v [][]byte) (err error) {
			d.Server, d.TornPages = string(v[0]), string(v[1]) != "on"
			if replicas, err = pg.ToInt(v[2]); err == nil {
				waited, err = pg.ToInt(v[3])
			}
			return err
		},
	})
	d.Took, d.Replicas, d.Synchronous = time.Since(begun), int(replicas), int(waited)
	if err != nil || version == 0 {
		return d, err
	}
	err = s.runIn(ctx, pgTime, pg.Statement{
		SQL: `SELECT CASE WHEN until > clock_timestamp() THEN coalesce(holder, '') ELSE '' END, epoch,
			(extract(epoch FROM since) * 1000)::bigint FROM pksa.leader WHERE ready`,
		Columns: 3,
		Row: func(v [][]byte) (err error) {
			d.Ledger = true
			d.Leader, _, _ = strings.Cut(string(v[0]), holderMark)
			if d.Epoch, err = pg.ToInt(v[1]); err != nil {
				return err
			}
			since, err := pg.ToInt(v[2])
			d.Since = fromMillis(since)
			return err
		},
	})
	return d, err
}
