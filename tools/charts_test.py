"""What must hold of the rendered charts, whatever the environment.

    python tools/charts_test.py DIR

DIR has one file NAME.yaml for each rendering (tools/check-charts makes them).
"""

import re
import sys
import tomllib
import unittest
from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
PART, TEST = "app.kubernetes.io/name", "app.kubernetes.io/component"
# Who may talk to whom: the arrows of ARCHITECTURE.md, and what stands behind them.
ARROWS = {
    ("producer", "kafka"), ("producer", "schema-registry"), ("producer", "simulator"),
    ("consumer", "kafka"), ("consumer", "schema-registry"), ("consumer", "postgres"),
    ("schema-registry", "kafka"), ("kafka", "kafka"),
    ("transformer", "postgres"), ("metabase", "postgres"), ("dashboards", "metabase"),
    ("prometheus", "producer"), ("prometheus", "consumer"), ("prometheus", "transformer"),
    ("prometheus", "simulator"), ("grafana", "prometheus"),
}
OURS = {"producer", "consumer", "transformer", "simulator", "metabase"}
# Images that are built here: the chart of Metabase has a second one.
IMAGES = OURS | {"dashboards"}
UNITS = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def quantity(text):
    """A quantity of Kubernetes as a number."""
    match = re.fullmatch(r"([0-9.]+)(m|Ki|Mi|Gi|Ti)?", str(text))
    return float(match[1]) * UNITS.get(match[2], 1)


@cache
def rendered():
    """Every rendering's objects, by its name."""
    files = sorted(Path(sys.argv[1]).glob("*.yaml"))
    return {f.stem: [o for o in yaml.safe_load_all(f.read_text()) if o] for f in files}


def name(thing):
    return f"{thing['kind']} {thing['metadata']['name']}"


def pod(thing):
    """The specification of an object's pod, and its labels; none of what has no pod."""
    if thing["kind"] == "Pod":
        return thing["spec"], thing["metadata"]["labels"]
    if thing["kind"] in ("Deployment", "StatefulSet", "Job"):
        template = thing["spec"]["template"]
        return template["spec"], template["metadata"]["labels"]
    return None


def pods(objects):
    return [(thing, *pod(thing)) for thing in objects if pod(thing)]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def program(labels):
    """What a pod is called in ARROWS: its component where a chart has several, else its chart."""
    component = labels.get(TEST)
    return component if component and component != "test" else labels[PART]


