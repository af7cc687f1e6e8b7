package ledger

// retain removes the oldest segments if the settings ask for it.
func (l *Ledger) retain() {
	if l.o.KeepSegments <= 0 && l.o.KeepFor <= 0 {
		return
	}
	all, err := l.store.segments()
	if err != nil {
		l.o.Logger.Error("audit segments cannot be listed", "err", err)
		return
	}
	n := 0
	for n < len(all) && l.outlived(all[n:]) {
		n++
	}
	if n == 0 || !l.noteKept(all[n:]) {
		return
	}
	for _, info := range all[:n] {
		if err := l.store.removeSegment(info.index); err != nil {
			l.o.Logger.Error("audit segment was not removed", "segment", info.index, "err", err)
			return // those after it stay too: a gap in the middle could not be told from theft
		}
		l.o.Logger.Info("audit segment removed, as the settings say", "segment", info.index)
	}
}

// outlived reports whether the oldest of these segments has been kept for long enough.
func (l *Ledger) outlived(all []segmentInfo) bool {
	if l.o.KeepSegments > 0 && len(all) > l.o.KeepSegments {
		return true
	}
	return l.o.KeepFor > 0 && l.now().Sub(all[0].written) > l.o.KeepFor
}

// noteKept commits the number of the record with which the trail begins once only these segments
// are left. It does so before the others are removed: whatever else is missing later was removed by
// somebody else. It returns false if the commit did not succeed.
func (l *Ledger) noteKept(left []segmentInfo) bool {
	first, err := l.firstRecord(left)
	if err != nil {
		l.o.Logger.Error("audit segments are not removed, as the trail cannot be read", "err", err)
		return false
	}
	if first > l.state.kept {
		l.commit([]*op{{apply: func(b *batch) error { b.keepFrom(first); return nil }}})
	}
	return l.state.kept >= first
}

// firstRecord returns the number of the first record in these segments or, if there are none, in
// the store's bucket.
func (l *Ledger) firstRecord(segments []segmentInfo) (uint64, error) {
	if len(segments) == 0 {
		return l.lookup.oldestRecord()
	}
	index := segments[0].index
	list, err := l.readSegment(index)
	if err != nil { // it is damaged: that shows by itself
		return index*l.o.segment + 1, nil
	}
	return list[0].Number, nil
}

func (b *batch) keepFrom(first uint64) {
	b.put(bucketMeta, metaKept, encodeNumber(first))
	b.after = append(b.after, func(st *state) { st.kept = first })
}

func (l *Ledger) keptFrom() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.kept
}
