package faults

import (
	"bufio"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A link is the proxy through which one process of the application reaches all servers. The first
// line of a connection names the server that it is for.
type link struct {
	addr string

	mu     sync.Mutex // owns the fields below
	routes map[string]string
	rules  rules
	open   chan struct{} // closed unless the link holds back all packets
	conns  map[net.Conn]string
}

// rules say what a link does with connections.
type rules struct {
	refuse  bool            // end all connections and accept no new ones
	refused map[string]bool // the same, for some addresses
	delay   time.Duration   // of each packet, in each direction
	jitter  time.Duration   // up to this much more
	cut     float64         // chance that a packet ends its connection
}

func newLink(t testing.TB) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{addr: listener.Addr().String(), routes: map[string]string{}, open: make(chan struct{}), conns: map[net.Conn]string{}}
	close(l.open)
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(c)
		}
	}()
	t.Cleanup(func() {
		listener.Close()
		l.swallow(false)
		l.set(rules{refuse: true})
	})
	return l
}

// set sets the rules, and ends the connections that they refuse.
func (l *link) set(r rules) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = r
	for c, to := range l.conns {
		if r.refuse || r.refused[to] {
			c.Close()
		}
	}
}

// swallow holds back all packets, or lets them through again.
func (l *link) swallow(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.open:
		if on {
			l.open = make(chan struct{})
		}
	default:
		if !on {
			close(l.open)
		}
	}
}

// route redirects connections for one address to another one, and ends those to the old one.
func (l *link) route(from, to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.routes[from] = to
	for c, dest := range l.conns {
		if dest == from {
			c.Close()
		}
	}
}

// pass waits for as long as a packet to dest takes. It returns false if the packet is lost with its
// connection.
func (l *link) pass(dest string) bool {
	l.mu.Lock()
	r, open := l.rules, l.open
	l.mu.Unlock()
	<-open
	d := r.delay
	if r.jitter > 0 {
		d += rand.N(r.jitter)
	}
	if d > 0 {
		time.Sleep(d)
	}
	return !r.refuse && !r.refused[dest] && (r.cut == 0 || rand.Float64() >= r.cut)
}

func (l *link) serve(c net.Conn) {
	defer c.Close()
	from := bufio.NewReader(c)
	line, err := from.ReadString('\n')
	if err != nil {
		return
	}
	dest := strings.TrimSpace(line)
	if !l.pass(dest) {
		return
	}
	l.mu.Lock()
	to := dest
	if other, ok := l.routes[dest]; ok {
		to = other
	}
	l.conns[c] = dest
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.conns, c)
	}()
	s, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer s.Close()
	go func() {
		l.copy(s, from, dest)
		s.Close()
	}()
	l.copy(c, s, dest)
}

// copy passes packets on until a connection ends.
func (l *link) copy(to net.Conn, from interface{ Read([]byte) (int, error) }, dest string) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !l.pass(dest) {
				to.Close()
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// like gives o the routes of l.
func (l *link) like(o *link) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for from, to := range l.routes {
		o.route(from, to)
	}
}
