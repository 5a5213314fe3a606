# shellcheck shell=bash
# What the setup scripts share. Sourced, never run.
#
# A script says on stderr what it is about to fetch or install, is silent when there is
# nothing to do, and ends with one line naming what failed and the remedy.

# Where everything fetched or compiled is kept; one folder for all clones.
# shellcheck disable=SC2034
cache=${XDG_CACHE_HOME:-$HOME/.cache}/contrail

say() { echo "contrail: $*" >&2; }
die() {
    echo "error: $*" >&2
    exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }

# The machine's architecture as release pages name it: amd64, arm64, or what uname says.
architecture() {
    case $(uname -m) in
        x86_64) echo amd64 ;;
        aarch64 | arm64) echo arm64 ;;
        *) uname -m ;;
    esac
}

# sha256_is FILE SUM, sha512_is FILE SUM: whether the file has that checksum.
sha256_is() { echo "$2  $1" | sha256sum --check --status 2>/dev/null; }
sha512_is() { echo "$2  $1" | sha512sum --check --status 2>/dev/null; }

# download URL FILE: false within seconds where the host cannot be reached.
download() {
    have curl || return 1
    curl --fail --silent --location --connect-timeout 5 \
        --speed-limit 1000 --speed-time 15 --output "$2" "$1"
}

# unzip_to ARCHIVE DIRECTORY: by unzip, or by Python where that is what there is.
unzip_to() {
    have unzip || have python3 || apt_install "archives cannot be unpacked" unzip
    if have unzip; then
        unzip -q -o "$1" -d "$2"
    else
        python3 -m zipfile -e "$1" "$2"
    fi
}

# apt_install REASON PACKAGE…: installs on Debian as root, otherwise ends with the command to run.
apt_install() {
    local reason=$1
    shift
    have apt-get || die "$reason; install the equivalent of Debian's: $*"
    [ "$(id -u)" = 0 ] || die "$reason; run: sudo apt-get install --yes $*"
    say "$reason: installing $* (apt)"
    export DEBIAN_FRONTEND=noninteractive
    # The lists may be missing or old: refreshed only when the install fails without.
    apt-get install --yes -qq --no-install-recommends "$@" >/dev/null 2>&1 && return
    if ! { apt-get update -qq && apt-get install --yes -qq --no-install-recommends "$@"; } >&2; then
        die "$reason, and apt-get could not install: $*; install them by hand and run this again"
    fi
}

# one_at_a_time NAME: holds a lock until this script ends, so that two runs do not fetch
# the same thing into the same place.
one_at_a_time() {
    mkdir -p "$cache/locks"
    exec 9>"$cache/locks/$1"
    flock 9
}
