package e2e

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wafer-sessions/wafer/internal/redistest"
	"github.com/wafer-sessions/wafer/keys"
	"github.com/wafer-sessions/wafer/keys/rediskeys"
)

// A keeper looks after the ring, as operators do.
type keeper struct {
	t     *testing.T
	redis *redistest.Server
	url   string // of Redis
	dir   string // of the KEKs
	ring  *rediskeys.Ring
	// kids of keys that expire; each prune removes the next
	expires []string
}

// newKeeper starts a Redis and puts a ring into it.
func newKeeper(t *testing.T) *keeper {
	k := &keeper{t: t, redis: redistest.Start(t, "--appendonly", "yes"), dir: t.TempDir()}
	k.url = "redis://" + k.redis.Addr
	for _, name := range []string{"old", "new"} {
		if err := os.WriteFile(k.file(name), []byte(random(32)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := kekOf([]string{k.file("old")}).Seal(t.Context(), k.usedRing())
	if err != nil {
		t.Fatal(err)
	}
	k.redis.Do("SET", "{wafer}:ring", string(sealed))
	k.ring = k.open("old", "new")
	return k
}

// usedRing returns a ring that has been in use for a month. Beside the key that seals it has one
// that expired long ago, and one that expires during the test.
func (k *keeper) usedRing() *keys.Ring {
	var doc map[string]any
	if err := json.Unmarshal(keys.Generate(0).PlaintextJWKSet(), &doc); err != nil {
		k.t.Fatal(err)
	}
	now := time.Now()
	began := now.AddDate(0, -1, 0)
	for i, end := range []time.Time{now.Add(-time.Hour), now.Add(40 * time.Second)} {
		k.expires = append(k.expires, "e"+random(8)[1:])
		begins := began.Add(time.Duration(i) * time.Hour).Unix()
		doc["keys"] = append(doc["keys"].([]any), map[string]any{
			"kty": "oct", "alg": "A256GCM", "kid": k.expires[i], "k": random(32), "iat": begins, "nbf": begins, "exp": end.Unix(),
		})
	}
	doc["iat"] = began.Unix()
	changed, err := json.Marshal(doc)
	if err != nil {
		k.t.Fatal(err)
	}
	r, err := keys.Parse(changed)
	if err != nil {
		k.t.Fatal(err)
	}
	return r
}

// random returns random bytes in base64url.
func random(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func (k *keeper) file(name string) string { return filepath.Join(k.dir, name) }

func (k *keeper) files(names []string) (all []string) {
	for _, name := range names {
		all = append(all, k.file(name))
	}
	return all
}

// settings returns those of an application with these KEKs.
func (k *keeper) settings(keks ...string) settings { return settings{k.url, k.files(keks)} }

// open opens the ring with these KEKs.
func (k *keeper) open(keks ...string) *rediskeys.Ring {
	k.t.Helper()
	r, err := rediskeys.Open(k.t.Context(), k.options(), kekOf(k.files(keks)), rediskeys.Config{Poll: ringPoll, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { r.Close() })
	return r
}

func (k *keeper) options() *redis.UniversalOptions {
	return &redis.UniversalOptions{Addrs: []string{k.redis.Addr}}
}

// rotate adds a key, and returns its kid.
func (k *keeper) rotate() string {
	k.t.Helper()
	err := k.ring.Edit(k.t.Context(), func(r *keys.Ring) (*keys.Ring, error) {
		return r.Rotate(time.Now(), keys.Rotation{After: waits})
	})
	if err != nil {
		k.t.Fatal(err)
	}
	return k.ring.Ring().Keys()[0].ID()
}

// await waits until the key seals.
func (k *keeper) await(kid string) {
	k.t.Helper()
	redistest.Await(k.t, "the new key seals", func() bool {
		sealing, ok := k.ring.Ring().Sealing(time.Now())
		return ok && sealing.ID() == kid
	})
}

// prune removes the next key that expires, once it has.
func (k *keeper) prune() {
	k.t.Helper()
	kid := k.expires[0]
	k.expires = k.expires[1:]
	key, ok := k.ring.Ring().Key(kid)
	if !ok {
		k.t.Fatalf("the key %s is gone already", kid)
	}
	<-time.After(time.Until(key.Expires()))
	err := k.ring.Edit(k.t.Context(), func(r *keys.Ring) (*keys.Ring, error) { return r.Prune(time.Now()), nil })
	if _, there := k.ring.Ring().Key(kid); err != nil || there {
		k.t.Errorf("pruned %s: %v, and it is there: %v", kid, err, there)
	}
}

// rewrap changes the KEK of the ring.
func (k *keeper) rewrap(from, to string) {
	k.t.Helper()
	if err := rediskeys.Rewrap(k.t.Context(), k.options(), "", keys.KEKFile(k.file(from)), keys.KEKFile(k.file(to))); err != nil {
		k.t.Fatal(err)
	}
}

// check checks under which KEK the ring is.
func (k *keeper) check(name string) {
	k.t.Helper()
	doc := []byte(k.redis.Do("GET", "{wafer}:ring"))
	if _, err := keys.KEKFile(k.file(name)).Open(k.t.Context(), doc); err != nil {
		k.t.Errorf("the ring is not under the %s KEK: %v", name, err)
	}
}

// command builds the wafer command and returns its path.
func command(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wafer")
	if out, err := exec.Command("go", "build", "-C", filepath.Join("..", ".."), "-o", path, "./cmd/wafer").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return path
}