class Rendered(unittest.TestCase):
    """One check over all renderings; a failure names the rendering and the object."""

    where = "all"

    def _formatMessage(self, message, standard):
        return f"{self.where}: {super()._formatMessage(message, standard)}"

    def every(self, kind=None):
        for rendering, objects in rendered().items():
            for thing in objects:
                if kind is None or thing["kind"] == kind:
                    self.where = f"{rendering}, {name(thing)}"
                    yield objects, thing

    def every_pod(self):
        for objects, thing in self.every():
            if pod(thing):
                yield objects, thing, *pod(thing)

    def test_everything_is_rendered(self):
        for rendering, wanted, absent in [
            ("minikube", {"kafka", "postgres", "producer", "metabase"}, {"simulator", "grafana"}),
            ("minikube-all", {"simulator", "grafana", "prometheus"}, set()),
            ("minikube-dynamic", {"kafka", "metabase"}, set()),
            ("small", {"kafka", "consumer", "transformer"}, {"metabase"}),
            ("external", {"producer", "consumer", "postgres"}, {"kafka", "schema-registry"}),
        ]:
            there = {t["metadata"]["name"] for t in rendered()[rendering] if pod(t)}
            self.assertLessEqual(wanted, there, rendering)
            self.assertFalse(absent & there, rendering)

    def test_pods_are_restricted(self):
        for _, _, spec, _ in self.every_pod():
            security = spec["securityContext"]
            self.assertTrue(security["runAsNonRoot"])
            self.assertGreater(security["runAsUser"], 0)
            self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
            self.assertFalse(spec["automountServiceAccountToken"])
            self.assertFalse(spec["enableServiceLinks"])
            self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & spec.keys())
            self.assertFalse([v for v in spec.get("volumes", []) if "hostPath" in v])
            for container in containers(spec):
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                })

    def test_namespaces_enforce_restricted(self):
        for _, thing in self.every("Namespace"):
            for mode in ("enforce", "warn", "audit"):
                label = f"pod-security.kubernetes.io/{mode}"
                self.assertEqual(thing["metadata"]["labels"][label], "restricted")

    def test_objects_lie_in_namespaces_that_are_made(self):
        for objects, thing in self.every():
            made = {o["metadata"]["name"] for o in objects if o["kind"] == "Namespace"}
            if thing["kind"] not in ("Namespace", "PersistentVolume", "StorageClass"):
                self.assertIn(thing["metadata"].get("namespace"), made)

    def test_programs_have_probes_and_resources(self):
        for _, thing, spec, _ in self.every_pod():
            for container in containers(spec):
                self.assertIn("memory", container["resources"]["limits"])
                self.assertEqual({"cpu", "memory"}, container["resources"]["requests"].keys())
            # What runs until it is stopped.
            if thing["kind"] not in ("Pod", "Job"):
                for container in spec["containers"]:
                    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                        self.assertIn(probe, container)

    def test_requests_fit(self):
        limits = {"small": (1.0, 2.25 * 2**30)}
        for rendering, objects in rendered().items():
            cpu = memory = 0
            for thing, spec, _ in pods(objects):
                if thing["kind"] == "Pod":
                    continue
                for container in spec["containers"]:
                    requests = container["resources"]["requests"]
                    cpu += thing["spec"].get("replicas", 1) * quantity(requests["cpu"])
                    memory += thing["spec"].get("replicas", 1) * quantity(requests["memory"])
            most_cpu, most_memory = limits.get(rendering, (2.0, 6 * 2**30))
            self.assertLessEqual(cpu, most_cpu, rendering)
            self.assertLessEqual(memory, most_memory, rendering)

    def test_the_transformer_has_room_for_a_rebuild(self):
        defaults = tomllib.loads((ROOT / "transformer/default.toml").read_text())["transformer"]
        reader = (ROOT / "transformer/src/api/reader.rs").read_text()
        answer = quantity(re.search(r"memory_limit = '(\d+Mi)B'", reader)[1])
        for rendering, objects in rendered().items():
            config = next(o for o in objects if name(o) == "ConfigMap transformer")["data"]["contrail.toml"]
            own = defaults | tomllib.loads(config)["transformer"]
            backlog = quantity(own["backlog_memory_limit"].removesuffix("B"))
            deployment = next(o for o in objects if name(o) == "Deployment transformer")
            limit = quantity(pod(deployment)[0]["containers"][0]["resources"]["limits"]["memory"])
            # DuckDB's, two answers of the HTTP API, and what is counted outside of DuckDB: a rebuild of three days
            # of 20,000 simulated aircraft was seen to take 959 MiB with 384 for DuckDB.
            fold = 576 * 2**20
            self.assertGreaterEqual(limit, backlog + 2 * answer + fold, rendering)

    def test_images_are_exact(self):
        version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        for _, _, spec, _ in self.every_pod():
            for container in containers(spec):
                repository, _, tag = container["image"].partition(":")
                self.assertRegex(tag, r"^v?\d+\.\d+", container["image"])
                self.assertNotIn("bitnami", repository)
                if repository.startswith("contrail/"):
                    self.assertIn(repository.removeprefix("contrail/"), IMAGES)
                    self.assertIn(tag, (version, "1.2.3"))

    def test_no_secret_is_rendered(self):
        telling = re.compile(r"password|passwd|secret|token|webhook", re.I)
        for _, thing in self.every():
            self.assertNotEqual(thing["kind"], "Secret")
            for found in pods([thing]):
                for container in containers(found[1]):
                    for variable in container.get("env", []):
                        if telling.search(variable["name"]):
                            self.assertNotIn("value", variable)
            if "contrail.toml" in (thing.get("data") or {}):
                for line in thing["data"]["contrail.toml"].splitlines():
                    self.assertNotRegex(line.partition("=")[0], telling)
                    self.assertNotRegex(line, r"://[^/\s]+:[^/\s]+@")

    def test_secrets_are_made_by_the_deployment(self):
        script = (ROOT / "tools/deploy/secrets").read_text()
        for _, _, spec, _ in self.every_pod():
            named = [s["secretRef"]["name"] for c in containers(spec) for s in c.get("envFrom", [])]
            named += [v["secret"]["secretName"] for v in spec.get("volumes", []) if "secret" in v]
            for secret in named:
                made = re.search(rf"(contrail|monitoring) {secret}[ ;]", script)
                self.assertTrue(made, f"tools/deploy/secrets does not make {secret}")

    def test_claims_have_volumes(self):
        for rendering, objects in rendered().items():
            if rendering == "minikube-dynamic":
                self.assertFalse([o for o in objects if o["kind"] == "PersistentVolume"])
                continue
            claims = {
                (o["metadata"]["namespace"], o["metadata"]["name"])
                for o in objects if o["kind"] == "PersistentVolumeClaim"
            }
            for o in objects:
                if o["kind"] == "StatefulSet":
                    at, called = o["metadata"]["namespace"], o["metadata"]["name"]
                    claims |= {(at, f"data-{called}-{n}") for n in range(o["spec"]["replicas"])}
            volumes = {
                (o["spec"]["claimRef"]["namespace"], o["spec"]["claimRef"]["name"])
                for o in objects if o["kind"] == "PersistentVolume"
            }
            self.assertEqual(claims, volumes, rendering)

    def test_mounted_claims_exist(self):
        for objects, thing, spec, _ in self.every_pod():
            there = {o["metadata"]["name"] for o in objects if o["kind"] == "PersistentVolumeClaim"}
            for volume in spec.get("volumes", []):
                if "persistentVolumeClaim" in volume:
                    self.assertIn(volume["persistentVolumeClaim"]["claimName"], there)

    def test_services_lead_to_ports(self):
        for objects, thing in self.every("Service"):
            selector = thing["spec"]["selector"]
            found = [s for _, s, labels in pods(objects) if selector.items() <= labels.items()]
            self.assertEqual(len(found), 1)
            ports = containers(found[0])[-1]["ports"]
            there = {p["name"] for p in ports} | {p["containerPort"] for p in ports}
            for port in thing["spec"]["ports"]:
                self.assertIn(port["targetPort"], there)

    def test_addresses_lead_to_services(self):
        address = re.compile(r"\b([a-z0-9-]+)\.(kafka|contrail|monitoring)\.svc:(\d+)")
        for objects, thing in self.every():
            services = {
                (o["metadata"]["name"], o["metadata"]["namespace"], str(port["port"]))
                for o in objects if o["kind"] == "Service" for port in o["spec"]["ports"]
            }
            if thing["kind"] in ("ConfigMap", "Deployment", "StatefulSet", "Job", "Pod"):
                for found in address.findall(yaml.safe_dump(thing)):
                    self.assertIn(found, services)

    def test_arrows_are_open_at_both_ends(self):
        for rendering, objects in rendered().items():
            there = {program(labels) for _, _, labels in pods(objects)}
            leaving, entering = set(), set()
            for policy in objects:
                if policy["kind"] != "NetworkPolicy":
                    continue
                own = policy["spec"]["podSelector"].get("matchLabels")
                if not own or own.get(TEST) == "test":
                    continue
                for rule in policy["spec"].get("egress") or []:
                    for port in ports(rule, policy, objects):
                        leaving |= {(program(own), to, port) for to in peers(rule["to"], own)}
                for rule in policy["spec"].get("ingress") or []:
                    for port in ports(rule, policy, objects):
                        entering |= {(of, program(own), port) for of in peers(rule["from"], own)}
            leaving = {arrow for arrow in leaving if arrow[1] in there}
            # Metrics are let in from a whole namespace, whose Prometheus has its own ways out.
            watched = {arrow for arrow in leaving if arrow[0] == "prometheus"}
            entering = {arrow for arrow in entering if arrow[0] in there} | watched
            self.assertEqual(leaving, entering, rendering)
            self.assertEqual({a[:2] for a in leaving}, {
                (a, b) for a, b in ARROWS if {a, b} <= there
            }, rendering)

    def test_only_the_producer_and_notifications_go_outside(self):
        for rendering, objects in rendered().items():
            outside = {
                policy["metadata"]["name"] for policy in objects if policy["kind"] == "NetworkPolicy"
                for rule in policy["spec"].get("egress") or []
                for peer in rule["to"] if "ipBlock" in peer
            }
            wanted = {"producer", "transformer"} | ({"consumer"} if rendering == "external" else set())
            self.assertEqual(outside, wanted, rendering)

    def test_one_at_a_time(self):
        for _, thing in self.every("Deployment"):
            if thing["metadata"]["name"] in ("producer", "transformer", "metabase"):
                self.assertEqual(thing["spec"]["replicas"], 1)
                self.assertEqual(thing["spec"]["strategy"], {"type": "Recreate"})

    def test_dashboards_are_applied_where_metabase_is(self):
        jobs = {}
        for rendering, objects in rendered().items():
            found = [o for o in objects if o["kind"] == "Job"]
            metabase = [o for o in objects if name(o) == "Deployment metabase"]
            self.assertEqual(len(found), len(metabase), rendering)
            for job, deployment in zip(found, metabase):
                jobs[rendering] = job
                # It hands Metabase what it has read there itself.
                mounts = {m["mountPath"]: m for c in pod(deployment)[0]["containers"] for m in c["volumeMounts"]}
                for mount in pod(job)[0]["containers"][0]["volumeMounts"]:
                    self.assertEqual(mount, mounts[mount["mountPath"]], rendering)
                # A hook, or a Job that fails soon, would keep a release from becoming ready.
                self.assertNotIn("annotations", job["metadata"], rendering)
                # Pauses of Kubernetes: 10 s, twice as long each time, six minutes at most.
                pauses = [min(10 * 2**n, 360) for n in range(job["spec"]["backoffLimit"])]
                self.assertGreaterEqual(sum(pauses), 20 * 60, rendering)
        self.assertIn("minikube", jobs)
        # A Job cannot be changed, so what differs has another name.
        names = [job["metadata"]["name"] for job in jobs.values()]
        specs = [yaml.safe_dump(job["spec"]) for job in jobs.values()]
        self.assertEqual(len(set(zip(names, specs))), len(set(names)))
        self.assertNotEqual(jobs["minikube"]["metadata"]["name"], jobs["minikube-all"]["metadata"]["name"])

    def test_newer_rows_are_waited_for_longer_than_a_poll_takes(self):
        for objects, job in self.every("Job"):
            config = next(o for o in objects if name(o) == "ConfigMap producer")["data"]["contrail.toml"]
            interval = re.search(r'^interval = "(.+)"', config, re.M)[1]
            environment = {v["name"]: v["value"] for v in pod(job)[0]["containers"][0]["env"]}
            self.assertEqual(environment["CONTRAIL__METABASE__FRESH_TIMEOUT"], f"{interval} 5m")

    def test_several_have_a_disruption_budget(self):
        for objects, thing, _, labels in self.every_pod():
            budgets = [
                o for o in objects if o["kind"] == "PodDisruptionBudget"
                and o["spec"]["selector"]["matchLabels"].items() <= labels.items()
            ]
            several = thing["kind"] != "Pod" and thing["spec"].get("replicas", 1) > 1
            self.assertEqual(len(budgets), 1 if several else 0)

    def test_the_consumer_has_time_to_commit(self):
        for rendering, objects in rendered().items():
            config = next(o for o in objects if name(o) == "ConfigMap consumer")["data"]["contrail.toml"]
            revoke = int(re.search(r'revoke_timeout = "(\d+)s"', config)[1])
            deployment = next(o for o in objects if name(o) == "Deployment consumer")
            grace = pod(deployment)[0]["terminationGracePeriodSeconds"]
            self.assertGreaterEqual(grace, 2 * revoke, rendering)

    def test_versions_of_our_charts(self):
        version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        for chart in OURS:
            about = yaml.safe_load((ROOT / "charts" / chart / "Chart.yaml").read_text())
            self.assertEqual(about["appVersion"], version, chart)

    def test_docs_name_images_settings_and_secrets(self):
        docs = (ROOT / "docs/deploy.md").read_text()
        images = {
            c["image"] for objects in rendered().values() for _, spec, _ in pods(objects)
            for c in containers(spec)
        }
        for image in images:
            if image.startswith("contrail/"):
                image = image.partition(":")[0]
            self.assertTrue(f"`{image}`" in docs, image)
        named = set(re.findall(r"`([a-z][a-z/-]+:v?[0-9][A-Za-z0-9.]+)`", docs))
        self.assertLessEqual(named, images)
        for file in (ROOT / "charts/environments").glob("*.gotmpl"):
            for setting in re.findall(r'env "([A-Z_]+)"', file.read_text()):
                if not setting.startswith("CONTRAIL__"):
                    self.assertTrue(f"`{setting}`" in docs, setting)
        script = (ROOT / "tools/deploy/secrets").read_text()
        for secret in re.findall(r"^(?:once|follow) \w+ ([a-z-]+) ", script, re.M):
            self.assertTrue(f"| `{secret}` |" in docs, secret)

    def test_metrics_exist(self):
        code = "".join(
            f.read_text() for crate in ("producer", "consumer", "transformer", "service")
            for f in (ROOT / crate / "src").rglob("*.rs")
        )
        metric = re.compile(r"\b(?:contrail|process)_[a-z_]+\b")
        for file in ("rules.yaml", "dashboard.json"):
            found = set(metric.findall((ROOT / "charts/monitoring/files" / file).read_text()))
            self.assertTrue(found)
            for each in found:
                self.assertIn(each.removesuffix("_bucket"), code, file)


def ports(rule, policy, objects):
    """The numbers of a rule's ports; a name is looked up in the pods that the policy is about."""
    own = policy["spec"]["podSelector"]["matchLabels"]
    for port in rule.get("ports", []):
        if isinstance(port["port"], int):
            yield port["port"]
            continue
        for thing, spec, labels in pods(objects):
            if own.items() <= labels.items() and thing["kind"] != "Pod":
                yield from (p["containerPort"] for c in spec["containers"]
                            for p in c.get("ports", []) if p["name"] == port["port"])


def peers(rule, own):
    """The programs that a rule names; none of address ranges, whole namespaces and tests."""
    for peer in rule:
        labels = peer.get("podSelector", {}).get("matchLabels")
        if labels and labels.get(TEST) != "test":
            yield program(labels)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
