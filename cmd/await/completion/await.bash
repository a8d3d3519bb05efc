# Completion of await for bash: source <(await completion bash)
_await() {
	local line=${COMP_LINE:0:COMP_POINT} cur prefix
	local -a words
	read -ra words <<<"$line"
	[[ $line == *[[:space:]] ]] && words+=("")
	cur=${words[-1]}
	mapfile -t COMPREPLY < <("${words[0]}" __complete "${words[@]:1}" 2>/dev/null | cut -f1)
	# bash replaces only what follows the last : or = of a word.
	prefix=${cur%"${cur##*[:=]}"}
	COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
}
complete -o default -F _await await
