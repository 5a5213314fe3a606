"""The cluster as the test sees it: kubectl, the commands of ./task, ports that are led here."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMESPACES = ("kafka", "contrail")


class Failed(Exception):
    """A check does not hold, or a command failed."""


def run(*command, expect=0, timeout=600, **kwargs):
    """What a command prints; it fails unless it ends with `expect` (None: however it ends)."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=ROOT, **kwargs)
    if expect is not None and done.returncode != expect:
        said = (done.stdout + done.stderr).strip().splitlines()
        raise Failed(f"{' '.join(command[:6])} ended with {done.returncode}: " + "\n    ".join(said[-25:]))
    return done.stdout


def kubectl(*arguments, **kwargs):
    return run("kubectl", *arguments, **kwargs)


def task(*arguments, timeout=900, **environment):
    """A command of ./task, with these variables set."""
    return run("./task", *arguments, timeout=timeout, env=os.environ | environment)


def objects(kind, namespace):
    return json.loads(kubectl("get", kind, "--namespace", namespace, "--output", "json"))["items"]


def pods():
    """Every pod of the stack."""
    return [pod for namespace in NAMESPACES for pod in objects("pods", namespace)]


def program(pod):
    return pod["metadata"]["labels"].get("app.kubernetes.io/name", pod["metadata"]["name"])


def is_ready(pod):
    conditions = {c["type"]: c["status"] for c in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]


def wait(what, seconds, state):
    """Waits until `state` gives something true, and gives it. What fails meanwhile is tried again."""
    end, last = time.monotonic() + seconds, None
    while True:
        try:
            last = state()
            if last:
                return last
        except (Failed, OSError, urllib.error.URLError) as error:
            last = error
        if time.monotonic() > end:
            raise Failed(f"not within {seconds} s: {what}; last seen: {last}")
        time.sleep(1)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


@contextlib.contextmanager
def running(*command):
    """A command in the foreground of its own group, ended as Ctrl-C does it. Gives its output so far."""
    process = subprocess.Popen(
        command, cwd=ROOT, start_new_session=True, text=True, errors="replace",
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    os.set_blocking(process.stdout.fileno(), False)
    said = []

    def output():
        with contextlib.suppress(TypeError):
            said.append(process.stdout.read() or "")
        return "".join(said)

    try:
        yield output
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def get(port, path):
    """The body of an answer of 200."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=20) as answer:
        return answer.read().decode()


@contextlib.contextmanager
def transformer():
    """`./task port-forward-transformer`, once it answers; gives the port."""
    port = free_port()
    with running("./task", "port-forward-transformer", "--", str(port)) as output:
        try:
            wait("the transformer answers through port-forward", 60, lambda: get(port, "/healthz"))
        except Failed as error:
            raise Failed(f"{error}; port-forward said: {output()[-500:]}") from error
        yield port


def status(port):
    return json.loads(get(port, "/api/status"))


def scale(name, replicas):
    kubectl("scale", "deployment", name, "--namespace", "contrail", f"--replicas={replicas}")
    kubectl("rollout", "status", f"deployment/{name}", "--namespace", "contrail", "--timeout=180s")
    wait(f"{replicas} pods of {name}", 120, lambda: sum(program(pod) == name for pod in pods()) == replicas)


def can_reach(namespace, host, port, image):
    """Whether a pod that no chart knows can open a connection."""
    name = "stranger"
    command = f"timeout 8 bash -c 'exec 3<>/dev/tcp/{host}/{port}' && echo open || echo closed"
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": False,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": name, "image": image, "command": ["bash", "-c", command],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    }
    remove = ("delete", "pod", name, "--namespace", namespace, "--ignore-not-found", "--wait", "--grace-period=1")
    kubectl(*remove)
    kubectl("create", "--filename", "-", input=json.dumps(pod))
    try:
        wait("the stranger has tried", 90, lambda: kubectl(
            "get", "pod", name, "--namespace", namespace, "--output", "jsonpath={.status.phase}") == "Succeeded")
        return kubectl("logs", name, "--namespace", namespace).strip().endswith("open")
    finally:
        kubectl(*remove)
