package ledger

// retainIfDue removes segments as soon as none is being written or dropped from the bucket: a
// segment whose records are in the bucket, too, must not be the one that is removed.
func (l *Ledger) retainIfDue() {
	if l.retainDue && l.rotating == nil && l.dropping == nil {
		l.retainDue = false
		l.retain()
	}
}

// retain removes the oldest segments if the settings ask for it.
func (l *Ledger) retain() {
	all, err := l.measure()
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
		if err := l.store.removeSegment(info.segmentID); err != nil {
			l.o.Logger.Error("audit segment was not removed", "segment", info.name(), "err", err)
			return // those after it stay too: a gap in the middle could not be told from theft
		}
		l.trail.Add(-info.size)
		l.o.Logger.Info("audit segment removed, as the settings say", "segment", info.name())
	}
}

// measure lists the segments, and keeps how many bytes they have.
func (l *Ledger) measure() ([]segmentInfo, error) {
	all, err := l.store.segments()
	if err == nil {
		l.trail.Store(bytesOf(all))
	}
	return all, err
}

func bytesOf(all []segmentInfo) (size int64) {
	for _, info := range all {
		size += info.size
	}
	return size
}

// TrailSize returns how many bytes the full segments of the audit trail have. It may be called
// concurrently.
func (l *Ledger) TrailSize() int64 { return l.trail.Load() }

// spareLarger takes the bound off a trail that is larger already, if nobody has chosen the bound. A
// crash may leave a trail some segments above it.
func (l *Ledger) spareLarger() {
	if !l.o.KeepLarger || l.o.KeepBytes == 0 || l.trail.Load() <= l.o.KeepBytes+16*int64(l.o.segmentBytes) {
		return
	}
	l.o.Logger.Warn("audit trail is larger than audit.max is if it is not set; nothing is removed for its size",
		"bytes", l.trail.Load(), "audit.max", l.o.KeepBytes, "advice", "set audit.max")
	l.o.KeepBytes, l.spared = 0, true
}

// Spared reports whether nothing is removed from the trail for its size, because it was larger than
// a bound that nobody has chosen.
func (l *Ledger) Spared() bool { return l.spared }

// warnOfSize warns before the first segment is removed for the size of the trail, once: when a new
// one takes it above seven eighths of the bound.
func (l *Ledger) warnOfSize(trail, added int64) {
	if near := l.o.KeepBytes / 8 * 7; l.o.KeepBytes > 0 && trail > near && trail-added <= near {
		l.o.Logger.Warn("audit trail comes near to audit.max; its oldest segments are removed from there on",
			"bytes", trail, "audit.max", l.o.KeepBytes, "advice", "export what is to be kept, or set audit.max")
	}
}

// outlived reports whether the oldest of these segments has been kept for long enough.
func (l *Ledger) outlived(all []segmentInfo) bool {
	if l.o.KeepSegments > 0 && len(all) > l.o.KeepSegments {
		return true
	}
	if l.o.KeepBytes > 0 && bytesOf(all) > l.o.KeepBytes {
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
	oldest := segments[0]
	if oldest.whole && oldest.size > wholeMost {
		return oldest.first, nil
	}
	for s, err := range l.readSegment(oldest.segmentID) {
		if err == nil {
			return s.Number, nil
		}
	}
	return oldest.first, nil // it is damaged: that shows by itself
}

// wholeMost is the largest segment of format 1 that is read only to learn its first number: that
// takes as much memory. Of a larger one the number is known from its name, but where numbers were
// skipped.
const wholeMost = 64 << 20

func (b *batch) keepFrom(first uint64) {
	b.put(bucketMeta, metaKept, encodeNumber(first))
	b.after = append(b.after, func(st *state) { st.kept = first })
}

func (l *Ledger) keptFrom() uint64 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.state.kept
}
