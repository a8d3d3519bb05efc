#compdef await
# Completion of await for zsh: source <(await completion zsh), after compinit
_await() {
	local -a found
	local line
	for line in "${(@f)$($words[1] __complete "${(@)words[2,CURRENT]}" 2>/dev/null)}"; do
		[[ -n $line ]] && found+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}")
	done
	if (( $#found )); then
		_describe -V await found
	else
		_files
	fi
}
compdef _await await
