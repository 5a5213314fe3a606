# shellcheck shell=bash
# What the deployment's scripts share. Sourced, never run.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=tools/lib.sh
. "$root/tools/lib.sh"

# What is fetched by `./task setup:charts` serves where the machine has none of its own.
PATH=$PATH:$root/.tools/charts/bin

# The settings of .env and of the environment, which counts more: every script begins with them.
load_settings() {
    [ ! -e "$root/.env" ] || read_settings <"$root/.env"
    # One environment of Helmfile.yaml; see docs/deploy.md.
    environment=${DEPLOY_ENVIRONMENT:-minikube}
    # The user's own choice of a cluster stays as it is.
    if [ -n "${KUBE_CONTEXT:-}" ] && have kubectl; then
        # shellcheck disable=SC2329 # All who source this call it.
        kubectl() { command kubectl --context "$KUBE_CONTEXT" "$@"; }
        export HELM_KUBECONTEXT=$KUBE_CONTEXT
    fi
}
# As compose and `./task run` read it, but that nothing is put in the place of a $.
read_settings() {
    local line name value
    while IFS= read -r line || [ -n "$line" ]; do
        line=${line#export }
        [[ $line =~ ^([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]] || continue
        name=${BASH_REMATCH[1]} value=${BASH_REMATCH[2]}
        if [[ $value =~ ^\"([^\"]*)\"[[:space:]]*(#.*)?$ || $value =~ ^\'([^\']*)\'[[:space:]]*(#.*)?$ ]]; then
            value=${BASH_REMATCH[1]}
        else
            value=${value%%[[:space:]]#*}
            value=${value%"${value##*[![:space:]]}"}
        fi
        [ -n "${!name:-}" ] || export "$name=$value"
    done
}

# at_least HAVE WANT: whether version HAVE is not older.
at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort --version-sort | head -n 1)" = "$2" ]; }

# The version of a tool, as digits; nothing where it does not tell.
version_of() {
    local said
    case $1 in
        docker) said=$(docker --version 2>/dev/null) ;;
        helm) said=$(helm version --template '{{.Version}}' 2>/dev/null) ;;
        helmfile) said=$(helmfile --version 2>/dev/null) ;;
        kubectl) said=$(kubectl version --client 2>/dev/null) ;;
        minikube) said=$(minikube version --short 2>/dev/null) ;;
    esac
    [[ ! ${said:-} =~ [0-9]+(\.[0-9]+)+ ]] || echo "${BASH_REMATCH[0]}"
}

# What a tool must be at least, and where it is had.
minimum_of() {
    case $1 in
        docker) echo 24.0 ;;
        helm) echo 3.20 ;;
        helmfile) echo 1.1 ;;
        kubectl) echo 1.31 ;;
        minikube) echo 1.34 ;;
    esac
}
remedy_of() {
    case $1 in
        docker) echo 'install it: https://docs.docker.com/engine/install' ;;
        helm) echo 'run ./task setup:charts, or install it: https://helm.sh/docs/intro/install' ;;
        helmfile) echo 'run ./task setup:charts, or install it: https://helmfile.readthedocs.io/en/latest/#installation' ;;
        kubectl) echo 'run ./task setup:charts, or install it: https://kubernetes.io/docs/tasks/tools' ;;
        minikube) echo 'install it: https://minikube.sigs.k8s.io/docs/start' ;;
    esac
}

# need TOOL…: ends with the remedy where one is missing or too old.
need() {
    local tool version
    for tool; do
        have "$tool" || die "$tool is missing, at least $(minimum_of "$tool"); $(remedy_of "$tool")"
        version=$(version_of "$tool")
        [ -z "$version" ] || at_least "$version" "$(minimum_of "$tool")" ||
            die "$tool is $version, at least $(minimum_of "$tool") is needed; $(remedy_of "$tool")"
    done
}

context() { echo "${KUBE_CONTEXT:-$(kubectl config current-context 2>/dev/null || echo none)}"; }
is_minikube() { have minikube && [ "$(context)" = "${MINIKUBE_PROFILE:-minikube}" ]; }
reachable() { kubectl --request-timeout=5s get --raw /readyz >/dev/null 2>&1; }
# Whether the cluster has a stack of ours.
deployed() { have kubectl && has_namespace contrail; }
has_namespace() {
    [ -n "$(kubectl --request-timeout=5s get namespaces --selector app.kubernetes.io/part-of=contrail \
        --field-selector "metadata.name=$1" --output name 2>/dev/null)" ]
}

# secret_value NAMESPACE NAME KEY: one value of a Secret.
secret_value() {
    kubectl get secret "$2" --namespace "$1" --output go-template="{{.data.$3 | base64decode}}"
}
# Whom Metabase is set up with, unless .env names another.
# shellcheck disable=SC2034
default_admin=admin@contrail.local

# A cluster that nobody named is only taken where it is a Minikube.
need_cluster() {
    need kubectl
    [ -z "${KUBE_CONTEXT:-}" ] || kubectl config get-contexts "$KUBE_CONTEXT" >/dev/null 2>&1 ||
        die "kubectl knows no context $KUBE_CONTEXT; kubectl config get-contexts lists them"
    reachable || die "no cluster answers (context $(context)); run ./task start-minikube, or set KUBE_CONTEXT"
    is_minikube || [ -n "${KUBE_CONTEXT:-}${KUBECONFIG:-}" ] ||
        die "the current context, $(context), is not Minikube's; set KUBE_CONTEXT=$(context) if it is meant"
}

# helmfile_run ARGUMENT…
helmfile_run() {
    (cd "$root" && IMAGE_TAG=$(image_tag) helmfile --file Helmfile.yaml --environment "$environment" \
        ${KUBE_CONTEXT:+--kube-context "$KUBE_CONTEXT"} "$@")
}

# Contrail's version.
version() { sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1; }

# What the images are built from: of tests and measurements they take the manifests only.
image_sources() {
    printf '%s\n' docker/Dockerfile docker/metabase
    sed -n 's/^!//p' "$root/.dockerignore" | grep -Ev '^(e2e|bench)/(src|tests)$'
}
# The tag of the images: the version, and a checksum of what they are built from, so that what has changed is
# built and deployed, and what has not is left alone.
image_tag() {
    local sum sources
    [ -z "${IMAGE_TAG:-}" ] || { echo "$IMAGE_TAG" && return; }
    mapfile -t sources < <(image_sources)
    sum=$(cd "$root" && find "${sources[@]}" -type f -print0 | LC_ALL=C sort --zero-terminated |
        xargs -0 sha256sum | sha256sum)
    echo "$(version)-${sum:0:12}"
}

# The folder of the data on a node of Minikube.
data_path() { echo "${DATA_PATH:-/data/contrail}"; }
