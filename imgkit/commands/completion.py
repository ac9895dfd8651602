"""`imgkit completion bash`: the lines that teach a shell to complete `imgkit`'s words."""

from __future__ import annotations

from typing import Final

from imgkit.commands.bench import Bench, Refused
from imgkit.commands.verb import Options, Verb

_BASH: Final = """\
# Completion of imgkit in bash. To have it in every shell:
#   imgkit completion bash >> ~/.bashrc
_imgkit() {
    local line
    COMPREPLY=()
    _get_comp_words_by_ref -n : cur words cword 2>/dev/null || {
        cur=${COMP_WORDS[COMP_CWORD]}; words=("${COMP_WORDS[@]}"); cword=$COMP_CWORD
    }
    while IFS= read -r line; do
        COMPREPLY+=("$line")
    done < <(imgkit __complete "${words[@]:1:cword-1}" "$cur" 2>/dev/null)
    declare -F __ltrim_colon_completions >/dev/null && __ltrim_colon_completions "$cur"
}
complete -o default -F _imgkit imgkit"""


def _completion(bench: Bench, options: Options) -> int:
    if options.words[0] != "bash":
        raise Refused(f"there is completion for bash only, not for {options.words[0]!r}")
    bench.say(_BASH)
    return 0


VERBS: Final = {
    "completion": Verb(
        "Print the lines that teach bash to complete these words",
        "bash",
        _completion,
        least=1,
        most=1,
    ),
}
