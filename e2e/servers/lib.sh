# shellcheck shell=bash
# What the server scripts share. Sourced, never run.
#
# The scripts keep these promises to the tests that call them:
# - `start` returns when the server answers, and prints `name=value` lines on stdout;
#   messages go to stderr.
# - Everything listens on 127.0.0.1 only.
# - Started again on the same DIR, a server has its data and its port again.
# - With --tied the server is killed when the script's standard input closes. A test
#   keeps the other end of that pipe, so the server ends with it however it ends.

cache=${XDG_CACHE_HOME:-$HOME/.cache}/contrail
script=$(basename "$0")
# For Java: most of what a server does in a test is to start, and code that is compiled well takes
# longer to compile than it runs.
# shellcheck disable=SC2034
quick_start=-XX:TieredStopAtLevel=1

die() {
    echo "$script: $*" >&2
    exit 1
}

usage() {
    sed -n '2,/^set -/{/^set -/d;s/^# \{0,1\}//p}' "$0" >&2
    exit 2
}

port_is_free() { ! (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# free_ports COUNT: the first of COUNT free ports in a row, below the range that outgoing
# connections are given theirs from.
free_ports() {
    local first port attempt
    for ((attempt = 0; attempt < 200; attempt++)); do
        first=$((20000 + (RANDOM * 32768 + RANDOM) % 12000))
        for ((port = first; port < first + $1; port++)); do
            port_is_free "$port" || continue 2
        done
        echo "$first"
        return
    done
    die "no free port found between 20000 and 32000"
}

# settle_port DIR WANTED COUNT: the port to use: as asked for, else the last one on this
# DIR, else a free one. Remembered in DIR/port.
settle_port() {
    local port=$2
    if [ "$port" = 0 ]; then
        if [ -s "$1/port" ]; then port=$(cat "$1/port"); else port=$(free_ports "$3"); fi
    fi
    echo "$port" >"$1/port"
    local each waited
    for ((each = port; each < port + $3; each++)); do
        # A killed server loses its command line, by which `end` knows it, before its sockets.
        for ((waited = 0; waited < 50; waited++)); do
            port_is_free "$each" && continue 2
            sleep 0.1
        done
        die "port $each is taken"
    done
    echo "$port"
}

# is_server PID DIR: whether the process is there and this DIR's server.
is_server() { tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "contrail.dir=$2 "; }

# running DIR: prints the server's pid if the process is there and still this DIR's.
running() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) || return 1
    is_server "$pid" "$1" || return 1
    echo "$pid"
}

# end DIR SIGNAL: ends the server and waits until it is gone; no server is no error.
end() {
    local dir pid waited
    dir=$(realpath -m -- "$1")
    pid=$(running "$dir") || return 0
    kill -s "$2" "$pid" 2>/dev/null || return 0
    for ((waited = 0; waited < 300; waited++)); do
        running "$dir" >/dev/null || return 0
        sleep 0.1
    done
    die "pid $pid on $dir did not end within 30 s of SIG$2"
}

# launch DIR LOG COMMAND…: starts the server detached from this script, with its pid in
# DIR/pid. The log is emptied first, by us: readiness is looked for in this run's lines.
launch() {
    local dir=$1 log=$2
    shift 2
    : >"$log"
    # A session of its own: Ctrl-C in a terminal is the test's to pass on.
    setsid "$@" >>"$log" 2>&1 </dev/null &
    echo $! >"$dir/pid"
}

# tie DIR: kills the server when our standard input, kept open by the caller, closes.
tie() {
    local pid
    pid=$(cat "$1/pid")
    # Standard input is handed over as descriptor 3, since a background job's own is
    # /dev/null; the outputs are dropped, or a caller would wait for their end.
    (
        trap '' INT HUP TERM
        cat <&3 >/dev/null
        # DIR may be gone by now: a test removes it when it ends.
        ! is_server "$pid" "$1" || kill -KILL "$pid"
    ) 3<&0 </dev/null >/dev/null 2>&1 &
}

# await DIR LOG SECONDS CHECK…: until CHECK succeeds; fails as soon as the server has ended.
await() {
    local dir=$1 log=$2 seconds=$3 waited
    shift 3
    for ((waited = 0; waited < seconds * 10; waited++)); do
        if "$@" 2>/dev/null; then return; fi
        kill -0 "$(cat "$dir/pid")" 2>/dev/null || {
            tail -n 20 "$log" >&2
            die "the server ended while starting, see $log"
        }
        sleep 0.1
    done
    kill -KILL "$(cat "$dir/pid")" 2>/dev/null
    tail -n 20 "$log" >&2
    die "not ready after $seconds s, see $log"
}

# fetched NAME FUNCTION: prints the cache folder NAME, filled once by FUNCTION, which gets
# an empty folder to fill and must verify what it put there.
fetched() {
    local place=$cache/$1 fill=$2 part
    if [ ! -d "$place" ]; then
        have_java_tools
        mkdir -p "$cache/locks"
        exec 9>"$cache/locks/$1"
        flock 9
        if [ ! -d "$place" ]; then
            echo "$script: fetching $1" >&2
            part=$(mktemp -d "$place.XXXXXX")
            if ! "$fill" "$part"; then
                rm -rf "$part"
                die "$1 could not be fetched and verified (see above); run ./task setup:test"
            fi
            mv -T "$part" "$place"
        fi
        exec 9>&-
    fi
    echo "$place"
}

have_java_tools() {
    local tool
    for tool in java mvn; do
        command -v "$tool" >/dev/null || die "$tool is not installed; run ./task setup:test"
    done
}

# maven ARGUMENT…: checksums strict; silent unless it fails.
maven() {
    local output
    output=$(mvn -q -B -ntp -C "$@" 2>&1) || {
        echo "$output" >&2
        return 1
    }
}

# make_certificate DIR: a certificate authority of this DIR's own, and a certificate from it for
# this machine, unless they are there: ca.crt, server.crt, server.key, and the latter two in
# server.pem.
make_certificate() {
    [ ! -e "$1/server.pem" ] || return 0
    command -v openssl >/dev/null || die "openssl is not installed; run ./task setup"
    mkdir -p "$1"
    {
        openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=A test's authority" \
            -keyout "$1/ca.key" -out "$1/ca.crt" &&
            openssl req -newkey rsa:2048 -nodes -subj /CN=localhost \
                -keyout "$1/server.key" -out "$1/server.csr" &&
            openssl x509 -req -in "$1/server.csr" -CA "$1/ca.crt" -CAkey "$1/ca.key" \
                -CAcreateserial -days 30 -out "$1/server.crt" \
                -extfile <(echo 'subjectAltName=DNS:localhost,IP:127.0.0.1') &&
            cat "$1/server.key" "$1/server.crt" >"$1/server.pem"
    } 2>"$1/openssl.log" || die "cannot make a certificate, see $1/openssl.log"
}
