# shellcheck shell=bash
# Puts the pinned go-task at $runner. Sourced by ../task only when it is not there.
: "${root:?}" "${runner:?}"
one_at_a_time go-task
[ -x "$runner" ] && exit 0

arch=$(architecture)
archive_sum=GO_TASK_ARCHIVE_SHA256_$arch
binary_sum=GO_TASK_WHEEL_BINARY_SHA256_$arch
remedy="install go-task $GO_TASK_VERSION as $runner"
[ -n "${!archive_sum:-}" ] || die "no go-task $GO_TASK_VERSION is pinned for $(uname -sm); $remedy"

part=$(mktemp -d)
trap 'rm -rf "$part"' EXIT
release=https://github.com/go-task/task/releases/download/v$GO_TASK_VERSION/task_linux_$arch.tar.gz

say "fetching go-task $GO_TASK_VERSION (official release)"
if download "$release" "$part/task.tar.gz"; then
    sha256_is "$part/task.tar.gz" "${!archive_sum}" ||
        die "the checksum of $release is not the pinned one; $remedy"
    tar -xzf "$part/task.tar.gz" -C "$part" task
else
    say "the release host cannot be reached: fetching the PyPI wheel go-task-bin instead"
    python3 -m pip --version >/dev/null 2>&1 ||
        apt_install "pip is missing, which fetches go-task" python3 python3-pip
    python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        --require-hashes --requirement "$root/tools/requirements-task.txt" --dest "$part" >&2 ||
        die "go-task could not be fetched: tried $release and PyPI's go-task-bin; $remedy"
    unzip_to "$part"/go_task_bin-*.whl "$part/wheel"
    mv "$part"/wheel/go_task_bin-*.data/scripts/task "$part/task"
    sha256_is "$part/task" "${!binary_sum}" ||
        die "the checksum of the binary in go-task-bin is not the pinned one; $remedy"
fi

chmod 755 "$part/task"
mkdir -p "$(dirname "$runner")"
# Copied beside, then renamed: a run that is cut short leaves nothing half-written.
cp "$part/task" "$runner.part" && mv "$runner.part" "$runner"
