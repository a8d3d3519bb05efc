# Completion of await for fish: await completion fish > ~/.config/fish/completions/await.fish
function __await_complete
	set -l words (commandline -opc) (commandline -ct)
	$words[1] __complete $words[2..-1] 2>/dev/null
end
complete -c await -f -a '(__await_complete)'
