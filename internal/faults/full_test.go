package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// inside runs the test again in a mount namespace of its own, and reports whether this is that run.
func inside(t *testing.T) bool {
	t.Helper()
	if os.Getenv(insideVariable) != "" {
		return true
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m",
		fmt.Sprintf("-faults.seed=%d", *seed))
	cmd.Env = append(os.Environ(), insideVariable+"="+binary)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	switch {
	case errors.Is(err, fs.ErrPermission) || strings.Contains(string(out), "--- SKIP"):
		mustRun(t, "a mount namespace is not permitted here: %v\n%s", err, out)
	case err != nil:
		t.Errorf("%v\n%s", err, out)
	default:
		t.Logf("%s", out)
	}
	return false
}

// smallDisk mounts a disk in memory that nobody else sees, and that is gone with this process.
func smallDisk(t *testing.T, bytes string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+bytes)
	}
	if err != nil {
		mustRun(t, "mount a small disk: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// fill takes the room on the disk until no more than spare bytes are left, and returns what gives it back. It leaves
// nothing when spare is 0, whoever else writes there.
func fill(t *testing.T, dir string, spare uint64) (free func()) {
	t.Helper()
	name := filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	free = func() {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
	for block := make([]byte, 4096); ; {
		var disk syscall.Statfs_t
		if err := syscall.Statfs(dir, &disk); err != nil {
			t.Fatal(err)
		}
		if spare > 0 && disk.Bavail*uint64(disk.Bsize) <= spare {
			return free
		}
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return free
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// On a disk that is nearly full no new work is taken, with a problem that says so; reads and what is under way go on.
// When there is room again, work is taken again.
func TestOnAFullDiskSubmitsAreRefusedAndReadsGoOn(t *testing.T) {
	t.Parallel()
	if !inside(t) {
		return
	}
	dir := smallDisk(t, "128m")
	w := newWorld(t, binary, "--data-dir", filepath.Join(dir, "store"))
	l := w.live(t.Context())
	c := newClient(w, 0)
	defer c.http.CloseIdleConnections()
	ask(t, c, "POST", "/futures", `{"kind":"promise","id":"early"}`, http.StatusCreated)
	free := fill(t, dir, 1<<20)
	text := string(ask(t, c, "POST", "/futures", `{"kind":"promise","id":"late"}`, http.StatusInsufficientStorage))
	if !strings.Contains(text, `"storage-full"`) {
		t.Errorf("the problem is %s", text)
	}
	ask(t, c, "POST", "/fetch", `{"url":"`+w.target.URL+`/quick/late"}`, http.StatusInsufficientStorage)
	ask(t, c, "GET", "/futures/early", "", http.StatusAccepted)
	ask(t, c, "POST", "/futures/early/resolve", `{"value":1}`, http.StatusOK)
	ask(t, c, "GET", "/futures/early?wait=1s", "", http.StatusOK)
	ask(t, c, "GET", "/healthz", "", http.StatusOK)
	free()
	ask(t, c, "POST", "/futures", `{"kind":"promise","id":"late"}`, http.StatusCreated)
	l.kill()
	w.live(t.Context())
	ask(t, c, "GET", "/futures/early", "", http.StatusOK)
	ask(t, c, "GET", "/futures/late", "", http.StatusAccepted)
}

// When not a byte is left, the server ends with a reason rather than promise what it cannot keep, or it goes on
// refusing. When there is room again and it is started, all that it acknowledged is there, and nothing by halves.
func TestADiskWithoutAByteLeftLosesNothing(t *testing.T) {
	t.Parallel()
	if !inside(t) {
		return
	}
	dir := smallDisk(t, "96m")
	w := newWorld(t, binary, "--data-dir", filepath.Join(dir, "store"))
	w.diskFails = true
	ctx, stop := context.WithCancel(t.Context())
	finish := w.work(ctx, clients, *seed)
	l := w.live(ctx)
	<-w.history.reached(500)
	free := fill(t, dir, 0)
	select {
	case <-l.ended:
		if code := l.exit(t); code <= 0 || !l.said.has("no space left on device") {
			t.Errorf("it ended with %d:\n%s", code, l.said)
		}
	case <-w.history.reached(20_000):
		t.Log("it did not end")
		l.kill()
	}
	if next, err := w.tryToLive(ctx); err == nil {
		next.kill()
	} else if code := next.exit(t); code <= 0 || !next.said.has("full") {
		t.Errorf("on a full disk it ended with %d:\n%s", code, next.said)
	}
	free()
	w.live(ctx)
	<-w.history.reached(200)
	stop()
	finish()
	w.target.soothe()
	report(t, w.verdict(t.Context()))
}
