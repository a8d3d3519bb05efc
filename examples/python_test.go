package examples

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// debianPython is the Python that has Debian's modules, whatever else comes first on the PATH.
const debianPython = "/usr/bin/python3"

// The Python client, its examples included, keeps what its tests say, against a real server and a real target.
func TestPythonClient(t *testing.T) {
	need(t, debianPython)
	needModule(t, "aiohttp", "python3-aiohttp")
	start(t)
	runPython(t, "-W", "error::ResourceWarning", "-m", "unittest", "discover", "-s", "tests", "-t", ".")
}

// Its types hold, with every check on.
func TestPythonTypes(t *testing.T) {
	need(t, debianPython)
	needModule(t, "aiohttp", "python3-aiohttp")
	needModule(t, "mypy", "mypy")
	runPython(t, "-m", "mypy", "--cache-dir", t.TempDir())
}

func needModule(t *testing.T, module, debian string) {
	t.Helper()
	if err := exec.Command(debianPython, "-c", "import "+module).Run(); err != nil {
		if os.Getenv("AWAITD_CI") != "" {
			t.Fatalf("CI must have the Python module %s: apt-get install %s", module, debian)
		}
		t.Skipf("needs the Python module %s: apt-get install %s", module, debian)
	}
}

func runPython(t *testing.T, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, debianPython, args...)
	cmd.Dir = "../clients/python"
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=.")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
