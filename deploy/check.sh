#!/usr/bin/env bash
# Builds and runs the image without a container engine: the Dockerfile's own commands, over the files that .dockerignore
# lets through, into an empty root that holds what the last stage copies. The server then runs there as the image's user,
# with the image's settings, and a real Prometheus scrapes it with the configuration of this folder.
#
# Needs Go, curl, jq and Debian's prometheus; and root, or user namespaces, to enter the empty root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

repository=$PWD
work=$(mktemp -d)
context=$work/context
stage=$work/stage
root=$work/root
pids=()

finish() {
	local code=$? pid
	for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
	wait
	if [[ $code -ne 0 ]]; then
		echo "deploy/check.sh failed; the server and Prometheus said last:" >&2
		tail -n 20 "$work"/*.log >&2 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap finish EXIT

fail() {
	echo "$*" >&2
	return 1
}

# instructions prints the Dockerfile's instructions of one kind in one stage, a line each, continuations joined.
instructions() { # stage(1, 2) kind
	sed -e ':a' -e '/\\$/{N;s/\\\n */ /;ta' -e '}' "$repository/Dockerfile" |
		awk -v stage="$1" -v kind="$2" '$1 == "FROM" { n++ } n == stage && $1 == kind { sub("^" kind " +", ""); print }'
}

# copy_context makes the build context: the entries that .dockerignore lets back in, without those it takes out again.
copy_context() {
	local entry
	mkdir -p "$context" "$stage"
	while read -r entry; do
		if [[ -e $entry ]]; then cp -r "$entry" "$context"; fi
	done < <(sed -n 's/^!//p' .dockerignore)
	find "$context" -name '*_test.go' -delete
	find "$context" -type d -name testdata -prune -exec rm -r {} +
}

# build runs the RUN lines of the build stage. What they write to /out lands in the stage; the caches are the machine's.
build() {
	local line
	(
		cd "$context"
		while read -r line; do
			export "${line?}"
		done < <(instructions 1 ENV | tr ' ' '\n' | grep -v '^GOCACHE=')
		export GOTOOLCHAIN=auto VERSION=v0.0.0-check # the toolchain is checked by deploy_test.go
		while read -r line; do
			line=$(sed -E 's/--mount=[^ ]+ +//g' <<<"$line")
			echo "RUN $line"
			sh -euc "${line//\/out\//$stage\/out\/}"
		done < <(instructions 1 RUN)
	)
}

# assemble lays out the last stage. The certificates are those of this machine.
assemble() {
	local -a words
	while read -ra words; do
		local from=$context to=${words[-1]} owner=""
		while [[ ${words[0]} == --* ]]; do
			case ${words[0]} in
			--from=build) from=$stage ;;
			--chown=*) owner=${words[0]#--chown=} ;;
			*) fail "COPY ${words[0]} is not known here" ;;
			esac
			words=("${words[@]:1}")
		done
		[[ $from == "$stage" && ${words[0]} == /etc/* ]] && from=""
		if [[ $to == */ ]]; then mkdir -p "$root$to"; else mkdir -p "$root$(dirname "$to")"; fi
		for file in "${words[@]:0:${#words[@]}-1}"; do cp -r "$from/${file#/}" "$root$to"; done
		if [[ -n $owner && $EUID -eq 0 ]]; then chown -R "$owner" "$root$to"; fi
	done < <(instructions 2 COPY)
	find "$root" -type f -printf '%P %s\n'
}

# inspect wants the binary to need nothing and to tell nothing of the machine it was built on.
inspect() {
	local said
	said=$(ldd "$root/awaitd" 2>&1 || true)
	[[ $said == *"not a dynamic executable"* ]] || fail "awaitd is not static: $said"
	go version -m "$root/awaitd" | grep -E '^\s+build\s+(CGO_ENABLED=0|-trimpath=true)$'
	if grep -qaF "$work" "$root/awaitd" || grep -qaF "$repository" "$root/awaitd"; then
		fail "the binary names a folder of this machine"
	fi
	[[ $(inside /awaitd version) == *v0.0.0-check* ]] || fail "the version is not inside"
}

# enter becomes a command in the empty root, with the image's environment and user.
enter() {
	local uid
	local -a settings exec_as
	uid=$(instructions 2 USER)
	read -ra settings < <(instructions 2 ENV)
	if [[ $EUID -eq 0 ]]; then
		exec_as=("$(command -v chroot)" --userspec="$uid" "$root")
	else
		exec_as=("$(command -v unshare)" --user --map-user="${uid%:*}" --root="$root")
	fi
	exec env -i "${settings[@]}" "${extra[@]}" "${exec_as[@]}" "$@"
}
extra=()

inside() { (enter "$@"); }

# await_url asks until an address answers 200, for half a minute.
await_url() {
	for _ in $(seq 150); do
		curl -sf -o /dev/null "$1" && return
		sleep 0.2
	done
	fail "$1 does not answer"
}

status() { curl -s -o /dev/null -w '%{http_code}' "$@"; }

expect() { # what want got
	[[ $2 == "$3" ]] || fail "$1: want $2, got $3"
	echo "$1: $3"
}

