package cases

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"math/big"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Target answers as each server of a file does. /to/STATUS?LOCATION redirects, the location being escaped; /close
// closes its connection afterwards, /busy does so with a 503; everything says where it was reached, as a JSON object.
func Target(w http.ResponseWriter, r *http.Request) {
	if status, found := strings.CutPrefix(r.URL.Path, "/to/"); found {
		location, _ := url.PathUnescape(r.URL.RawQuery)
		code, _ := strconv.Atoi(status)
		w.Header()["Location"] = []string{location}
		w.WriteHeader(code)
		return
	}
	if r.URL.Path == "/close" || r.URL.Path == "/busy" {
		w.Header().Set("Connection", "close")
	}
	if r.URL.Path == "/busy" {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	at := AddrOf(r.Context().Value(http.LocalAddrContextKey).(net.Addr))
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(Reached{at.String()}) // who has gone needs no answer
}

// Reached is what a target says.
type Reached struct {
	At string `json:"at"`
}

// AddrOf is where a connection arrived, IPv4 as such.
func AddrOf(a net.Addr) netip.AddrPort {
	at := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// Certificate makes one that vouches for itself and all names of the file.
func (f *File) Certificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Unix(1<<33, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	for name := range f.Names { // the order does not matter
		template.DNSNames = append(template.DNSNames, name)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// DNS gives the answers of a file in their order. Any goroutine.
type DNS struct {
	names   map[string][]Answer
	aliases map[string]string

	mu    sync.Mutex
	asked map[string]int // look-ups of a name, by what they asked for
	count int
}

// NewDNS knows the names of f, as at the start of a case.
func (f *File) NewDNS() *DNS {
	return &DNS{names: f.Names, aliases: f.Aliases, asked: map[string]int{}}
}

// Reset begins a new case.
func (d *DNS) Reset() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = map[string]int{}
}

// Asked counts all questions.
func (d *DNS) Asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.count
}

// aliasesMax is after how many a name has no answer.
const aliasesMax = 16

// Chain is the names that host stands for, one after the other, itself first. The last is the one that has answers.
func (d *DNS) Chain(host string) []string {
	chain := []string{strings.ToLower(strings.TrimSuffix(host, "."))}
	for len(chain) <= aliasesMax {
		other, is := d.aliases[chain[len(chain)-1]]
		if !is {
			break
		}
		chain = append(chain, other)
	}
	return chain
}

// Next is the answer to the next question about host of this kind; false when there is no such name.
func (d *DNS) Next(host, kind string) (Answer, bool) {
	chain := d.Chain(host)
	host = chain[len(chain)-1]
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count++
	answers, known := d.names[host]
	if !known {
		return nil, false
	}
	n := d.asked[kind+host]
	d.asked[kind+host]++
	return answers[min(n, len(answers)-1)], true
}
