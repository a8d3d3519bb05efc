package tidy

// module is the import path of the repository's root.
const module = "github.com/awaitd/awaitd"

// A Room is a folder of Go code: who it may import, and what it may do that the others may not.
type Room struct {
	Path  string   // folder from the root; a trailing /... takes in every folder below it
	Floor int      // a room sees only rooms on lower floors; siblings never see each other
	Sees  []string // narrows what the floor allows: nil is every lower floor, nobody is none of ours
	May   May
}

// May is what a room is trusted with. The zero value is a room that computes and nothing else.
type May uint8

const (
	Spawn  May = 1 << iota // write go statements
	Clock                  // read the clock, sleep, and draw random numbers
	Dial                   // open connections of its own, past the egress guard of internal/fetch
	InTest                 // what tests may; it is imported by tests and by nothing else
)

// anyone marks a Room without narrowing, nobody one that imports none of ours.
var (
	anyone []string
	nobody = []string{}
)

// rooms is the house, top floor first; of two rows for a folder the first holds. A package without a row does not pass.
var rooms = []Room{
	{"bench/process", 7, nobody, Spawn | Clock | Dial}, // runs the server as users do
	{"bench/report", 7, nobody, 0},
	{"bench/...", 8, anyone, Spawn | Clock | Dial},
	{"examples/...", 8, []string{"client", "api"}, Spawn | Clock | Dial},

	{"cmd/server", 7, anyone, Spawn | Clock | Dial}, // dials for its healthcheck verb
	{"cmd/await", 7, []string{"client", "api"}, Spawn | Clock | Dial},

	{"internal/app", 6, anyone, Spawn | Clock},

	{"internal/server", 5, anyone, Clock},
	{"internal/console", 5, nobody, 0},
	{"client", 5, []string{"api"}, Spawn | Clock | Dial},

	{"internal/await", 4, anyone, 0},

	{"internal/fetch", 3, anyone, Spawn | Clock},
	{"internal/events", 3, anyone, 0},
	{"internal/store", 3, anyone, Spawn | Clock},
	{"internal/sequence", 3, anyone, Spawn},
	{"internal/webhook", 3, []string{"internal/record"}, 0},

	{"internal/loop", 2, nobody, 0},
	{"internal/record", 1, nobody, 0},
	{"api", 0, nobody, 0},

	{"api/contract", 1, []string{"api"}, InTest},
	{"internal/fetch/cases", 0, nobody, InTest | Clock},
	{"internal/store/storetest", 4, []string{"internal/store", "internal/record"}, InTest},
	{"internal/sim", 6, anyone, InTest},
	{"internal/tidy", 0, nobody, InTest},
	{"deploy", 8, []string{"internal/tidy"}, InTest},
	{"docs", 8, anyone, InTest},
	{"internal/faults", 8, nobody, InTest | Spawn | Clock | Dial}, // knows the server from outside only
}

// exceptions trusts single files with more than their room has.
var exceptions = map[string]May{
	"internal/loop/clock.go":      Clock, // the one place where the loop meets the real clock
	"internal/loop/executor.go":   Spawn, // run_in_executor: work leaves the loop here, and only here
	"internal/server/held.go":     Spawn, // what comes before a wait, away from the stack that is held
	"internal/app/healthcheck.go": Dial,  // asks the operator's own server, at the operator's word
	"internal/fetch/transport.go": Dial,  // everything that leaves, leaves through this constructor
}

// locks is how many mutexes a room holds, for the rooms where it matters: what belongs to the loop is not locked.
var locks = map[string]int{
	"internal/record": 0,
	"internal/loop":   1, // the inbox
	"internal/events": 0,
	"internal/await":  0,
}

// Bounds on length, in lines and characters, a tab being one. Aim at 40 lines a function and 300 a file.
const (
	functionLinesMax     = 70
	fileLinesMax         = 500
	testFunctionLinesMax = 150
	testFileLinesMax     = 800
	lineCharactersMax    = 120
)

// hollowWords say nothing about the thing they name. Type, function, file and package names do without them.
var hollowWords = []string{"manager", "processor", "helper", "util", "common", "data", "info"}

// givenNames are methods that others named, and that we have because we are one of their files, lists and so on.
var givenNames = []string{"SyncData"} // of a file of Pebble's

// bannedRouting are the chi middlewares that trust what a caller wrote.
var bannedRouting = []string{"RedirectSlashes", "RealIP"}

// clockCalls and dialCalls are what Clock and Dial permit, by package. An empty list is the whole package.
var (
	clockCalls = map[string][]string{
		"time": {
			"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker",
		},
		"math/rand":    {},
		"math/rand/v2": {},
		"crypto/rand":  {},
	}
	dialCalls = map[string][]string{
		"net/http": {
			"DefaultClient", "DefaultTransport", "Client", "Transport", "Get", "Head", "Post", "PostForm",
		},
		"net": {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer"},
	}
)

// licences are those of a dependency that may be linked into an Apache-2.0 binary. MPL-2.0 asks only that changes
// to its own files stay open, and we change none.
var licences = []string{"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MPL-2.0"}
