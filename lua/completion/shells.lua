--- What makes bash, zsh and fish complete cmek's commands. They only hand the words over; what may stand there is asked of the program
--- that is about to be called, so that it is never of another version.
return {
  bash = [=[
# bash completion for cmek: the program itself says what may stand there
_cmek() {
  local i word line cur file found
  local -a words=()
  # a word that readline broke at = or : is one word
  for ((i = 1; i <= COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    if ((${#words[@]} > 0)) && [[ $word == [=:]* || ${words[-1]} == *[=:] ]]; then
      words[-1]+=$word
    else
      words+=("${word#[\"\']}")   # an open quote is the shell's
    fi
  done
  cur=${words[-1]}
  file=${COMP_WORDS[COMP_CWORD]#[=:]}
  COMPREPLY=()
  while IFS= read -r line; do
    found=
    case $line in
      '') ;;
      ':files '*) found=$(compgen -f -X "!*${line#* }" -- "$file"; compgen -d -- "$file") ;;
      :files) found=$(compgen -f -- "$file") ;;
      :directories) found=$(compgen -d -- "$file") ;;
      :commands) found=$(compgen -c -- "$cur"; compgen -f -- "$cur") ;;
      *)
        line=${line%%$'\t'*}
        COMPREPLY+=("${line#"${cur%"${cur##*[=:]}"}"}") ;;
    esac
    [[ $line != :[fd]* ]] || compopt -o filenames 2>/dev/null
    [[ -z $found ]] || mapfile -t -O ${#COMPREPLY[@]} COMPREPLY <<< "$found"
  done <<< "$("${COMP_WORDS[0]/#\~\//$HOME/}" complete "${words[@]}" 2>/dev/null)"
}
complete -F _cmek cmek
]=],

  zsh = [=[
#compdef cmek
# zsh completion for cmek: the program itself says what may stand there
_cmek() {
  local line
  local -a candidates
  for line in "${(@f)$(${~words[1]} complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    case $line in
      '') ;;
      :files*|:directories|:commands)
        if [[ $line == :commands ]]; then
          _command_names -e
        else
          compset -P '--[^=]##='
          case $line in
            :directories) _files -/ ;;
            ':files '*) _files -g "*${line#* }" ;;
            *) _files ;;
          esac
        fi ;;
      *$'\t'*) candidates+=("${${line%%$'\t'*}//:/\\:}:${line#*$'\t'}") ;;
      *) candidates+=("${line//:/\\:}") ;;
    esac
  done
  (( ${#candidates} )) && _describe -V 'cmek' candidates
}
if [[ $funcstack[1] == _cmek ]]; then
  _cmek "$@"
else
  compdef _cmek cmek
fi
]=],

  fish = [=[
# fish completion for cmek: the program itself says what may stand there
function __cmek_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l before (string match -r -- '^--[^=]*=' $current)
    set -l file (string replace -r -- '^--[^=]*=' '' $current)
    for line in ($words[1] complete $words[2..-1] $current 2>/dev/null)
        switch $line
            case ':files *'
                string replace -r '^' -- "$before" (__fish_complete_suffix $file (string replace ':files ' '' $line))
            case :files
                string replace -r '^' -- "$before" (__fish_complete_path $file)
            case :directories
                string replace -r '^' -- "$before" (__fish_complete_directories $file)
            case :commands
                __fish_complete_command
            case '*'
                echo $line
        end
    end
end
complete -c cmek -f -k -a '(__cmek_complete)'
]=],
}
