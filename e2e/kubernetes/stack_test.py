"""Deploys the stack of this checkout to a real cluster, and looks at what docs/deploy.md promises.

    .tools/readers/bin/python e2e/kubernetes/stack_test.py [--keep]

Called by tools/test-kubernetes, which puts the images there. The checks are one story, in order; the first
that does not hold ends it, and what is deployed then stays to be looked at. With --keep it stays too when
all is well.
"""

import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import lake
from cluster import (
    NAMESPACES, ROOT, Failed, can_reach, get, is_ready, kubectl, objects, pods, program, run, running, scale,
    status, task, transformer, wait,
)

VERSION = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
# The same programs under another name: to Kubernetes an upgrade of all of them.
NEXT = f"{VERSION}-next"
OURS = {"producer", "consumer", "transformer", "simulator"}
PROGRAMS = OURS | {"kafka", "schema-registry", "postgres"}
POSTGRES = "postgres:17.7"
# What one check leaves for the next.
seen = {}
CHECKS = []


def check(name):
    def add(function):
        CHECKS.append((name, function))
        return function
    return add


def expect(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


def all_ready():
    found = pods()
    missing = PROGRAMS - {program(pod) for pod in found}
    expect(not missing, f"there is no pod of {sorted(missing)}")
    waiting = [pod["metadata"]["name"] for pod in found if not is_ready(pod)]
    expect(not waiting, f"not ready: {waiting}")
    return found


def more_rows(than, seconds=120):
    """Waits until the marts have more rows, and gives how many."""
    with transformer() as port:
        return wait(f"more than {than} rows in the marts", seconds,
                    lambda: (rows := status(port)["rows"]) > than and rows)


def counted():
    """Stops the producer, waits until everything published is in the marts, and compares topic, lake and
    marts. Gives the rows."""
    scale("producer", 0)
    keys = lake.topic_keys()
    published = keys.total()
    with transformer() as port:
        wait(f"the marts have all {published} rows of the topic", 240,
             lambda: status(port)["rows"] == published and status(port)["caught_up"])
        marts = status(port)
    with tempfile.TemporaryDirectory() as folder:
        table, lake_keys = lake.lake(Path(folder))
    expect(table["rows"] == published, f"the topic has {published} rows, the lake {table['rows']}")
    expect(table["distinct_keys"] == published, f"{table['rows'] - table['distinct_keys']} rows are repeated")
    expect(lake_keys == keys, "an aircraft is more often in the topic than in the lake, and another less")
    polls = len(table["snapshot_times"])
    expect(marts["polls"] == polls, f"{polls} polls in the lake, {marts['polls']} in the marts")
    scale("producer", 1)
    return published, f"{published} rows of {polls} polls in topic, lake and marts"


@check("deploy ends with every pod ready")
def _():
    said = task("deploy")
    expect("ready" in said and "NOT READY" not in said, said[-800:])
    found = wait("every pod is ready", 180, all_ready)
    images = {pod["spec"]["containers"][0]["image"] for pod in found if program(pod) in OURS}
    tags = {image.split(":")[1] for image in images}
    expect(len(tags) == 1 and re.fullmatch(rf"{re.escape(VERSION)}-[0-9a-f]{{12}}", *tags), f"images: {images}")
    expect(len(images) == len(OURS), f"images: {images}")
    restarts = sum(pod["status"]["containerStatuses"][0]["restartCount"] for pod in found)
    return f"{len(found)} pods, {restarts} restarts"


@check("an image has its program, which answers --ready, and no shell")
def _():
    for name in sorted(OURS):
        inside = ("exec", f"deployment/{name}", "--namespace", "contrail", "--")
        kubectl(*inside, name, "--ready", "--config", "/etc/contrail/contrail.toml")
        try:
            kubectl(*inside, "sh", "-c", "true")
        except Failed as error:
            expect("executable file not found" in str(error), str(error))
        else:
            raise Failed(f"{name} has a shell")


@check("the namespaces refuse a privileged pod")
def _():
    for namespace in NAMESPACES:
        try:
            # Asked of the server, which does all but make it.
            kubectl("run", "privileged", "--namespace", namespace, "--image", POSTGRES, "--privileged",
                    "--dry-run=server")
        except Failed as error:
            expect('violates PodSecurity "restricted' in str(error), str(error))
        else:
            raise Failed(f"{namespace} takes it")


@check("the catalog is in PostgreSQL")
def _():
    location = wait("the table is in the catalog", 120, lake.metadata_location)
    expect(location.endswith(".metadata.json"), location)
    return location.rpartition("/")[2]


@check("rows flow from the simulator to the marts, seen through port-forward")
def _():
    with transformer() as port:
        marts = wait("five polls in the marts", 180, lambda: (s := status(port))["polls"] >= 5 and s)
        expect(marts["rows"] > 5000, f"only {marts['rows']} rows of {marts['polls']} polls")
        expect(json.loads(get(port, "/readyz"))["ready"], "the transformer is not ready")
        expect(re.search(r"^contrail_transformer_generation \d", get(port, "/metrics"), re.M), "no metrics")
        countries = json.loads(get(port, "/api/marts/country_stats?limit=3"))
        expect(len(countries["rows"]) == 3, f"country_stats: {countries}")
    return f"{marts['rows']} rows of {marts['polls']} polls, generation {marts['generation']}"


@check("status tells of every pod and of the marts")
def _():
    said = task("status")
    expect("NOT READY" not in said and re.search(r"generation \d+, \d+ rows", said), said)
    for name in PROGRAMS:
        expect(re.search(rf"^\w+ +{name}-\S+ +ready", said, re.M), f"{name} is not in: {said}")


@check("logs shows what the programs say")
def _():
    for arguments, wanted in [
        (("producer",), {"producer"}),
        (("kafka",), {"kafka"}),
        ((), PROGRAMS),
    ]:
        with running("./task", "logs", "--", *arguments) as output:
            def told():
                lines = re.findall(rf"^\[pod/({'|'.join(PROGRAMS)})-[^]]+\] (.+)$", output(), re.M)
                return {name for name, _ in lines} == wanted and lines
            try:
                lines = wait(f"lines of {sorted(wanted)}", 60, told)
            except Failed as error:
                raise Failed(f"{error}; logs said: {output()[-800:]}") from error
            # The simulator begins with its address, as plain text.
            logged = {name for name, line in lines if line.startswith("{") and json.loads(line)["level"]}
            expect(logged >= wanted & OURS, f"no log lines as JSON of {wanted & OURS - logged}")


@check("the tests of every release pass")
def _():
    run("helmfile", "--file", "Helmfile.yaml", "--environment", "small", "--quiet", "test", timeout=900)


@check("deploy again replaces nothing")
def _():
    before = {pod["metadata"]["uid"] for pod in pods()}
    task("deploy")
    now = {pod["metadata"]["uid"] for pod in wait("every pod is ready", 120, all_ready)}
    expect(now == before, f"{len(now - before)} pods are new")


@check("NetworkPolicies let only the architecture's arrows through, where the cluster enforces them")
def _():
    scratch = "contrail-network-test"
    kubectl("create", "namespace", scratch)
    try:
        outside = (scratch, "kubernetes.default.svc", 443, POSTGRES)
        expect(can_reach(*outside), "a pod without any policy cannot reach the API server")
        kubectl("create", "--filename", "-", input=json.dumps({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": {"name": "nothing", "namespace": scratch},
            "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
        }))
        if can_reach(*outside):
            return "NOT CHECKED: this cluster's network does not enforce NetworkPolicies"
        kubectl("delete", "networkpolicy", "nothing", "--namespace", scratch)
        for namespace in (scratch, *NAMESPACES):
            for host, port in (("kafka.kafka.svc", 9092), ("schema-registry.kafka.svc", 8081),
                               ("postgres.contrail.svc", 5432), ("transformer.contrail.svc", 8080)):
                expect(not can_reach(namespace, host, port, POSTGRES),
                       f"a stranger in {namespace} reaches {host}:{port}")
    finally:
        kubectl("delete", "namespace", scratch, "--wait")
    return "a stranger in three namespaces reaches nothing"


@check("a consumer pod is deleted under load, and one is killed")
def _():
    for how in ((), ("--grace-period=0", "--force")):
        with transformer() as port:
            before = status(port)["rows"]
        pod = next(pod["metadata"]["name"] for pod in pods() if program(pod) == "consumer")
        kubectl("delete", "pod", pod, "--namespace", "contrail", *how)
        found = wait("another consumer is ready", 180, all_ready)
        expect(pod not in {p["metadata"]["name"] for p in found}, f"{pod} is still there")
        after = more_rows(before)
    return f"{after} rows"


@check("an upgrade of all programs under load")
def _():
    with transformer() as port:
        before = status(port)["polls"]
    task("deploy", IMAGE_TAG=NEXT)
    images = {pod["spec"]["containers"][0]["image"] for pod in wait("every pod is ready", 180, all_ready)
              if program(pod) in OURS}
    expect(images == {f"contrail/{name}:{NEXT}" for name in OURS}, f"images: {images}")
    with transformer() as port:
        after = wait("polls after the upgrade", 120, lambda: (s := status(port))["polls"] > before + 3 and s["polls"])
    return f"{after - before} polls meanwhile"


@check("nothing was lost and nothing repeated")
def _():
    seen["rows"], what = counted()
    return what


@check("destroy leaves nothing but data and their passwords")
def _():
    claims = {claim["metadata"]["name"] for n in NAMESPACES for claim in objects("persistentvolumeclaims", n)}
    expect(claims == {"data-kafka-0", "data-postgres-0", "contrail-data"}, f"claims before: {claims}")
    said = task("destroy", "--", "--yes")
    expect("Done." in said, said)
    kinds = ("pods", "services", "deployments", "statefulsets", "replicasets", "jobs", "networkpolicies",
             "poddisruptionbudgets", "configmaps")
    for namespace in NAMESPACES:
        left = {f"{kind}/{o['metadata']['name']}" for kind in kinds for o in objects(kind, namespace)}
        expect(left <= {"configmaps/kube-root-ca.crt"}, f"left in {namespace}: {left}")
    secrets = {o["metadata"]["name"] for n in NAMESPACES for o in objects("secrets", n)}
    kept = {"postgres", "contrail-lake", "contrail-metabase", "contrail-metabase-admin"}
    expect(secrets == kept, f"secrets: {secrets}")
    left = {claim["metadata"]["name"]: claim["status"]["phase"]
            for n in NAMESPACES for claim in objects("persistentvolumeclaims", n)}
    expect(left == dict.fromkeys(claims, "Bound"), f"claims: {left}")
    releases = json.loads(run("helm", "list", "--all-namespaces", "--output", "json"))
    expect(not releases, f"releases: {[release['name'] for release in releases]}")


@check("deploy on that data goes on, with nothing lost or repeated")
def _():
    task("deploy")
    wait("every pod is ready", 180, all_ready)
    more_rows(seen["rows"], 180)
    rows, what = counted()
    expect(rows > seen["rows"], f"{rows} rows, and {seen['rows']} before")
    return what


@check("destroy with --data leaves nothing")
def _():
    if "--keep" in sys.argv:
        return "NOT DONE: --keep"
    task("destroy", "--", "--yes", "--data")
    for namespace in NAMESPACES:
        expect(kubectl("get", "namespace", namespace, "--ignore-not-found") == "", f"{namespace} is still there")
    volumes = json.loads(kubectl("get", "persistentvolumes", "--output", "json"))["items"]
    left = [v["metadata"]["name"] for v in volumes if v["spec"].get("claimRef", {}).get("namespace") in NAMESPACES]
    wait(f"the volumes {left} are gone", 60, lambda: not [
        v for v in json.loads(kubectl("get", "persistentvolumes", "--output", "json"))["items"]
        if v["spec"].get("claimRef", {}).get("namespace") in NAMESPACES
    ])


def main():
    began = time.monotonic()
    for number, (name, function) in enumerate(CHECKS, 1):
        start = time.monotonic()
        try:
            detail = function()
        except Exception as error:  # whatever it is, it is shown with the name of the check
            if not isinstance(error, Failed):
                import traceback
                traceback.print_exc()
            print(f"FAILED  {number}/{len(CHECKS)} {name}\n    {error}", flush=True)
            return 1
        took = time.monotonic() - start
        print(f"ok      {number}/{len(CHECKS)} {name} ({took:.0f} s){f': {detail}' if detail else ''}", flush=True)
    print(f"all {len(CHECKS)} checks hold, after {(time.monotonic() - began) / 60:.0f} min")
    return 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
