#!/bin/sh
# Submit 20 slow, flaky fetches at once, wait for all of them with one call, print what they brought.
#
#   go run ./examples/flaky &
#   go run ./cmd/server --allow-target 127.0.0.1/32 &
#   examples/fanout/fanout.sh
#
# Needs curl and jq. AWAITD_URL and TARGET_URL say where the two are.
set -eu
awaitd=${AWAITD_URL:-http://127.0.0.1:8080}
target=${TARGET_URL:-http://127.0.0.1:9090}

# post sends the JSON on standard input.
post() {
    curl --fail-with-body -sS -H 'Content-Type: application/json' --data-binary @- "$awaitd$1"
}

# 20 fetches in one call: all are accepted, or none. Each is tried up to 10 times.
ids=$(
    seq 1 20 |
        jq -n --arg target "$target" '{fetches: [inputs | {
            url: "\($target)/item/\(.)",
            labels: {item: "\(.)"},
            timeout: "1s",
            retry: {max_attempts: 10, min_backoff: "100ms", max_backoff: "500ms"}
        }]}' |
        post /fetch/batch |
        jq -c '[.futures[].id]'
)

# One call that returns when every one is settled. If it takes longer than the server holds a caller (202), ask again.
tries=1
while [ "$tries" -le 10 ]; do
    answer=$(jq -nc --argjson ids "$ids" '{for: {all: [$ids[] | {settled: .}]}, timeout: "30s"}' |
        post /wait)
    [ "$(printf '%s' "$answer" | jq -r .outcome)" = pending ] || break
    tries=$((tries + 1))
done

printf '%s' "$answer" | jq -r '
    [.done[].future] | sort_by(.labels.item | tonumber)[] |
    "item \(.labels.item): \(.state) after \(.attempts | length) attempts: \(.result.json // .error | tostring)"'
