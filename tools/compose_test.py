"""What must hold of compose.yaml, beside the rendered charts: the same images, settings and limits.

    python tools/compose_test.py DIR

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
OURS = {"producer", "consumer", "transformer", "simulator"}
# Ours too, but it ends when it has done its work.
ENDS = "dashboards"
PASSWORDS = {
    "POSTGRES_PASSWORD": "p1", "ICEBERG_PASSWORD": "p2", "METABASE_PASSWORD": "p3",
    "METABASE_ADMIN_PASSWORD": "p4",
}
# Settings in which the two differ on purpose.
OWN = {"producer.interval", "producer.source", "producer.opensky.base_url"}
UNITS = {"m": 2**20, "g": 2**30, "Mi": 2**20, "Gi": 2**30}


class Missing(Exception):
    """A variable that must be set is not."""


def interpolate(text, variables):
    """Variables as compose puts them in: ${A}, ${A:-default}, ${A:+replacement}, ${A:?message}."""
    pattern = re.compile(r"\$(?:(\$)|(\w+)|\{(\w+)(?::([-+?])((?:[^{}]|\$\{[^{}]*\})*))?\})")

    def value(match):
        if match[1]:
            return "$"
        name, how, rest = match[2] or match[3], match[4], match[5]
        found = variables.get(name, "")
        if how == "?" and not found:
            raise Missing(name)
        if how == "+":
            return interpolate(rest, variables) if found else ""
        return interpolate(rest, variables) if how == "-" and not found else found

    return pattern.sub(value, text)


def compose(**variables):
    """The services as compose runs them, with these variables and the passwords set."""
    text = (ROOT / "compose.yaml").read_text()
    return yaml.safe_load(interpolate(text, PASSWORDS | variables))


@cache
def deployed():
    """Every chart's object with pods, by its program."""
    objects = yaml.safe_load_all((Path(sys.argv[1]) / "minikube-all.yaml").read_text())
    return {
        # The name of a Job says more than its program's.
        ENDS if o["kind"] == "Job" else o["metadata"]["name"]: o["spec"]["template"]["spec"]
        for o in objects if o and o["kind"] in ("Deployment", "StatefulSet", "Job")
    }


@cache
def config_map(name):
    objects = yaml.safe_load_all((Path(sys.argv[1]) / "minikube-all.yaml").read_text())
    return next(o["data"] for o in objects if o and o["kind"] == "ConfigMap" and o["metadata"]["name"] == name)


def flat(table, prefix=""):
    """Nested tables as one, keyed a.b.c."""
    for key, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def without_namespaces(text):
    return re.sub(r"\b([a-z-]+)\.(?:kafka|contrail)\.svc\b", r"\1", str(text))


def size(text):
    match = re.fullmatch(r"([0-9]+)(m|g|Mi|Gi)", text)
    return int(match[1]) * UNITS[match[2]]


def seconds(text):
    return int(re.fullmatch(r"([0-9]+)s", text)[1])


def file_variables(name):
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


