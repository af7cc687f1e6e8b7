package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var (
	kills    = flag.Int("kills", 5, "how often the crash test kills the wallet; CI takes 30, a long run 1000")
	killSeed = flag.Uint64("killseed", 0, "seed of the crash test; zero takes one from the clock")
)

const crashBudget = 40 // HBD that the payer may spend, times the kills divided by 30

// crashPolicy lets each application do one thing, and the payer only so much of it.
func crashPolicy(budget int) string {
	return fmt.Sprintf(`version: 1
allow:
  - {name: logins, request: auth, apps: any, session: 24h}
  - {name: proofs, request: challenge, apps: [prover, login], key: [posting], text: {glob: "prove *"}}
  - {name: votes, request: sign, apps: [voter, twin], operations: [vote: {author: bob}]}
  - {name: payments, request: sign, apps: [payer], key: active, operations: [transfer: {to: bob}]}
limits:
  - {name: budget, apps: [payer], spend: %d.000 HBD per 24h}
  - {name: pace, apps: [payer], operations: [transfer], count: %d per %ds}
`, budget, paceCount, paceWindow/time.Second)
}

// The pace of the payer is bounded too, over a window that several kills fall into.
const (
	paceCount  = 16
	paceWindow = 10 * time.Second
)

// crashpoints are all points that the sources name: a new one is tried without being listed.
func crashpoints(t *testing.T) (names []string) {
	t.Helper()
	for _, folder := range []string{"../../agent", "../../agent/ledger"} {
		files, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range regexp.MustCompile(`\tcrashpoint\("([^"]+)"\)`).FindAllSubmatch(text, -1) {
				names = append(names, string(m[1]))
			}
		}
	}
	if slices.Sort(names); len(names) < 10 {
		t.Fatalf("only %d points found: %q", len(names), names)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return slices.Contains(twinPoints, name) || slices.Contains(mendPoints, name) || isLockPoint(name) ||
			slices.Contains(movePoints, name) || name == backupPoint
	})
	return slices.Compact(names)
}

// isLockPoint reports whether a point lies in a lock, or in the end of one.
func isLockPoint(name string) bool {
	return strings.HasPrefix(name, "lock ") || strings.HasPrefix(name, "unlock ")
}

// TestKills kills the wallet at every named point and at moments of chance while applications ask
// for everything, and then holds ledger, relay, chain and what the applications were told against
// each other.
func TestKills(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("%d kills, seed %d: repeat with -kills %d -killseed %d", *kills, seed, *kills, seed)
	budget := min(crashBudget*max(*kills, 30)/30, 900) // alice has 1000
	w := newKillWorld(t, crashPolicy(budget), "voter", "twin", "payer", "prover", "login")
	w.binary = buildWallet(t, "crashpoints")
	load := newLoad(w)
	stopLoad := make(chan struct{})
	var working sync.WaitGroup
	load.run(&working, stopLoad)

	k := killer{world: w, chance: rand.New(rand.NewPCG(seed, 0)), points: crashpoints(t)}
	k.run(*kills)
	t.Logf("killed at points %v, at moments of chance %d times", k.hits, k.random)

	w.start("")
	w.await("the last start", ready)
	close(stopLoad)
	w.catchUp()
	working.Wait() // every request has an outcome for its application
	w.resolve()
	w.interrupt()
	t.Logf("outcomes: %v", load.outcomes)
	inspect(t, w, load, budget)
}

// killer kills the wallet over and over.
type killer struct {
	world  *killWorld
	chance *rand.Rand
	points []string
	queue  []string
	hits   map[string]int
	random int
	missed int
}

// run kills n times: half the time at a named point, so that each has its turn, else at a moment of
// chance.
func (k *killer) run(n int) {
	k.hits = map[string]int{}
	for killed := 0; killed < n || !k.all() && killed < n+20; killed++ {
		k.world.trouble(k.chance)
		if killed%3 == 2 && killed < n {
			k.byChance()
		} else {
			k.atPoint()
		}
	}
	if !k.all() {
		k.world.t.Errorf("not every point of %q was met: %v", k.points, k.hits)
	}
}

func (k *killer) all() bool {
	for _, p := range k.points {
		if k.hits[p] == 0 {
			return false
		}
	}
	return true
}

func (k *killer) byChance() {
	k.world.start("")
	if k.world.died(time.Duration(50+k.chance.IntN(600)) * time.Millisecond) {
		k.world.t.Fatal("the wallet died by itself")
	}
	k.world.kill()
	k.random++
}

func (k *killer) atPoint() {
	if len(k.queue) == 0 {
		for _, p := range k.points {
			if k.hits[p] == 0 || k.missed == 0 && k.random > len(k.points) {
				k.queue = append(k.queue, p)
			}
		}
		if len(k.queue) == 0 {
			k.queue = slices.Clone(k.points)
		}
		k.chance.Shuffle(len(k.queue), func(i, j int) { k.queue[i], k.queue[j] = k.queue[j], k.queue[i] })
	}
	point := k.queue[0]
	k.queue = k.queue[1:]
	k.world.start(fmt.Sprintf("%s:%d", point, 1+k.chance.IntN(3)))
	// The time for it counts from when the wallet serves: on a busy machine a start takes as long.
	if k.world.diesStarting() || k.world.died(3*time.Second) {
		k.hits[point]++
		return
	}
	k.missed++
	k.world.kill()
}
