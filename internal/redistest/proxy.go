package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// A Proxy stands between a client and a server. It can hold back or delay traffic in both
// directions, like a network that loses packets without closing connections, and lead to another
// server.
type Proxy struct {
	Addr string

	mu     sync.Mutex // owns the fields below
	target string
	delay  time.Duration
	open   chan struct{}
	conns  map[net.Conn]bool
	cut    bool
}

// NewProxy accepts connections for the server at target until the test ends.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: l.Addr().String(), target: target, open: make(chan struct{}), conns: map[net.Conn]bool{}}
	close(p.open)
	t.Cleanup(func() {
		l.Close()
		p.Restore()
		p.mu.Lock()
		defer p.mu.Unlock()
		for c := range p.conns {
			c.Close()
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	return p
}

// Blackhole holds all traffic back from now on, in both directions.
func (p *Proxy) Blackhole() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default:
	}
}

// Restore lets traffic through again, beginning with what was held back.
func (p *Proxy) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
}

// Delay delays each packet from now on, in each direction.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Route leads to the server at target from now on, and ends all connections.
func (p *Proxy) Route(target string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = target
	for c := range p.conns {
		c.Close()
	}
}

// CutAnswer loses the next answer: the server has carried the command out, and the connection is
// closed.
func (p *Proxy) CutAnswer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = true
}

// cuts reports whether an answer must be lost now.
func (p *Proxy) cuts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	cut := p.cut
	p.cut = false
	return cut
}

// wait waits until a packet may pass, and returns where to.
func (p *Proxy) wait() (target string) {
	p.mu.Lock()
	open, delay := p.open, p.delay
	p.mu.Unlock()
	<-open
	time.Sleep(delay)
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.target
}

func (p *Proxy) serve(c net.Conn) {
	target := p.wait()
	s, err := net.Dial("tcp", target)
	if err != nil {
		c.Close()
		return
	}
	p.mu.Lock()
	p.conns[c], p.conns[s] = true, true
	if p.target != target { // Route came in between
		c.Close()
		s.Close()
	}
	p.mu.Unlock()
	pipe := func(to, from net.Conn) {
		defer to.Close()
		buf := make([]byte, 32<<10)
		for {
			n, err := from.Read(buf)
			if n > 0 {
				p.wait()
				if from == s && p.cuts() {
					from.Close()
					return
				}
				if _, err := to.Write(buf[:n]); err != nil {
					return
				}
			}
			if err != nil {
				if err != io.EOF {
					from.Close()
				}
				return
			}
		}
	}
	go pipe(s, c)
	pipe(c, s)
	p.mu.Lock()
	delete(p.conns, c)
	delete(p.conns, s)
	p.mu.Unlock()
}
