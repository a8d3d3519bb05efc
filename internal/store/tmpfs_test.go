//go:build linux

package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/awaitd/awaitd/internal/record"
	"github.com/awaitd/awaitd/internal/store"
)

// A disk that is really full: a small tmpfs in a mount namespace of its own, where this test runs a second time.
func TestAFullDiskLosesNothingAndGoesOnWhenThereIsRoom(t *testing.T) {
	if folder := os.Getenv("STORE_TO_FILL"); folder != "" {
		fillDisk(t, folder)
		return
	}
	t.Parallel()
	other := exec.Command(os.Args[0], "-test.run=^TestAFullDiskLosesNothingAndGoesOnWhenThereIsRoom$", "-test.v")
	other.Env = append(os.Environ(), "STORE_TO_FILL="+t.TempDir())
	other.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		other.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		other.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}}
		other.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}}
	}
	said, err := other.CombinedOutput()
	var exited *exec.ExitError
	switch {
	case err != nil && !errors.As(err, &exited):
		t.Skipf("no mount namespace here: %v", err)
	case strings.Contains(string(said), "--- SKIP"):
		t.Skipf("no tmpfs here:\n%s", said)
	case err != nil:
		t.Fatalf("%v\n%s", err, said)
	case !strings.Contains(string(said), "--- PASS"):
		t.Fatalf("it did not run:\n%s", said)
	}
}

func fillDisk(t *testing.T, folder string) {
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Skipf("mount: %v", err)
	}
	if err := syscall.Mount("tmpfs", folder, "tmpfs", 0, "size=12m"); err != nil {
		t.Skipf("mount tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(folder, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(folder, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 4<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	o := store.Options{Dir: filepath.Join(folder, "store"), Sync: true, MemtableBytes: 1 << 20}
	s, err := store.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Room(); err != nil {
		t.Errorf("at the beginning: %v", err)
	}
	w := newWorld(seeded(1))
	acked := w.copy()
	warned := false
	for err == nil {
		acked = w.copy()
		b, e := w.turn(6, inline)
		if e != nil {
			t.Fatal(e)
		}
		b.Events = append(b.Events, record.EventFact{
			Name: fmt.Sprint("filler/", w.position), Is: &record.Event{
				Name: fmt.Sprint("filler/", w.position), Payload: &record.Payload{Data: make([]byte, 20_000)},
			},
		})
		w.events[b.Events[len(b.Events)-1].Name] = b.Events[len(b.Events)-1].Is
		err = commit(s, b)
		full := s.Room()
		if warned = warned || errors.Is(full, store.ErrFull); err != nil && !warned {
			t.Error("there was room until there was none")
		}
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("err = %v, want ErrFull", err)
	}
	if diff, err := acked.differs(s); diff != "" || err != nil {
		t.Errorf("read while the disk is full: %v\n%s", err, diff)
	}
	if err := s.Close(); !errors.Is(err, store.ErrFull) {
		t.Errorf("close: %v", err)
	}
	refill(t, folder)
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil)) // which takes turns
	if s, err := store.Open(o); err == nil {
		t.Log("opened while the disk is full")
		_ = s.Close()
	} else if !errors.Is(err, store.ErrFull) {
		t.Errorf("open while the disk is full: %v", err)
	}
	if strings.Contains(log.String(), "damaged") {
		t.Errorf("what found no room is called damaged:\n%s", &log)
	}
	for _, name := range []string{ballast, filepath.Join(folder, "rest")} {
		if err := os.Remove(name); err != nil {
			t.Error(err)
		}
	}
	if s, err = store.Open(o); err != nil {
		t.Fatal(err)
	}
	position, err := s.Position()
	if err != nil || position < acked.position || position > w.position {
		t.Fatalf("at commit %d, acknowledged were %d: %v", position, acked.position, err)
	}
	if position == w.position {
		acked = w
	}
	if diff, err := acked.differs(s); diff != "" || err != nil {
		t.Errorf("read when there is room again: %v\n%s", err, diff)
	}
	if err := commit(s, &record.Batch{Position: w.position + 1, At: acked.at}); err != nil {
		t.Errorf("a commit when there is room again: %v", err)
	}
	mustClose(t, s)
}

// refill takes the last of the room, which the end of a process has given back.
func refill(t *testing.T, folder string) {
	t.Helper()
	f, err := os.Create(filepath.Join(folder, "rest"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Error(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

// inline keeps bodies in their facts, whatever their length.
func inline(text string) (record.Body, error) {
	return record.Body{Bytes: int64(len(text)), Inline: []byte(text)}, nil
}