class Compose(unittest.TestCase):
    where = "compose.yaml"

    def _formatMessage(self, message, standard):
        return f"{self.where}: {super()._formatMessage(message, standard)}"

    def services(self, **variables):
        """Each service; a failure names it."""
        for name, service in compose(**variables)["services"].items():
            self.where = name
            yield name, service

    def test_every_program_of_the_charts_is_there(self):
        # Monitoring is for those who have a cluster.
        self.assertEqual(set(compose()["services"]), set(deployed()) - {"prometheus", "grafana"})

    def test_images_are_those_of_the_charts(self):
        version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        for name, service in self.services():
            image = deployed()[name]["containers"][0]["image"]
            # That rendering has a tag of its own for our images.
            self.assertEqual(service["image"], image.replace(":1.2.3", f":{version}"))
        for name, service in self.services(IMAGE_TAG="1.2.3"):
            self.assertEqual(service["image"], deployed()[name]["containers"][0]["image"])

    def test_images_that_are_built_here_are_never_pulled(self):
        for _, service in self.services(IMAGE_TAG="1.2.3"):
            ours = service["image"].startswith("contrail/")
            self.assertEqual(service.get("pull_policy"), "never" if ours else None)

    def test_images_that_are_built_here_say_their_version(self):
        version = re.search(r'^version = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
        for file in ("docker/Dockerfile", "docker/metabase/Dockerfile"):
            said = re.findall(r'image\.version="(.+?)"', (ROOT / file).read_text())
            self.assertEqual(said, [version], file)

    def test_base_images_are_exact(self):
        for file in [*ROOT.glob("docker/**/Dockerfile"), *ROOT.glob("e2e/**/Dockerfile")]:
            stages = set()
            for image, stage in re.findall(r"^FROM (\S+)(?: AS (\S+))?", file.read_text(), re.M):
                if image not in stages | {"scratch"}:
                    self.assertRegex(image, r"^docker\.io/.+:\d+\.\d+.*$", file)
                stages.add(stage)

    def test_users_limits_and_ends_are_those_of_the_charts(self):
        for name, service in self.services():
            pod = deployed()[name]
            user = pod["securityContext"]["runAsUser"]
            self.assertEqual(service["user"], f"{user}:{user}")
            limit = pod["containers"][0]["resources"]["limits"]["memory"]
            self.assertEqual(size(service["mem_limit"]), size(limit))
            self.assertEqual(seconds(service["stop_grace_period"]), pod["terminationGracePeriodSeconds"])

    def test_services_are_restricted_and_watched(self):
        for name, service in self.services():
            self.assertTrue(service["read_only"])
            self.assertEqual(service["cap_drop"], ["ALL"])
            self.assertEqual(service["security_opt"], ["no-new-privileges:true"])
            self.assertEqual(service["restart"], "on-failure" if name == ENDS else "unless-stopped")
            self.assertEqual("healthcheck" in service, name != ENDS)
            self.assertNotIn("privileged", service)

    def test_our_programs_ask_themselves(self):
        for name, service in self.services():
            if name in OURS:
                self.assertEqual(service["healthcheck"]["test"], ["CMD", f"/opt/contrail/{name}", "--ready"])
                self.assertEqual(service["environment"]["CONTRAIL_CONFIG"], "/etc/contrail/contrail.toml")

    def test_ports_are_on_the_loopback_and_those_of_the_charts(self):
        docs = (ROOT / "docs/deploy.md").read_text()
        published = set()
        for name, service in self.services():
            there = {port["containerPort"] for port in deployed()[name]["containers"][0].get("ports", [])}
            for port in service.get("ports", []):
                address, host, inside = port.split(":")
                self.assertEqual(address, "127.0.0.1")
                self.assertIn(int(inside), there)
                self.assertIn(f"http://127.0.0.1:{host}", docs)
                published.add(name)
        self.assertEqual(published, {"transformer", "metabase"})

    def test_addresses_lead_to_services_and_their_ports(self):
        services = compose()["services"]
        texts = [yaml.safe_dump(services)]
        texts += [f.read_text() for f in (ROOT / "docker/compose").iterdir() if f.suffix in (".toml", ".env")]
        found = {pair for text in texts for pair in re.findall(r"(?:://|@|[\"' ])([a-z-]+):(\d{4})\b", text)}
        self.assertIn(("kafka", "9092"), found)
        for name, port in found:
            self.assertIn(name, services)
            there = {p["containerPort"] for p in deployed()[name]["containers"][0]["ports"]}
            self.assertIn(int(port), there, name)

    def test_settings_are_those_of_the_charts(self):
        config = dict(flat(tomllib.loads((ROOT / "docker/compose/contrail.toml").read_text())))
        charts = {}
        for name in OURS:
            rendered = flat(tomllib.loads(config_map(name)["contrail.toml"]))
            charts |= {key: value for key, value in rendered if key not in OWN}
        self.assertEqual(config, {
            key: without_namespaces(value) if isinstance(value, str) else value
            for key, value in charts.items()
        })

    def test_variables_are_keys_that_exist(self):
        reference = (ROOT / "docs/configuration.md").read_text()
        for _, service in self.services():
            for variable in service["environment"]:
                if variable.startswith("CONTRAIL__"):
                    self.assertIn(f"`{variable}`", reference)
        for sky in ("live", "simulator"):
            variables = file_variables(f"docker/compose/{sky}.env")
            self.assertEqual(variables["CONTRAIL__PRODUCER__SOURCE"], sky)
            for variable in variables:
                self.assertIn(f"`{variable}`", reference)

    def test_newer_rows_are_waited_for_longer_than_a_poll_takes(self):
        # That rendering polls every 30 s.
        ours = compose(POLL_INTERVAL="30s")["services"][ENDS]["environment"]
        charts = {v["name"]: v["value"] for v in deployed()[ENDS]["containers"][0]["env"]}
        for environment in (ours, charts):
            self.assertEqual(environment["CONTRAIL__METABASE__FRESH_TIMEOUT"], "30s 5m")

    def test_the_dashboards_are_applied_as_by_the_chart(self):
        self.assertEqual(compose()["services"][ENDS]["command"], deployed()[ENDS]["containers"][0]["args"])

    def test_other_programs_have_the_environment_of_the_charts(self):
        own = {
            # Made from Secrets in a cluster, or of the pod's name.
            "POD_NAME", "MB_DB_USER", "MB_DB_PASS", *PASSWORDS,
            "CONTRAIL__METABASE__USERNAME", "CONTRAIL__METABASE__PASSWORD",
            # Follows POLL_INTERVAL, which has another default here.
            "CONTRAIL__METABASE__FRESH_TIMEOUT",
            # A volume of its own there.
            "MB_PLUGINS_DIR", "PGHOST",
        }
        for name, service in self.services():
            if name in OURS:
                continue
            charts = {
                v["name"]: without_namespaces(v["value"])
                for v in deployed()[name]["containers"][0]["env"] if "value" in v
            } if name != "postgres" else {}
            self.assertEqual(
                {k: v for k, v in service["environment"].items() if k not in own},
                {k: v for k, v in charts.items() if k not in own},
            )

    def test_kafka_is_set_up_as_by_the_chart(self):
        def properties(text):
            return dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))

        ours = properties((ROOT / "docker/compose/kafka.properties").read_text())
        charts = properties(config_map("kafka")["server.properties"])
        for key in ("advertised.listeners", "controller.quorum.voters"):
            ours.pop(key), charts.pop(key)
        self.assertEqual(ours, charts)

    def test_databases_are_those_of_the_chart(self):
        def statements(text):
            return [line for line in text.splitlines() if line and not line.startswith("--")]

        ours = (ROOT / "docker/compose/databases.sql").read_text()
        self.assertEqual(statements(ours), statements(config_map("postgres")["databases.sql"]))
        command = compose()["services"]["postgres"]["command"]
        self.assertEqual(sorted(command), sorted(deployed()["postgres"]["containers"][0]["args"]))

    def test_volumes_are_seen_as_in_the_charts(self):
        for name, service in self.services():
            charts = {
                m["mountPath"]: m.get("readOnly", False)
                for m in deployed()[name]["containers"][0]["volumeMounts"] if m["name"] == "data"
            }
            ours = {}
            for volume in service.get("volumes", []):
                source, target, *mode = volume.split(":")
                if source.startswith("./"):
                    self.assertTrue((ROOT / source).is_file(), source)
                    self.assertEqual(mode, ["ro"])
                else:
                    self.assertIn(source, compose()["volumes"])
                    ours[target] = mode == ["ro"]
            self.assertEqual(ours, charts)

    def test_data_may_lie_in_a_folder(self):
        sources = {
            volume.split(":")[0]
            for service in compose(DATA_PATH="/data/contrail")["services"].values()
            for volume in service.get("volumes", []) if not volume.startswith("./")
        }
        # As in a cluster: one folder of data, one of each server.
        self.assertEqual(sources, {
            *(f"/data/contrail/data/{f}" for f in ("warehouse", "analytics", "published", "logs", "quarantine")),
            "/data/contrail/kafka-0", "/data/contrail/postgres",
        })
        docs = (ROOT / "docs/deploy.md").read_text()
        self.assertIn("{warehouse,analytics,published,logs,quarantine}", docs)

    def test_no_secret_is_in_the_files(self):
        for name in PASSWORDS:
            with self.assertRaises(Missing, msg=name):
                interpolate((ROOT / "compose.yaml").read_text(), PASSWORDS | {name: ""})
        example = (ROOT / ".env.example").read_text()
        for name in PASSWORDS:
            self.assertRegex(example, rf"(?m)^{name}=$")
        telling = re.compile(r"password|passwd|secret|_pass\b|token|webhook", re.I)
        for file in [ROOT / "compose.yaml", *(ROOT / "docker/compose").iterdir()]:
            for line in file.read_text().splitlines():
                key, _, value = line.strip().removeprefix("- ").partition(":" if file.suffix == ".yaml" else "=")
                if telling.search(key) and " " not in key and value:
                    self.assertIn("${", value, f"{file}: {line}")

    def test_settings_are_in_the_docs(self):
        docs = (ROOT / "docs/deploy.md").read_text()
        text = (ROOT / "compose.yaml").read_text()
        names = set(re.findall(r"\$\{(\w+)", text)) - {"CONTRAIL__NOTIFY__WEBHOOK"}
        self.assertIn("COMPOSE_PROFILES", names)
        for name in names:
            if not name.startswith("CONTRAIL__"):
                self.assertIn(f"`{name}`", docs)

    def test_what_is_needed_is_waited_for(self):
        services = compose()["services"]
        for name, after in [
            ("schema-registry", {"kafka"}), ("producer", {"kafka", "schema-registry"}),
            ("consumer", {"schema-registry", "postgres"}), ("transformer", {"postgres"}),
            ("metabase", {"postgres"}), ("dashboards", {"metabase"}),
        ]:
            healthy = {
                other for other, how in services[name]["depends_on"].items()
                if how["condition"] == "service_healthy"
            }
            self.assertEqual(healthy, after, name)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
