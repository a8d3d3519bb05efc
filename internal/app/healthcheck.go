package app

import (
	"errors"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"time"
)

// Healthcheck asks the server at url until it is healthy or patience has ended; the error says why it is not.
func Healthcheck(url string, patience time.Duration) error {
	client := http.Client{Timeout: 2 * time.Second}
	defer client.CloseIdleConnections()
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		err := ask(&client, url)
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// URLOn is where a server on this machine answers that was told to listen on addr: where it listens on every address,
// on loopback.
func URLOn(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	ip, notIP := netip.ParseAddr(host)
	if err == nil && (host == "" || notIP == nil && ip.IsUnspecified()) {
		addr = net.JoinHostPort("127.0.0.1", port)
	}
	return "http://" + addr
}

func ask(client *http.Client, url string) error {
	resp, err := client.Get(url + "/healthz")
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return errors.New("the server is not healthy: " + resp.Status)
	}
	return nil
}

// Version is what the build set, else the version of the module it was built from, else "dev".
func Version(built string) string {
	if built != "" {
		return built
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
