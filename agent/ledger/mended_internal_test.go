package ledger

import (
	"slices"
	"strings"
	"testing"
)

// TestMendedStoreReads: whichever way a value is read, it is the mended one, until the commit that
// writes it and afterwards.
func TestMendedStoreReads(t *testing.T) {
	large := strings.Repeat("l", listBytes)
	disk := newMemDisk()
	s := &shelf{t, func() store { return &memStore{disk: disk} }}
	under := s.made()
	s.must(under.commit([]edit{put(bucketSlots, "a", "bad"), put(bucketSlots, "b", "good"),
		put(bucketSlots, "c", "bad"), put(bucketKeys, "d", "bad"), put(bucketSlots, "large", "bad")}))
	at := newMendedStore(under, []edit{put(bucketSlots, "a", "mended"), del(bucketSlots, "c"), drop(bucketKeys),
		put(bucketSlots, "large", large)})
	names := []name{{bucketSlots, []byte("a")}, {bucketSlots, []byte("b")}, {bucketSlots, []byte("c")},
		{bucketKeys, []byte("d")}, {bucketSlots, []byte("large")}, {bucketSlots, []byte("b")}}
	for range 2 {
		s.holds(at, bucketSlots, "a=mended", "b=good", "large="+large)
		s.holds(at, bucketKeys)
		all, err := at.getMany(names)
		s.must(err)
		var texts []string
		for _, r := range all {
			texts = append(texts, string(r.value[:min(len(r.value), 9)]))
		}
		if !slices.Equal(texts, []string{"mended", "good", "", "", "lllllllll"}) || all[2].found || all[3].found {
			t.Errorf("many are read as %q", texts)
		}
		s.must(at.commit(nil))
	}
}
