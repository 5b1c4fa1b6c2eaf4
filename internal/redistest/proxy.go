package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// A Proxy stands between a client and a server. It can hold back traffic in both directions, like a
// network that loses packets without closing connections.
type Proxy struct {
	Addr   string
	target string

	mu    sync.Mutex // owns the fields below
	open  chan struct{}
	conns map[net.Conn]bool
	cut   bool
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

func (p *Proxy) wait() {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	<-open
}

func (p *Proxy) serve(c net.Conn) {
	p.wait()
	s, err := net.Dial("tcp", p.target)
	if err != nil {
		c.Close()
		return
	}
	p.mu.Lock()
	p.conns[c], p.conns[s] = true, true
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
