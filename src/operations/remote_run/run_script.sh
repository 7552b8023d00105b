# Starts a command in an instance, once, and sends what it writes. cloudctl fills in what has two braces around it.
# POSIX shell alone. It is one function, so that a shell that gets half of it runs nothing.
cloudctl_run() {
mask=$(umask)
umask 077
# A connection that breaks must not end it.
trap '' HUP PIPE
root="$HOME/.cloudctl/runs"
run="$root/{{RUN_ID}}"
staged="$root/{{STAGED}}"

report() { printf '\n{{MARK}} %s\n' "$*"; }
nap() { sleep 0.2 2>/dev/null || sleep 1; }
boot_id() { cat /proc/sys/kernel/random/boot_id 2>/dev/null || echo none; }
start_time() { sed 's/^.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }

is_alive() {
  loss=ended
  [ -d "$run" ] || loss=absent
  read -r boot process start <"$run/started" 2>/dev/null || return 1
  [ "$start" != "$(start_time "$process")" ] || [ -z "$start" ] || [ "$boot" != "$(boot_id)" ] || return 0
  [ "$boot" = "$(boot_id)" ] || loss=rebooted
  return 1
}

# Sends the part of a file that is new: a line with its length, then so many bytes.
send() {
  end=$3
  size=$(wc -c <"$run/$2" 2>/dev/null) || return 0
  length=$((size - end))
  [ "$length" -gt 0 ] || return 0
  [ "$length" -le 1048576 ] || length=1048576
  printf '%s %s\n' "$1" "$length"
  tail -c "+$((end + 1))" "$run/$2" | head -c "$length"
  end=$((end + length))
  idle=0
}

follow() {
  trap - PIPE
  output={{OUTPUT_OFFSET}}
  errors={{ERRORS_OFFSET}}
  idle=0
  while :; do
    idle=$((idle + 1))
    ended=
    [ ! -f "$run/exit" ] || ended=1
    send O output "$output"
    output=$end
    send E errors "$errors"
    errors=$end
    [ "$idle" -gt 0 ] || continue
    if [ -n "$ended" ]; then
      printf 'X %s\n' "$(cat "$run/exit")"
      return
    fi
    if [ $((idle % 10)) = 0 ] && ! is_alive && [ ! -f "$run/exit" ]; then
      printf 'L %s\n' "$loss"
      return
    fi
    # A connection that broke in silence is noticed by writing.
    [ $((idle % 50)) != 0 ] || printf 'W\n'
    nap
  done
}

# Moves a file or folder that was copied before the start to where it belongs.
place() {
  target=$2
  case "$target" in
    '~') target=$HOME ;;
    '~/'*) target="$HOME/${target#'~/'}" ;;
  esac
  case "$target" in
    /*) ;;
    *) target="./$target" ;;
  esac
  case "$target" in
    */) mkdir -p "$target" ;;
    *) mkdir -p "$(dirname "$target")" ;;
  esac && mv -f "$1" "$target"
}

place_all() {
  cd "$HOME" || return 1
  :
{{PLACE_ALL}}
}

limit_time() {
  "$setsid" /bin/sh -c '
    sleep "$2"
    : >"$1/timed-out"
    process=$(cat "$1/process")
    kill -s TERM -- "-$process"
    sleep 10
    kill -s KILL -- "-$process"
  ' cloudctl-timer "$run" {{TIME_LIMIT}} &
  timer=$!
}

supervise() {
  begun=$(date +%s)
  { cat <"$run/output.pipe" >"$run/output"; : >"$run/output.done"; } &
  { cat <"$run/errors.pipe" >"$run/errors"; : >"$run/errors.done"; } &
  limit_time
  input=/dev/null
  [ ! -f "$run/input" ] || input="$run/input"
  (
    trap - HUP PIPE
    cd "$HOME" || exit 126
    umask "$mask"
    # The variables of the command may have the names of this script's.
    set -- "$setsid" "$run" "$input"
{{EXPORTS}}
    exec "$1" /bin/sh -c 'printf "%s\n" "$$" >"$1/process"; shift; exec "$@"' cloudctl-run "$2" \
      {{COMMAND}} <"$3" >"$2/output.pipe" 2>"$2/errors.pipe"
  )
  code=$?
  kill -s KILL -- "-$timer"
  kill -s KILL "$timer"
  if [ -f "$run/timed-out" ]; then
    code=124
    kill -s KILL -- "-$(cat "$run/process")"
  fi
  # What the command left running may have the pipes open.
  waited=0
  while [ "$waited" -lt 25 ] && { [ ! -f "$run/output.done" ] || [ ! -f "$run/errors.done" ]; }; do
    nap
    waited=$((waited + 1))
  done
  printf '%s %s %s\n' "$code" "$begun" "$(date +%s)" >"$run/exit.new" && mv "$run/exit.new" "$run/exit"
}

setsid=$(command -v setsid) || {
  report refused "there is no setsid in the VM: install util-linux"
  return
}
# Of two that start it again at once, one makes the folder and moves the old run away.
if [ -n "{{AGAIN}}" ] && mkdir "$run/replaced" 2>/dev/null; then
  if [ -f "$run/exit" ] && [ "$(cat "$run/client")" != {{MARK}} ]; then
    mv "$run" "$run.ended-$$-$(date +%s)"
  else
    rmdir "$run/replaced"
  fi
fi
if [ -d "$run" ]; then
  state=found
elif [ -z "{{MAY_START}}" ]; then
  report absent
  return
elif problem=$(mkdir -p "$root" 2>&1 && mkdir "$run" 2>&1); then
  # This folder is the lock: nobody else starts the command.
  state=started
elif [ -d "$run" ]; then
  state=found
else
  report refused "$problem"
  return
fi
if [ "$state" = found ]; then
  waited=0
  while [ ! -f "$run/started" ] && [ -d "$run" ] && [ "$waited" -lt 50 ]; do
    nap
    waited=$((waited + 1))
  done
  report found
  follow
  return
fi
# Whoever finds the folder sees by this that somebody is about to start the command.
echo {{MARK}} >"$run/client"
printf '%s %s %s\n' "$(boot_id)" "$$" "$(start_time $$)" >"$run/started.new" && mv "$run/started.new" "$run/started"
[ ! -f "$staged/input" ] || mv "$staged/input" "$run/input"
if ! problem=$(place_all 2>&1) || ! problem=$(mkfifo "$run/output.pipe" "$run/errors.pipe" 2>&1); then
  rm -rf "$run"
  report refused "$problem"
  return
fi
: >"$run/output"
: >"$run/errors"
rm -rf "$staged"
report started
# It runs in the background, and not the command: a shell lets what runs there ignore SIGINT.
follow </dev/null &
exec </dev/null >/dev/null 2>&1
supervise
}
cloudctl_run
