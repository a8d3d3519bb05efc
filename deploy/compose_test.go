package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

type composeFile struct {
	Name     string
	Hardened any `yaml:"x-hardened"`
	Services map[string]*service
	Secrets  map[string]struct{ File string }
	Volumes  map[string]struct{}
}

type service struct {
	Build           *struct{ Context string }
	Image           string
	Environment     map[string]string
	Secrets         []string
	Volumes         []string
	Tmpfs           []string
	Ports           []string
	ReadOnly        bool     `yaml:"read_only"`
	CapDrop         []string `yaml:"cap_drop"`
	SecurityOpt     []string `yaml:"security_opt"`
	Restart         string
	StopGracePeriod string                                `yaml:"stop_grace_period"`
	DependsOn       map[string]struct{ Condition string } `yaml:"depends_on"`
	Healthcheck     *struct {
		Test              []string
		Interval, Timeout string
		Retries           int
	}
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	readYAML(t, "compose.yaml", &c)
	if len(c.Services) != 3 {
		t.Fatalf("the compose file has %d services, want awaitd, prometheus, grafana", len(c.Services))
	}
	return c
}

// TestEveryServiceIsLockedIn: a read-only root, no capabilities, no way to get some, ports on loopback only, and an
// image of a version.
func TestEveryServiceIsLockedIn(t *testing.T) {
	pinned := regexp.MustCompile(`^[a-z/]+:(v?\d+\.\d+\.\d+|local)$`)
	for name, s := range readCompose(t).Services {
		if !s.ReadOnly || !slices.Equal(s.CapDrop, []string{"ALL"}) ||
			!slices.Equal(s.SecurityOpt, []string{"no-new-privileges:true"}) {
			t.Errorf("%s is not hardened: %+v", name, s)
		}
		if !pinned.MatchString(s.Image) {
			t.Errorf("%s: the image %s is not pinned", name, s.Image)
		}
		ours := s.Build != nil && strings.Contains(readText(t, "../Dockerfile"), "\nHEALTHCHECK ")
		if !ours && s.Healthcheck == nil {
			t.Errorf("%s has no health check", name)
		}
		for _, port := range s.Ports {
			if !strings.HasPrefix(port, "127.0.0.1:") {
				t.Errorf("%s: port %s is open to the network", name, port)
			}
		}
	}
}

// TestComposeNamesWhatExists: mounted files are in the tree, secrets and volumes are declared, and used.
func TestComposeNamesWhatExists(t *testing.T) {
	c := readCompose(t)
	used := map[string]bool{}
	for name, s := range c.Services {
		for _, secret := range s.Secrets {
			used[secret] = true
			if c.Secrets[secret].File == "" {
				t.Errorf("%s: the secret %s is not declared", name, secret)
			}
		}
		for _, volume := range s.Volumes {
			source, _, _ := strings.Cut(volume, ":")
			if strings.HasPrefix(source, ".") {
				if _, err := os.Stat(source); err != nil || !strings.HasSuffix(volume, ":ro") {
					t.Errorf("%s: %s is not in the tree, or not mounted read-only", name, volume)
				}
				continue
			}
			used[source] = true
			if _, declared := c.Volumes[source]; !declared {
				t.Errorf("%s: the volume %s is not declared", name, source)
			}
		}
		for on := range s.DependsOn {
			if c.Services[on] == nil {
				t.Errorf("%s waits for %s, which is not there", name, on)
			}
		}
	}
	for secret, s := range c.Secrets {
		if !used[secret] || filepath.Dir(s.File) != "secrets" {
			t.Errorf("the secret %s (%s) is unused, or would be committed", secret, s.File)
		}
	}
	for volume := range c.Volumes {
		if !used[volume] {
			t.Errorf("the volume %s is unused", volume)
		}
	}
	if !slices.Contains(strings.Fields(readText(t, ".gitignore")), "/secrets/") {
		t.Error("secrets are not ignored by git")
	}
}
