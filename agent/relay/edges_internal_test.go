package relay

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A connection is read while it has left fewer replies unread than it may.
func TestRepliesAtTheBound(t *testing.T) {
	for owed, waits := range map[int]bool{9: false, 10: true, 11: true} {
		synctest.Test(t, func(t *testing.T) {
			s := &socket{relay: &Relay{options: Options{Limits: Limits{Replies: 10}}}, room: make(chan struct{}, 1),
				owed: owed}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if err := s.awaitRoom(ctx); (err != nil) != waits {
				t.Errorf("%d replies are unread: %v", owed, err)
			}
		})
	}
}
