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

// A keeper looks after the ring, as operators do: by the command.
type keeper struct {
	t       *testing.T
	redis   *redistest.Server
	url     string // of Redis
	dir     string // of the KEKs
	command string
	kek     string          // the name of that which the ring is under
	ring    *rediskeys.Ring // to look at
	// kids of keys that expire; each prune removes the next
	expires []string
}

// newKeeper starts a Redis and puts a ring into it.
func newKeeper(t *testing.T) *keeper {
	k := &keeper{t: t, redis: redistest.Start(t, "--appendonly", "yes"), dir: t.TempDir(), kek: "old"}
	k.command = build(t)
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
// that expired long ago, and one that expires during the test: a key expires when the next one has
// sealed for as long as the longest session and a day.
func (k *keeper) usedRing() *keys.Ring {
	r := keys.Generate(0)
	opens := r.MaxSession() + 24*time.Hour
	var doc map[string]any
	if err := json.Unmarshal(r.PlaintextJWKSet(), &doc); err != nil {
		k.t.Fatal(err)
	}
	now := time.Now()
	began := now.AddDate(0, -1, 0)
	sealing := doc["keys"].([]any)[0].(map[string]any)
	all := []any{sealing}
	for i, begins := range []time.Time{began, began.Add(time.Hour)} {
		k.expires = append(k.expires, "e"+random(8)[1:])
		all = append(all, map[string]any{
			"kty": "oct", "alg": "A256GCM", "kid": k.expires[i], "k": random(32), "iat": begins.Unix(), "nbf": begins.Unix(),
		})
	}
	takesOver := now.Add(40*time.Second - opens).Unix()
	sealing["iat"], sealing["nbf"] = takesOver, takesOver
	doc["iat"], doc["keys"] = began.Unix(), all
	changed, err := json.Marshal(doc)
	if err != nil {
		k.t.Fatal(err)
	}
	if r, err = keys.Parse(changed); err != nil {
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
	o := &redis.UniversalOptions{Addrs: []string{k.redis.Addr}}
	r, err := rediskeys.Open(k.t.Context(), o, kekOf(k.files(keks)), rediskeys.Config{Poll: ringPoll, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { r.Close() })
	return r
}

// wafer runs the command on the ring.
func (k *keeper) wafer(args ...string) {
	k.t.Helper()
	cmd := exec.Command(k.command, append([]string{"keys"}, args...)...)
	cmd.Env = append(os.Environ(), "WAFER_REDIS="+k.url, "WAFER_KEK_FILE="+k.file(k.kek))
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("wafer keys %s: %v: %s", args[0], err, out)
	}
}

// rotate adds a key, and returns its kid.
func (k *keeper) rotate(flags ...string) string {
	k.t.Helper()
	before := k.ring.Ring().Keys()[0].ID()
	k.wafer(append([]string{"rotate", "--after", waits.String()}, flags...)...)
	redistest.Await(k.t, "the new key is there", func() bool { return k.ring.Ring().Keys()[0].ID() != before })
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
	k.wafer("prune", "--yes")
	if _, there := k.open(k.kek).Ring().Key(kid); there {
		k.t.Errorf("the key %s is not pruned", kid)
	}
}

// rewrap changes the KEK of the ring.
func (k *keeper) rewrap(to string) {
	k.t.Helper()
	k.wafer("rewrap", "--new-kek-file", k.file(to))
	k.kek = to
}

// check checks that the ring is under the KEK that it should be under.
func (k *keeper) check() {
	k.t.Helper()
	doc := []byte(k.redis.Do("GET", "{wafer}:ring"))
	if _, err := keys.KEKFile(k.file(k.kek)).Open(k.t.Context(), doc); err != nil {
		k.t.Errorf("the ring is not under the %s KEK: %v", k.kek, err)
	}
}

// build builds the command and returns its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "wafer")
	if out, err := exec.Command("go", "build", "-C", filepath.Join("..", ".."), "-o", path, "./cmd/wafer").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v: %s", err, out)
	}
	return path
}
