# shellcheck shell=bash
# Steps that a person can follow. Source it, set progress_total, then: step "Debian packages" COMMAND [ARGUMENT ...]
#
#   [2/4] Python environment … 31 s
#
# A command's output goes to a log. On a terminal the seconds run and the log's last line is shown beside them;
# elsewhere a long step says every 15 s that it lives. A failure shows which step, the log's end, and ends the script
# with the command's exit code.

progress_total=${progress_total:-1}
progress_number=0
progress_logs=${progress_logs:-.cache/log}
progress_pid=

# Ctrl-C ends what the step started, too.
trap '[ -z "$progress_pid" ] || kill -TERM -- "-$progress_pid" 2> /dev/null; exit 130' INT TERM

step() { # TITLE COMMAND [ARGUMENT ...]
    local title=$1 log code=0 started=$SECONDS
    shift
    progress_number=$((progress_number + 1))
    mkdir -p "$progress_logs"
    log="$progress_logs/$(basename "$0")-$progress_number.log"
    printf '[%d/%d] %s …' "$progress_number" "$progress_total" "$title" >&2
    set -m # a process group of its own, so that it can be ended as a whole
    "$@" > "$log" 2>&1 < /dev/null &
    progress_pid=$!
    set +m
    progress_wait "[$progress_number/$progress_total] $title …" "$log"
    wait "$progress_pid" || code=$?
    progress_pid=
    [ ! -t 2 ] || printf '\r\033[K[%d/%d] %s …' "$progress_number" "$progress_total" "$title" >&2
    if [ "$code" -ne 0 ]; then
        printf ' failed after %d s (exit code %d)\n' $((SECONDS - started)) "$code" >&2
        printf '%s: "%s" failed; the end of %s:\n' "$(basename "$0")" "$title" "$log" >&2
        tail -n 20 "$log" | sed 's/^/    /' >&2
        exit "$code"
    fi
    printf ' %d s\n' $((SECONDS - started)) >&2
}

progress_wait() { # HEAD LOG
    local started=$SECONDS shown=0 elapsed
    while kill -0 "$progress_pid" 2> /dev/null; do
        sleep 0.1
        elapsed=$((SECONDS - started))
        if [ -t 2 ] && [ "$elapsed" -gt "$shown" ]; then
            shown=$elapsed
            printf '\r\033[K%s %d s  %.60s' "$1" "$elapsed" "$(tail -n 1 "$2" | tr -cd '[:print:]')" >&2
        elif [ ! -t 2 ] && [ $((elapsed - shown)) -ge 15 ]; then
            shown=$elapsed
            printf ' %d s …' "$elapsed" >&2
        fi
    done
}
