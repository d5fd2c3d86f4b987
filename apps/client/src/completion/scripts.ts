/** Shells for which there is a completion. */
export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/* Each asks the program itself, which knows its commands and the names on the server: `wrenn __complete -- WORDS` prints a line for
   each candidate, the word and what it is with a tab between, and `:file` where files fit. */

const bash = `# Completion of wrenn for bash: source it, or store it in ~/.local/share/bash-completion/completions/wrenn
_wrenn() {
  local line="\${COMP_LINE:0:COMP_POINT}" current value text
  local -a words=()
  read -ra words <<< "$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  current="\${words[\${#words[@]}-1]}"
  COMPREPLY=()
  while IFS=$'\\t' read -r value text; do
    if [[ $value == :file ]]; then
      compopt -o default 2>/dev/null
    else
      COMPREPLY+=("$value")
    fi
  done < <("\${words[0]/#\\~/$HOME}" __complete -- "\${words[@]:1}" 2>/dev/null)
  # bash replaces only what follows the last of these.
  if [[ $current == *[:=]* && $COMP_WORDBREAKS == *:* ]]; then
    COMPREPLY=("\${COMPREPLY[@]#"\${current%"\${current##*[:=]}"}"}")
  fi
}
complete -F _wrenn wrenn
`;

const zsh = `#compdef wrenn
# Completion of wrenn for zsh: store it as _wrenn in a directory of $fpath, or source it after compinit
_wrenn() {
  local -a lines candidates
  local line
  lines=("\${(@f)$("\${(Q)words[1]/#\\~/$HOME}" __complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  for line in $lines; do
    if [[ $line == :file* ]]; then
      _files
    elif [[ -n $line ]]; then
      candidates+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}")
    fi
  done
  (( \${#candidates} )) && _describe wrenn candidates
}
if [[ $funcstack[1] == _wrenn ]]; then
  _wrenn "$@"
else
  compdef _wrenn wrenn
fi
`;

const fish = `# Completion of wrenn for fish: store it as ~/.config/fish/completions/wrenn.fish
function __wrenn_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l program $words[1]
    set -e words[1]
    for line in ($program __complete -- $words "$current" 2>/dev/null)
        if string match -q ':file*' -- $line
            __fish_complete_path "$current"
        else
            echo $line
        end
    end
end
complete -c wrenn -f -a '(__wrenn_complete)'
`;

/** What a shell reads to complete commands of this program. */
export const completionScripts: Readonly<Record<Shell, string>> = { bash, zsh, fish };
