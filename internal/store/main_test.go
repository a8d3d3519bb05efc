package store_test

import (
	"runtime/debug"
	"slices"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// every is how many operations of a disk pass between two at which a test lets it fail: 1, but more under the race
// detector, with which Pebble takes ten times as long. Races are looked for there, and they can be seen in any life.
var every = func() int {
	about, _ := debug.ReadBuildInfo()
	if about != nil && slices.Contains(about.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		return 8
	}
	return 1
}()
