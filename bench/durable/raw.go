package main

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/awaitd/awaitd/internal/record"
)

// rawLog is the least that can promise the same to the same callers: one goroutine appends the facts of all that has
// gathered to a file, with one fdatasync. It keeps no state, takes nothing out of memory, and finds nothing again.
type rawLog struct {
	file  *os.File
	inbox chan *life
	syncs int
}

// life is a batch of futures on its way through a rawLog: submitted and started, then settled.
type life struct {
	stages [][]*record.Future // facts to append, each stage when the one before it is on the disk
	err    error
	done   chan struct{}
}

func (l *rawLog) run() {
	var lives []*life
	var facts []byte
	for first := range l.inbox {
		lives, facts = append(lives[:0], first), facts[:0]
		for n := len(l.inbox); n > 0; n-- {
			lives = append(lives, <-l.inbox)
		}
		for _, life := range lives {
			for _, fact := range life.stages[0] {
				facts = record.AppendFuture(facts, fact)
			}
		}
		_, err := l.file.Write(facts)
		err = errors.Join(err, syscall.Fdatasync(int(l.file.Fd())))
		l.syncs++
		for _, life := range lives {
			if life.stages = life.stages[1:]; len(life.stages) > 0 && err == nil {
				l.inbox <- life // there is room: as many lives as callers are under way
				continue
			}
			life.err = err
			close(life.done)
		}
	}
}

// measureRawLog has the callers of the kernel submit to a rawLog and await, and returns how long that took.
func measureRawLog(path string, s settings) (took time.Duration, syncs int, err error) {
	file, err := os.Create(path)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, file.Close(), os.Remove(path)) }()
	l := &rawLog{file: file, inbox: make(chan *life, s.callers)}
	var running sync.WaitGroup
	running.Go(l.run)
	took, err = s.live(func(futures []record.NewFuture) error {
		life := &life{stages: stages(futures), done: make(chan struct{})}
		l.inbox <- life
		<-life.done
		return life.err
	})
	close(l.inbox)
	running.Wait()
	return took, l.syncs, err
}

// stages are the facts of futures as the kernel commits them: running, then settled.
func stages(futures []record.NewFuture) [][]*record.Future {
	facts := make([]record.Future, 2*len(futures))
	running, settled := make([]*record.Future, len(futures)), make([]*record.Future, len(futures))
	now := record.TimeOf(time.Now())
	for i, n := range futures {
		running[i], settled[i] = &facts[2*i], &facts[2*i+1]
		*running[i] = record.Future{
			ID: n.ID, Kind: n.Kind, State: record.StateRunning, Version: 2, Request: n.Request,
			CreatedAt: now, StartedAt: now, DeadlineAt: now.Add(n.Timeout), TTL: n.TTL,
		}
		*settled[i] = *running[i]
		settled[i].State, settled[i].Version, settled[i].SettledAt = record.StateSucceeded, 4, now
		settled[i].ExpiresAt = now.Add(n.TTL)
		settled[i].Request = n.Request.WithoutSecrets()
		settled[i].Attempts = []record.Attempt{{N: 1, Status: 200}}
		settled[i].Result = answered()
	}
	return [][]*record.Future{running, settled}
}

// live submits at least s.lives fetches in batches, by s.callers at once, each of which awaits its batch before the
// next.
func (s settings) live(submitAndAwait func([]record.NewFuture) error) (time.Duration, error) {
	began := time.Now()
	var next atomic.Int64
	fault := make(chan error, s.callers)
	var all sync.WaitGroup
	for range s.callers {
		all.Go(func() {
			for next.Add(int64(s.batch)) <= int64(s.lives) {
				if err := submitAndAwait(batch(s.batch, 0, request)); err != nil {
					fault <- err
					return
				}
			}
		})
	}
	all.Wait()
	if len(fault) > 0 {
		return 0, <-fault
	}
	return time.Since(began), nil
}
