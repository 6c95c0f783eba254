# Types words into an interactive zsh and presses TAB: tests/completion.zsh CMEK LINE... Prints for each line what stands on it then,
# in <<>>, and before that what was listed.
emulate -R zsh
zmodload zsh/zpty
cmek=$1 scratch=$(mktemp -d)
shift
"$cmek" completion zsh > $scratch/_cmek
export HOME=$scratch ZDOTDIR=$scratch TERM=dumb COLUMNS=200
path=(${cmek:h} $path)

# The next text up to a mark, without what only moves the cursor.
expect() {
  local got='' chunk
  while zpty -r z chunk; do
    got+=$chunk
    [[ $got == *$1* ]] && break
  done
  print -r -- ${got//$'\r'/}
}

zpty z zsh -f -i
zpty -w z "PS1= PS2= RPS1=; unsetopt zle_bracketed_paste; fpath=($scratch \$fpath); autoload -Uz compinit; compinit -u -D"
zpty -w z "setopt auto_list no_list_beep no_beep no_always_last_prompt list_rows_first; LISTMAX=0; stty columns 200; zle_highlight=(none)"
zpty -w z 'report() { print -r -- "<<$BUFFER>>"; BUFFER=; zle redisplay; }; zle -N report; bindkey "^X" report; zle-line-init() { print re"ady"; zle -D zle-line-init }; zle -N zle-line-init'
expect ready > /dev/null
for line in "$@"; do
  zpty -n -w z "$line"$'\t'
  zpty -n -w z $'\x18'
  print -r -- "-- $line"
  expect '>>'
done
zpty -d z
rm -rf $scratch
