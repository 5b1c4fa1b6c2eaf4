package proxies

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// notice is how long a replica goes on after /readyz has said no. haproxy needs a second of it as
// it is configured, and Apache two.
const notice = 5 * time.Second

// The replicas are replaced one after another, while users read and write through each proxy. No
// request is lost, and no session.
func TestDeploy(t *testing.T) {
	t.Parallel()
	f := newFleet(t, settings{Notice: notice})
	var loads []*load
	for _, k := range kinds {
		loads = append(loads, newLoad(t, k.start(t, f, "tested"), "GET", "POST"))
	}
	drained := loads[0].proxy                                                       // nginx, which does not check health
	loads = append(loads, newLoad(t, kinds[0].start(t, f, "tested"), "GET", "GET")) // nginx that is told nothing

	least := map[string]*proxy{}
	for _, k := range kinds {
		least[k.name] = k.start(t, f, "defaults")
	}
	for _, r := range f.all {
		drained.takeOut(t, r, true)
		f.stop(r)
		if r == f.all[0] {
			t.Run("defaults", func(t *testing.T) { testReplicaGone(t, least) })
		}
		f.start(r)
		drained.takeOut(t, r, false)
		for _, l := range loads {
			l.awaitAnswer(t, r.Cmd.Process.Pid)
		}
	}
	for _, l := range loads {
		l.end()
		t.Logf("%s: %d requests", l.proxy.name, l.requests.Load())
	}
	for _, r := range f.all {
		if b, err := os.ReadFile(r.log); err != nil || strings.Contains(string(b), "plain http") {
			t.Errorf("the log warns of plain http behind a proxy that says https: %v: %s", err, b)
		}
	}
}

// testReplicaGone shows what users get of proxies whose configuration says nothing of it, while one
// of three replicas is away.
func testReplicaGone(t *testing.T, least map[string]*proxy) {
	for name, want := range map[string]int{"nginx": 0, "haproxy": 1, "apache": 0} {
		b, lost := least[name].browser(t, false), 0
		for range 3 {
			if a := b.send("GET", shop+"/public", ""); a.StatusCode != http.StatusOK {
				lost++
				if a.StatusCode != http.StatusServiceUnavailable {
					t.Errorf("%s: status %s", name, a.Status)
				}
			}
		}
		if lost != want {
			t.Errorf("%s: %d of 3 requests are lost, want %d", name, lost, want)
		}
	}
}

// takeOut takes a replica out of nginx or puts it back, and returns when the worker that does not
// know of it has ended.
func (p *proxy) takeOut(t *testing.T, r *replica, out bool) {
	t.Helper()
	conf := p.read(t, p.conf)
	if name := fmt.Sprintf("app-%d:8080", r.Replica+1); out {
		conf = strings.Replace(conf, name+" fail_timeout=1s;", name+" down;", 1)
	}
	before := p.workers(t)
	p.configure(conf)
	p.cmd.Process.Signal(syscall.SIGHUP)
	await(t, "nginx has another worker", func() bool {
		now := p.workers(t)
		return len(now) == 1 && now[0] != before[0]
	})
}

// workers returns the processes that a proxy has started.
func (p *proxy) workers(t *testing.T) []string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.cmd.Process.Pid, p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// A load is some users who read and write through a proxy all the time.
type load struct {
	proxy    *proxy
	requests atomic.Int64
	stop     chan struct{}
	users    sync.WaitGroup
	answered sync.Map // pid of a replica: true
}

func newLoad(t *testing.T, p *proxy, methods ...string) *load {
	l := &load{proxy: p, stop: make(chan struct{})}
	for range 4 {
		v := &visit{browser: p.browser(t, true)}
		v.id = v.ok("POST", shop+"/login?user=ada").ID
		l.users.Go(func() { l.use(t, v, methods) })
	}
	t.Cleanup(l.end)
	return l
}

// use sends requests until the end. Each must get the same session, with what was written last.
func (l *load) use(t *testing.T, v *visit, methods []string) {
	for i := 0; ; i++ {
		path := "/me"
		if methods[i%2] == "POST" {
			path = "/write"
			v.writes++
		}
		a, err := v.try(methods[i%2], shop+path, "")
		switch {
		case err != nil:
			t.Errorf("%s: %s %s: %v", l.proxy.name, methods[i%2], path, err)
			return
		case a.StatusCode != http.StatusOK || a.ID != v.id || a.Writes != v.writes:
			t.Errorf("%s: %s %s: status %s, session %q with %d writes, want %q with %d: %s", l.proxy.name, methods[i%2], path, a.Status, a.ID, a.Writes, v.id, v.writes, a.text)
			return
		}
		l.requests.Add(1)
		l.answered.Store(a.PID, true)
		select {
		case <-l.stop:
			return
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// awaitAnswer waits until the process has answered a request.
func (l *load) awaitAnswer(t *testing.T, pid int) {
	t.Helper()
	await(t, l.proxy.name+": the new replica answers", func() bool {
		_, ok := l.answered.Load(pid)
		return ok || t.Failed()
	})
}

// end ends the load.
func (l *load) end() {
	select {
	case <-l.stop:
	default:
		close(l.stop)
	}
	l.users.Wait()
}
