"""`pfs completion`: scripts that let a shell complete commands, options and names.

They ask `pfs complete-words`, which is no command that people see; `completing` answers.
"""

from __future__ import annotations

from typing import Final

import click

from pfslib.cli.output import print_text
from pfslib.cli.session import Command

_BASH: Final = r"""
_pfs_completion() {
    local kind text help
    COMPREPLY=()
    while IFS=$'\t' read -r kind text help; do
        case $kind in
            more) compopt -o nospace ;;&
            word|more) COMPREPLY+=("$text") ;;
            file) compopt -o default ;;
            dir) compopt -o plusdirs ;;
        esac
    done < <("$1" complete-words bash "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
}
complete -F _pfs_completion pfs
"""

_ZSH: Final = r"""#compdef pfs
_pfs() {
    local kind text help last="$PREFIX"
    [[ -n $compstate[quote] ]] || last="${(Q)PREFIX}"
    local -a typed=("${(@Q)words[2,CURRENT-1]}" "$last") whole whole_shown begun
    while IFS=$'\t' read -r kind text help; do
        case $kind in
            word) whole+=("$text"); whole_shown+=("$text${help:+  -- $help}") ;;
            more) begun+=("$text") ;;
            file) _files ;;
            dir) _files -/ ;;
        esac
    done < <("${words[1]}" complete-words words "$typed[@]" 2>/dev/null)
    (( $#whole )) && compadd -l -d whole_shown -a whole
    (( $#begun )) && compadd -S '' -a begun
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
    _pfs "$@"
else
    compdef _pfs pfs
fi
"""

_FISH: Final = r"""
function __pfs_complete
    set -l raw (commandline -ct)
    set -l typed (for end in '' \' \"
        string unescape -- "$raw$end"; and break
    end)
    set -l before (commandline -opc)
    set -l answer (command $before[1] complete-words words $before[2..] "$typed" 2>/dev/null)
    for line in $answer
        set -l parts (string split \t -- $line)
        set -l kind $parts[1]
        set -l text $parts[2]
        set -l help $parts[3]
        switch $kind
            case word more
                printf '%s\t%s\n' $text $help
            case file
                __fish_complete_path $typed
            case dir
                __fish_complete_directories $typed
        end
    end
end
complete -c pfs -f -a '(__pfs_complete)'
"""

_SCRIPTS: Final = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(list(_SCRIPTS)))
def completion(shell: str) -> None:
    """Print a script that completes pfs in a shell.

    For bash, put `eval "$(pfs completion bash)"` into ~/.bashrc; for zsh, the like into ~/.zshrc,
    after compinit; for fish, write what it prints to ~/.config/fish/completions/pfs.fish.
    """
    print_text(_SCRIPTS[shell].lstrip("\n"))
