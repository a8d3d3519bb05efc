package api

import "slices"

// catalogue is every problem, by status.
var catalogue = []ProblemPage{
	{
		CodeMalformedJSON, "The body is not well-formed JSON", 400,
		"The body must be exactly one JSON object in UTF-8, with no name twice in one object and nothing after it. " +
			"The detail says where reading stopped. Nothing was done; send the request again with the body mended.",
	},
	{
		CodeInvalidRequest, "The request is not as it should be", 400,
		"The JSON is well-formed, but a field or parameter is unknown, missing, of the wrong type or out of bounds. " +
			"Each entry of errors names one: pointer is a JSON pointer into the body, parameter the name of a " +
			"parameter. Unknown names are refused and not ignored, so that a typing error cannot pass for a default. " +
			"Nothing was done.",
	},
	{
		CodeIdempotencyKeyInvalid, "The Idempotency-Key cannot be used", 400,
		"An Idempotency-Key has 1 to 255 printable ASCII characters, plain or as a quoted string, and stands in the " +
			"request once. Nothing was done. A random UUID is a good key.",
	},
	{
		CodeUnauthorized, "A valid key is needed", 401,
		"This server was started with keys. Send one as Authorization: Bearer KEY. A key is never taken from a query. " +
			"awaitd key new makes one; the operator adds its hash to the keys file.",
	},
	{
		CodeEgressDenied, "This target is not allowed", 403,
		"The rules of this server do not allow requests to the target's host, address or port. By default only " +
			"public addresses are reached. Nothing was created. The operator can open a target with --allow-target; " +
			"the reason of a refusal is in the server's log and never in an answer.",
	},
	{
		CodeCrossOrigin, "A web page of another site may not call this server", 403,
		"The request comes from a browser, on behalf of a page of another origin, or names a host that is not this " +
			"server's, as after DNS rebinding. Nothing was done. Call the server from a program, or under its own name.",
	},
	{
		CodeNotFound, "There is nothing here", 404,
		"No resource has this path. The paths are listed in /openapi.yaml. A slash in the name of an event is sent as %2F.",
	},
	{
		CodeUnknownFuture, "There is no such future", 404,
		"No future has this id. Either it never existed, or it was deleted, or the time for which it is kept once " +
			"settled (ttl) has passed. A wait that names an unknown future does not begin.",
	},
	{
		CodeUnknownGroup, "There is no such group", 404,
		"No group has this id. Either it never existed, or the time for which it is kept once none of its members is " +
			"pending (ttl) has passed. Nothing was created.",
	},
	{
		CodeMethodNotAllowed, "The path does not have this method", 405,
		"The header Allow lists the methods that the path has.",
	},
	{
		CodeAlreadySettled, "The future is already settled", 409,
		"A future settles once, and this one has settled with another outcome, which future shows. Repeating the " +
			"call that settled it is no error.",
	},
	{
		CodeNotSettleable, "Only a promise can be settled by a call", 409,
		"A fetch is settled by its target's answer, a timer by time, a wait by its expression; future shows which this " +
			"is. To end it early, cancel it.",
	},
	{
		CodeNotSettled, "The future is not settled yet", 409,
		"Only a settled future can be deleted. Wait for it, or cancel it first.",
	},
	{
		CodeIDTaken, "The id is taken", 409,
		"There is a future with the chosen id. Choose another, or use that one. To make a repeated call safe, send an " +
			"Idempotency-Key: then the repetition gets the first answer.",
	},
	{
		CodeCyclicWait, "The future would wait for itself", 409,
		"What it waits for waits, directly or through others, for what this future does itself: for the event that it " +
			"sets. It could begin only if somebody else did that for it. Nothing was created. Wait for something else, " +
			"or set another event.",
	},
	{
		CodeGroupClosed, "The group is closed", 409,
		"It was cancelled, its deadline passed, its lease was not renewed, or a member of a group with " +
			"cancel_on_failure failed. It takes no members any more, and cannot be opened again. Nothing was created.",
	},
	{
		CodePreconditionFailed, "The result has another ETag", 412,
		"If-Match names an ETag that the result does not have. A result never changes, but its ETag does when the callback " +
			"of its future goes on: read it again, or ask without If-Match.",
	},
	{
		CodeBodyTooLarge, "The body is too large", 413,
		"The body is longer than this server takes for this call. A batch can be sent in parts; the payload of an " +
			"event is at most 64 KiB.",
	},
	{
		CodeUnsupportedMediaType, "The body must be JSON", 415,
		"This call takes Content-Type: application/json. With curl add -H 'Content-Type: application/json', or use --json.",
	},
	{
		CodeRangeNotSatisfiable, "The body does not have this range", 416,
		"The header Content-Range says how many bytes the result has.",
	},
	{
		CodeIdempotencyMismatch, "The Idempotency-Key was used for another request", 422,
		"A key stands for one request: the same path and the same body. This one came with another before. Nothing was " +
			"done; use a new key.",
	},
	{
		CodeResultUnavailable, "The future has no result", 424,
		"It failed or was cancelled; its error, in future, says why. When the target did answer, but with a status " +
			"that was not accepted, the answer is in the result of future.",
	},
	{
		CodeBusy, "The server is busy", 429,
		"More requests are queued than the server takes. Nothing was done; come back after Retry-After seconds. Batches " +
			"and waits over several things need far fewer requests.",
	},
	{
		CodeTooManyFutures, "Too many futures are pending", 429,
		"As many futures are pending as this server takes, or their requests take as many bytes. Nothing was created; " +
			"come back after Retry-After seconds, when some have settled.",
	},
	{
		CodeTooManyWaiters, "Too many requests are held", 429,
		"As many requests are held as this server takes, or they wait for as many things. Ask without wait, or come back " +
			"after Retry-After seconds. One wait over several things replaces several waits.",
	},
	{
		CodeTooManyEvents, "Too many events are remembered", 429,
		"As many events are remembered, waited for or to be set as this server takes, or their payloads take as many " +
			"bytes. Nothing was done. Delete events that are no longer needed, or set them with a ttl.",
	},
	{
		CodeTooManyGroups, "Too many groups are remembered", 429,
		"As many groups are remembered as this server takes. Nothing was created. A group is forgotten when its ttl has " +
			"passed; come back after Retry-After seconds.",
	},
	{
		CodeInternal, "The server has a fault", 500,
		"This is not your mistake. Whether the call took effect cannot be said; repeat it with the same " +
			"Idempotency-Key, or read the future or event. The log of the server says more.",
	},
	{
		CodeDraining, "The server is about to stop", 503,
		"It takes no new work and answers every held request at once. Nothing was done; come back after Retry-After " +
			"seconds.",
	},
	{
		CodeNotReady, "The server is not ready yet", 503,
		"It is still reading what it knew before it was started, or it cannot write. Come back after Retry-After seconds.",
	},
	{
		CodeStalled, "The loop stands still", 503,
		"The event loop has not turned within the last second: a callback holds it, or the machine is overloaded. " +
			"slow_callbacks in /loop names callbacks that took too long.",
	},
	{
		CodeStorageFull, "The store is full", 507,
		"There is no room left on the disk, or in the memory that --memory may take, to remember a change. Nothing was " +
			"changed; reads and waits go on. The operator can make room, or delete settled futures.",
	},
}

// ProblemPages is the catalogue of all problems, by status.
func ProblemPages() []ProblemPage { return slices.Clone(catalogue) }

// ProblemPageOf is the page of code, and whether there is one.
func ProblemPageOf(code Code) (ProblemPage, bool) {
	i := slices.IndexFunc(catalogue, func(p ProblemPage) bool { return p.Code == code })
	if i < 0 {
		return ProblemPage{}, false
	}
	return catalogue[i], true
}
