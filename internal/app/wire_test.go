package app

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/awaitd/awaitd/internal/fetch/cases"
)

// insideVariable is set for the test binary that runs in a network of its own.
const insideVariable = "AWAITD_TEST_INSIDE"

// dnsAt is where the DNS is asked.
var dnsAt = netip.MustParseAddrPort("127.0.0.1:53")

// wire is a network in which every address of the world is this machine, with something listening at every port that
// a file of cases speaks of, a DNS that says what the file says, and nothing beyond.
type wire struct {
	*testing.T
	file *cases.File
	dns  *cases.DNS

	mu       sync.Mutex
	reached  []netip.AddrPort
	barriers map[netip.AddrPort]chan struct{} // connections of our own, by where they come from
}

// needsAWire runs this one test again in a network of its own, and reports whether this is it. It skips where that is
// not permitted; CI demands it.
func needsAWire(t *testing.T) (inside bool) {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	missing := t.Skipf
	if os.Getenv("AWAITD_CI") != "" {
		missing = t.Fatalf
	}
	for program, debian := range map[string]string{"unshare": "util-linux", "ip": "iproute2", "mount": "mount"} {
		if _, err := exec.LookPath(program); err != nil {
			missing("%s is not here: apt-get install %s", program, debian)
		}
	}
	unshare := []string{"--net", "--mount"}
	if os.Geteuid() != 0 {
		unshare = append(unshare, "--user", "--map-root-user")
	}
	if out, err := exec.Command("unshare", append(unshare, "true")...).CombinedOutput(); err != nil {
		missing("a network of its own is not permitted here: %v: %s", err, out)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	again := exec.Command("unshare", append(unshare, "--", self, "-test.v", "-test.run", "^"+t.Name()+"$")...)
	again.Env = append(os.Environ(), insideVariable+"=1")
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"} {
		again.Env = append(again.Env, name+"=http://10.99.99.99:3128", strings.ToLower(name)+"=http://10.99.99.99:3128")
	}
	out, err := again.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Errorf("in a network of its own: %v", err)
	}
	t.Logf("in a network of its own:\n%s", out)
	return false
}

