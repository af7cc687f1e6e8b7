package ledger

import (
	"context"
	"slices"
)

// addedRelayKey returns the key of the fact that a session's relay is not in the settings. Programs
// of before it pass over it, as over a claim: they serve the relays of the settings only.
func addedRelayKey(id SessionID) []byte {
	return slices.Concat(addedRelayPrefix, numberKey(uint64(id)))
}

var addedRelayPrefix = []byte("added relay ")

// SettleRelays forgets of sessions that their relay was added, where which says that the settings
// name it by now: it goes when it is taken out of them. It returns when that is on disk, and writes
// nothing if there is nothing to forget.
func (l *Ledger) SettleRelays(ctx context.Context, which func(relay string) bool) error {
	settled := func(s *Session) bool { return s.AddedRelay && which(s.Relay) }
	if !slices.ContainsFunc(l.Sessions(), settled) {
		return nil
	}
	return l.submitContext(ctx, &op{apply: func(b *batch) error {
		for _, s := range b.sessionsWith(settled) {
			b.delete(bucketMeta, addedRelayKey(s.ID))
			b.update(s, s.asOf, func(fresh *Session) { fresh.AddedRelay = false })
		}
		return nil
	}})
}
