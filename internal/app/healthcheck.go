package app

import (
	"errors"
	"net/http"
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