// newWire sets up the network, which must be a new one.
func newWire(t *testing.T, file *cases.File) *wire {
	t.Helper()
	if here, err := net.Interfaces(); err != nil || len(here) != 1 || here[0].Flags&net.FlagLoopback == 0 {
		t.Fatalf("this is no network of its own: %v, %v", here, err)
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"resolv.conf": "nameserver 127.0.0.1\nsearch internal bad.example\noptions ndots:5 timeout:2 attempts:1\n",
		"hosts":       "127.0.0.1 localhost\n",
	} {
		own := filepath.Join(dir, name)
		if err := os.WriteFile(own, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		command(t, "mount", "--bind", own, "/etc/"+name)
	}
	command(t, "ip", "link", "set", "lo", "up")
	command(t, "ip", "route", "add", "local", "0.0.0.0/0", "dev", "lo")
	command(t, "ip", "-6", "route", "add", "local", "::/0", "dev", "lo")
	w := &wire{T: t, file: file, dns: file.NewDNS(), barriers: map[netip.AddrPort]chan struct{}{}}
	w.serveDNS()
	w.listen(dir)
	return w
}

func command(t *testing.T, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
}

// listen plays a server at every port of the file, on all addresses, and has its certificate trusted.
func (w *wire) listen(dir string) {
	certificate, err := w.file.Certificate()
	if err != nil {
		w.Fatal(err)
	}
	trusted := filepath.Join(dir, "trusted.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate.Certificate[0]})
	if err := os.WriteFile(trusted, block, 0o644); err != nil {
		w.Fatal(err)
	}
	w.Setenv("SSL_CERT_FILE", trusted)
	for _, port := range w.file.Ports() {
		if port == dnsAt.Port() {
			continue // serveDNS listens there
		}
		l, err := net.Listen("tcp", ":"+strconv.Itoa(int(port)))
		if err != nil {
			w.Fatal(err)
		}
		noted := net.Listener(noting{l, w})
		if port == 443 {
			noted = tls.NewListener(noted, &tls.Config{Certificates: []tls.Certificate{certificate}})
		}
		s := &http.Server{Handler: http.HandlerFunc(cases.Target), ErrorLog: silent}
		ended := make(chan error, 1)
		go func() { ended <- s.Serve(noted) }()
		w.Cleanup(func() {
			_ = s.Close()
			<-ended
		})
	}
}

// noting is a listener that writes down where connections arrive, before anything reads from them.
type noting struct {
	net.Listener
	wire *wire
}

func (n noting) Accept() (net.Conn, error) {
	for {
		conn, err := n.Listener.Accept()
		if err != nil || !n.wire.barrier(conn) {
			return conn, err
		}
		_ = conn.Close()
	}
}

// barrier reports whether a connection is one of settle; others it writes down.
func (w *wire) barrier(conn net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	from := cases.AddrOf(conn.RemoteAddr())
	if seen, ours := w.barriers[from]; ours {
		delete(w.barriers, from)
		close(seen)
		return true
	}
	if at := cases.AddrOf(conn.LocalAddr()); at != dnsAt {
		w.reached = append(w.reached, at)
	}
	return false
}

// arrivals gives what was reached since the last time at these ports. Connections are accepted in the order in which
// they were made: when one of our own has been, all before it have.
func (w *wire) arrivals(ports []uint16) []netip.AddrPort {
	w.Helper()
	for _, port := range ports {
		at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
		seen := make(chan struct{})
		w.mu.Lock() // until the listener may know where it comes from
		conn, err := net.Dial("tcp", at.String())
		if err == nil {
			w.barriers[cases.AddrOf(conn.LocalAddr())] = seen
		}
		w.mu.Unlock()
		if err != nil {
			w.Fatal(err)
		}
		<-seen
		_ = conn.Close()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	reached := w.reached
	w.reached = nil
	return reached
}

// serveDNS answers on UDP and TCP what the file says.
func (w *wire) serveDNS() {
	packets, err := net.ListenPacket("udp", dnsAt.String())
	if err != nil {
		w.Fatal(err)
	}
	l, err := net.Listen("tcp", ":53")
	if err != nil {
		w.Fatal(err)
	}
	streams := noting{l, w}
	var all sync.WaitGroup
	all.Go(func() {
		for buffer := make([]byte, 4096); ; {
			n, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = packets.WriteTo(w.reply(buffer[:n], 512), from)
		}
	})
	all.Go(func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			all.Go(func() { w.replyOn(conn) })
		}
	})
	w.Cleanup(func() {
		_ = packets.Close()
		_ = streams.Close()
		all.Wait()
	})
}

// replyOn answers one question on a connection.
func (w *wire) replyOn(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	var size [2]byte
	if _, err := io.ReadFull(conn, size[:]); err != nil {
		return
	}
	question := make([]byte, binary.BigEndian.Uint16(size[:]))
	if _, err := io.ReadFull(conn, question); err != nil {
		return
	}
	answer := w.reply(question, 1<<16-1)
	_, _ = conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
}

// reply answers a question, cut off and saying so where it is longer than bytesMax.
func (w *wire) reply(question []byte, bytesMax int) []byte {
	var m dnsmessage.Message
	if err := m.Unpack(question); err != nil || len(m.Questions) != 1 {
		return nil
	}
	q := m.Questions[0]
	m.Response, m.RecursionAvailable, m.Additionals = true, true, nil
	answer, known := w.dns.Next(q.Name.String(), q.Type.String())
	if !known {
		m.RCode = dnsmessage.RCodeNameError
	}
	owner := q.Name
	for _, name := range w.dns.Chain(owner.String())[1:] {
		header := dnsmessage.ResourceHeader{Name: owner, Type: dnsmessage.TypeCNAME, Class: q.Class}
		owner = dnsmessage.MustNewName(name + ".")
		m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.CNAMEResource{CNAME: owner}})
	}
	for _, addr := range answer {
		header := dnsmessage.ResourceHeader{Name: owner, Type: q.Type, Class: q.Class}
		switch {
		case q.Type == dnsmessage.TypeA && addr.Is4():
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: &dnsmessage.AResource{A: addr.As4()}})
		case q.Type == dnsmessage.TypeAAAA && addr.Is6():
			body := &dnsmessage.AAAAResource{AAAA: addr.As16()} // a zone has no place in the DNS
			m.Answers = append(m.Answers, dnsmessage.Resource{Header: header, Body: body})
		}
	}
	out, err := m.Pack()
	if err == nil && len(out) > bytesMax {
		m.Truncated, m.Answers = true, nil
		out, err = m.Pack()
	}
	if err != nil {
		w.Error(err)
	}
	return out
}
