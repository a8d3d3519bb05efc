package docs

// A limit is a row of the page of the limits: what it bounds, and what is answered when it is reached.
type limit struct {
	bound   string
	of      string   // a constant of a room, a limit of the kernel, or a flag; its value comes from there
	reached string   // codes of problems in backticks
	also    []string // other places where the same bound is written
}

type limitGroup struct {
	name string
	rows []limit
}

var limits = []limitGroup{
	{"settings", []limit{
		{
			"Futures that are not settled, or have a callback pending", "--max-pending", "429 `too-many-futures`",
			[]string{"Limits.FuturesPendingMax"},
		},
		{
			"Bytes of their requests, labels and callbacks", "--max-pending-bytes", "429 `too-many-futures`",
			[]string{"Limits.PendingBytesMax"},
		},
		{"Callers and streams held at once", "--max-waiters", "429 `too-many-waiters`", []string{"Limits.WaitersMax"}},
		{
			"How long a caller is held", "--max-wait", "202 with `Retry-After`; a longer wish is clipped",
			[]string{"server.WaitMaxDefault"},
		},
		{"Attempts under way at once", "--workers", "fetches queue, hosts taking turns", []string{"Limits.WorkersMax"}},
		{
			"Attempts under way at one host", "--host-concurrency", "fetches queue; 0 is half of the workers",
			[]string{"Limits.HostAttemptsMax"},
		},
		{
			"The body of a target's answer", "--max-body", "the future fails with `too_large`; `max_bytes` of a fetch lowers it",
			[]string{"api.DefaultBodyBytesMax", "server.BodyBytesMaxDefault"},
		},
		{"Memory, with `--memory`", "--max-memory", "507 `storage-full`", nil},
		{
			"How long a settled future is kept", "--future-ttl", "then 404 `unknown-future`; `ttl` of a future sets its own",
			[]string{"api.DefaultTTL", "Limits.TTLDefault"},
		},
		{
			"How long an event is remembered that is neither set nor waited for", "--event-ttl",
			"it begins again at generation 0",
			[]string{"Limits.EventTTL"},
		},
		{
			"How long an idempotency key is remembered", "--idempotency-ttl", "the call creates anew",
			[]string{"server.KeyTTLDefault"},
		},
		{"How long running attempts get at the end", "--grace", "they are made again later, or `outcome_unknown`", nil},
	}},
	{"requests", []limit{
		{"The body of a submit, a future, a group or a wait", "server.SubmitBytesMax", "413 `body-too-large`", nil},
		{"The body of a batch", "server.BatchBytesMax", "413 `body-too-large`", nil},
		{"Fetches in a batch", "api.FetchesMax", "400 `invalid-request`", nil},
		{"The value of a promise", "server.ResolveBytesMax", "413 `body-too-large`", nil},
		{"The payload of an event", "api.PayloadBytesMax", "413 `body-too-large`", nil},
		{"The head of a request", "server.HeaderBytesMax", "431, and the connection is closed", nil},
		{"Time for the head of a request", "server.HeaderTimeMax", "the connection is closed", nil},
		{"Time for each 64 KiB of its body", "server.bodyPatience", "400 `invalid-request`", nil},
		{"Time to take each 64 KiB of an answer", "server.answerPatience", "the connection is closed", nil},
		{"Time between two requests of a connection", "server.IdleTimeMax", "the connection is closed", nil},
		{"Characters of an idempotency key", "server.IdempotencyKeyBytesMax", "400 `idempotency-key-invalid`", nil},
		{"Things in one wait", "api.LeavesMax", "400 `invalid-request`", nil},
		{"Depth of a wait", "api.DepthMax", "400 `invalid-request`", nil},
		{"The cursor of a wait", "api.WaitCursorBytesMax", "400 `invalid-request`", nil},
		{"The cursor of a list", "api.CursorBytesMax", "400 `invalid-request`", nil},
		{"Items on a page", "api.PageMax", "400 `invalid-request`; a page may be shorter though more follow", nil},
		{"Items on a page, unless `limit` says so", "api.PageDefault", "`next_cursor`", nil},
		{"Generations and counts (`after`, `times`, `max_bytes`)", "api.CountMax", "400 `invalid-request`", nil},
		{"A duration", "api.DurationMax", "400 `invalid-request`", nil},
		{"The name of an event", "api.EventNameBytesMax", "400 `invalid-request`", nil},
		{"The chosen id of a promise", "api.PromiseIDBytesMax", "400 `invalid-request`", nil},
		{"Labels of a future or group", "api.LabelsMax", "400 `invalid-request`", nil},
		{"The key of a label", "api.LabelKeyBytesMax", "400 `invalid-request`", nil},
		{"Characters of a label", "api.LabelRunesMax", "400 `invalid-request`", nil},
		{"Characters of the message of a rejection", "api.MessageRunesMax", "400 `invalid-request`", nil},
		{"Faults named in one answer", "api.faultsMax", "the others are not named", nil},
	}},
	{"fetches", []limit{
		{"The URL", "api.URLBytesMax", "400 `invalid-request`", []string{"fetch.URLBytesMax"}},
		{"Header lines", "api.HeadersMax", "400 `invalid-request`", []string{"fetch.HeadersMax"}},
		{"Headers in all", "fetch.HeaderBytesMax", "400 `invalid-request`", nil},
		{"Names to redact", "api.RedactMax", "400 `invalid-request`", []string{"fetch.RedactMax"}},
		{"Characters of such a name", "api.NameRunesMax", "400 `invalid-request`", nil},
		{"Statuses in a list", "api.StatusesMax", "400 `invalid-request`", []string{"fetch.StatusRangesMax"}},
		{"Time of one attempt (`timeout`)", "api.TimeoutMax", "400 `invalid-request`", []string{"fetch.TimeoutMax"}},
		{"Time of one attempt unless given", "api.DefaultTimeout", "the attempt fails with `timeout`", nil},
		{"Time of everything unless given (`deadline`)", "api.DefaultDeadline", "the future fails with `deadline`", nil},
		{"Attempts (`retry.max_attempts`)", "api.AttemptsMax", "400 `invalid-request`", []string{"fetch.AttemptsMax"}},
		{"Attempts unless given", "api.DefaultAttempts", "the future fails as the last attempt did", nil},
		{"The least pause between attempts", "api.BackoffMin", "400 `invalid-request`", []string{"fetch.BackoffLeast"}},
		{"The longest pause between attempts", "api.BackoffMax", "400 `invalid-request`", []string{"fetch.BackoffMost"}},
		{"`retry.min_backoff` unless given", "api.DefaultBackoffMin", "pauses grow from here", nil},
		{"`retry.max_backoff` unless given", "api.DefaultBackoffMax", "pauses grow to here", nil},
		{"`Retry-After` of a target that is heeded", "fetch.RetryAfterMax", "a longer one is not: the own pauses hold", nil},
		{"The key of a limit", "api.LimitKeyBytesMax", "400 `invalid-request`", nil},
		{"`limit.concurrency`", "api.ConcurrencyMax", "400 `invalid-request`", nil},
		{"`limit.rate`", "api.RateMax", "400 `invalid-request`", nil},
		{"`limit.period` unless given", "api.DefaultPeriod", "the next period begins", nil},
		{"Failures in a row until a circuit opens", "await.CircuitStreakMax", "`reason` is `circuit_open`", nil},
		{
			"Outcomes in 10 s, half of them failures, until it opens", "await.CircuitOutcomesLeast",
			"`reason` is `circuit_open`", nil,
		},
		{"The first pause of an open circuit", "await.CircuitOpenLeast", "one attempt is let through", nil},
		{"Its longest pause", "await.CircuitOpenMost", "one attempt is let through", nil},
		{
			"Attempts at one time after it closed, growing with each success", "await.CircuitRampMost",
			"then as many as there are", nil,
		},
		{
			"Retries of one key in 10 s, beside a tenth of its first attempts", "await.RetriesLeast",
			"further ones wait; `reason` stays `backoff`", nil,
		},
		{"How long a callback is tried after the end of its future", "await.CallbackTimeMax", "it has `failed`", nil},
		{"Redirects (`max_redirects`)", "api.RedirectsMax", "400 `invalid-request`", []string{"fetch.RedirectsMax"}},
		{"Redirects unless given", "api.DefaultRedirects", "the future fails with `redirect`", nil},
		{"Time to resolve a name", "fetch.LookupTimeMax", "the attempt fails with `dns`", nil},
		{"Addresses of a name", "fetch.LookupAnswersMax", "the future fails with `egress_denied`", nil},
		{"Time to connect", "fetch.DialTimeMax", "the attempt fails with `connect`", nil},
		{"Time for TLS", "fetch.HandshakeTimeMax", "the attempt fails with `tls`", nil},
		{
			"Time from the first byte of an answer to its last header", "fetch.HeaderTimeMax",
			"the attempt fails with `timeout`", nil,
		},
		{"Headers of an answer", "fetch.AnswerHeaderBytesMax", "the attempt fails with `protocol`", nil},
		{
			"Header lines of an answer, interim answers included", "fetch.headLinesMax",
			"the future fails with `protocol`", nil,
		},
		{"The least rate of a body, in a second", "fetch.BodyRateLeast", "the attempt fails with `timeout`", nil},
		{
			"Times in a row that the server may die during a fetch", "await.InterruptionsMax",
			"the future fails with `quarantined`", nil,
		},
	}},
	{"service", []limit{
		{"Calls that the loop has not taken yet", "Limits.InboxMax", "429 `busy`", nil},
		{"Bytes of requests that are being read", "server.ReadingBytesMax", "429 `busy`", nil},
		{"Events remembered, waited for or to be set", "Limits.EventsMax", "429 `too-many-events`", nil},
		{"Bytes of their payloads", "Limits.EventBytesMax", "429 `too-many-events`", nil},
		{"Keys of limits remembered that nobody needs", "Limits.KeysIdleMax", "the one idle longest is forgotten", nil},
		{"Groups remembered", "Limits.GroupsMax", "429 `too-many-groups`", nil},
		{"Things in all waits together", "Limits.WaitLeavesHeldMax", "429 `too-many-waiters`", nil},
		{"Streams of `/loop`", "server.loopStreamsMax", "429 `too-many-waiters`", nil},
		{
			"Messages kept for the slow reader of a stream that is not of a wait", "await.NewsMax",
			"the oldest are dropped, and counted", nil,
		},
		{"Requests at once on a connection of HTTP/2", "server.StreamsMax", "the client waits", nil},
		{"Keys in `--api-keys-file`", "server.KeysMax", "the server does not start", nil},
		{"A body shown within an answer", "server.InlineBytesMax", "`truncated`; `/futures/{id}/result` has it", nil},
		{"Bodies shown in one answer", "server.AnswerInlineBytesMax", "`truncated`", nil},
		{"Depth of a stranger's JSON that is shown as JSON", "server.depthMax", "it is shown as text", nil},
		{"Things looked at for a circle of waits, at one submit", "await.CycleStepsMax", "409 `cyclic-wait`", nil},
		{"Waits listed in `/loop`", "api.LoopWaitsMax", "the longest are listed", []string{"await.WaitsShownMax"}},
		{
			"Things shown of each of them", "api.LoopLeavesMax", "the first are shown, all are counted",
			[]string{"await.LeavesShownMax"},
		},
		{
			"Futures listed in `/loop` that nobody waits for", "api.LoopUnawaitedMax", "the longest are listed, all are counted",
			[]string{"await.UnawaitedShownMax"},
		},
		{"Room that must be left on the disk; a tenth of a small one", "store.spareBytesDefault", "507 `storage-full`", nil},
	}},
}

// unseen are bounds that nobody outside can see, and names that only look like bounds.
var unseen = map[string]bool{
	"api.OpAtLeast":              true, // an operator
	"app.bodyBytesMost":          true, // of --max-body itself
	"await.CascadeMax":           true, // work of one turn; the next goes on
	"await.startGroupsMax":       true, // how finely starts are counted
	"fetch.dialShareLeast":       true,
	"fetch.drainBytesMax":        true,
	"fetch.drainTimeMax":         true,
	"fetch.idleConnsLeast":       true,
	"fetch.idleTimeMax":          true,
	"fetch.statusLeast":          true,
	"fetch.statusMost":           true,
	"store.InlineBytesMax":       true, // where a body lies
	"store.LooseMax":             true,
	"store.ScanMax":              true, // a shorter page
	"store.SweepMax":             true,
	"store.batchBytesMax":        true,
	"store.cacheBytesDefault":    true,
	"store.listMax":              true,
	"store.memtableBytesDefault": true,
	"store.renewBytesMax":        true, // how much is sealed anew at one time
	"store.renewEndMax":          true,
	"store.renewFactsMax":        true,
}