# refuse starts the image as it is, without keys: it must say what is missing and end.
refuse() {
	if inside /awaitd serve >"$work/refused.log" 2>&1; then fail "the server started without keys"; fi
	grep -q awaitd-keys "$work/refused.log" || fail "the refusal does not name the file: $(cat "$work/refused.log")"
	echo "without keys: $(head -c 200 "$work/refused.log" | head -1)"
}

# serve starts the image with a key on a port of its own, and asks it as a caller would.
serve() {
	local key
	mkdir -p "$root/run/secrets"
	inside /awaitd key new check >"$root/run/secrets/awaitd-keys" 2>"$work/key"
	key=$(awk 'NF == 1 { print $1 }' "$work/key")
	extra=(AWAITD_ADDR=127.0.0.1:"$port")
	enter /awaitd serve >"$work/awaitd.log" 2>&1 &
	server=$!
	pids+=("$server")
	await_url "$base/healthz"
	inside /awaitd healthcheck "$base" || fail "the health check says no"
	expect "POST /events/x/set without a key" 401 "$(status -X POST "$base/events/x/set")"
	expect "POST /events/x/set with it" 200 "$(status -X POST -H "Authorization: Bearer $key" "$base/events/x/set")"
	expect "GET /wait?all=event:x" 200 "$(status -H "Authorization: Bearer $key" "$base/wait?all=event:x&timeout=1s")"
	expect "GET /metrics as Prometheus in the compose file asks" 200 "$(status -H 'Host: awaitd:8080' "$base/metrics")"
}

# scrape lets Prometheus read the server with the configuration of this folder, but for the address and the interval.
scrape() {
	local query up=""
	mkdir "$work/prometheus"
	cp deploy/prometheus/alerts.yml "$work/prometheus"
	sed -e "s/awaitd:8080/127.0.0.1:$port/" -e 's/_interval: 15s/_interval: 1s/' deploy/prometheus/prometheus.yml \
		>"$work/prometheus/prometheus.yml"
	prometheus --config.file="$work/prometheus/prometheus.yml" --storage.tsdb.path="$work/prometheus/data" \
		--web.listen-address="127.0.0.1:$promport" >"$work/prometheus.log" 2>&1 &
	pids+=($!)
	await_url "http://127.0.0.1:$promport/-/ready"
	for _ in $(seq 100); do # a scrape may be late: then up is 0 until the next one
		up=$(ask 'up{job="awaitd"}') || true
		[[ $up == 1 && $(ask 'min(count_over_time(awaitd_loop_turns_total[1m])) >= bool 3') == 1 ]] && break
		sleep 0.3
	done
	expect "up" 1 "$up"
	expect "alerts firing" "" "$(ask 'ALERTS{alertstate="firing"}')"
	query=0
	while read -r expr; do
		expr=${expr//\$__rate_interval/1m}
		expr=${expr//\$instance/.*}
		curl -sf --data-urlencode "query=$expr" "http://127.0.0.1:$promport/api/v1/query" >"$work/answer" ||
			fail "Prometheus does not answer: $expr"
		query=$((query + 1))
	done < <(jq -r '.panels[].targets[]?.expr' deploy/grafana/dashboards/loop.json)
	echo "Prometheus answers all $query expressions of the dashboard"
	for name in awaitd_build_info awaitd_loop_turns_total awaitd_loop_lag_seconds_bucket awaitd_event_sets_total \
		awaitd_http_requests_total go_goroutines; do
		[[ -n $(ask "count($name)") ]] || fail "Prometheus has no $name"
	done
}

# ask is the value of a PromQL expression of one series, or nothing.
ask() {
	curl -sf --data-urlencode "query=$1" "http://127.0.0.1:$promport/api/v1/query" |
		jq -r '.data.result[0].value[1] // empty'
}

# drain sends what a container engine sends, and wants a clean end.
drain() {
	local code=0
	kill -TERM "$server"
	wait "$server" || code=$?
	expect "exit after SIGTERM" 0 "$code"
	if inside /awaitd healthcheck "$base" 2>"$work/health.log"; then fail "the health check of nobody says yes"; fi
}

# process looks for the metrics that need /proc, which a container has and the empty root has not.
process() {
	"$root/awaitd" serve --addr "127.0.0.1:$port" >"$work/process.log" 2>&1 &
	pids+=($!)
	await_url "$base/readyz"
	curl -sf "$base/metrics" >"$work/metrics"
	for name in process_start_time_seconds process_cpu_seconds_total process_resident_memory_bytes; do
		grep -q "^$name [0-9]" "$work/metrics" || fail "/metrics has no $name"
	done
	echo "/metrics has the process's own"
}

# unit looks at the systemd unit, where there is a systemd to ask.
unit() {
	if ! command -v systemd-analyze >/dev/null; then
		echo "no systemd-analyze here: the unit is not looked at"
		return
	fi
	sed "s#/usr/local/bin/awaitd#$root/awaitd#" deploy/systemd/awaitd.service >"$work/awaitd.service"
	systemd-analyze verify "$work/awaitd.service"
	systemd-analyze security --offline=true --threshold=20 "$work/awaitd.service" | tail -1
}

port=$((20000 + RANDOM % 6000)) # below 32768: from there on the system gives ports to connections
promport=$((port + 6000))
base=http://127.0.0.1:$port

copy_context
build
assemble
inspect
refuse
serve
scrape
drain
process
unit
echo "the image builds, refuses, serves, is scraped and drains"
