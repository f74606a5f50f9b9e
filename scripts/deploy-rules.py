"""Our own rules for deploy/, those that no general validator knows.

in:   argv[1], optional: a built millstream, whose --help lists the sub-commands
out:  one line per rule that holds; for each breach a line on stderr, and exit code 1
Run it with the Python of scripts/validate-deploy, which has a YAML reader.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

PORTS = {
    "redis": ["127.0.0.1:6380:6379"],
    "orchestrator": ["127.0.0.1:8000:8000", "127.0.0.1:8001:8000"],
    "projector": [],
    "worker": [],
}
REDIS_SETTINGS = {
    "--appendonly": "yes",
    "--appendfsync": "always",
    "--maxmemory": "1gb",
    "--maxmemory-policy": "noeviction",
}

compose = YAML(typ="safe").load(Path("deploy/compose.yaml"))
services = compose["services"]
dockerfile = Path("deploy/Dockerfile").read_text()
breaches = []


def rule(text, *broken):
    """Reports a rule: it holds if nothing broke it."""
    breaches.extend(f"broken: {text}: {what}" for what in broken)
    if not broken:
        print(f"ok: {text}")


def difference(found, wanted):
    return [] if found == wanted else [f"{found} instead of {wanted}"]


def members():
    """The folders of the workspace's members, as cargo sees them."""
    answer = subprocess.run(
        ["cargo", "metadata", "--no-deps", "--format-version=1"], check=True, capture_output=True, text=True
    )
    packages = json.loads(answer.stdout)["packages"]
    return sorted(str(Path(package["manifest_path"]).parent.relative_to(Path.cwd())) for package in packages)


def health_check(service):
    return service.get("healthcheck", {}).get("test", [])


def roles():
    """Every way in which deploy/ calls the binary, as lists of arguments."""
    for service in services.values():
        if service["image"].startswith("millstream:"):
            yield service["command"]
            yield health_check(service)[2:]


def is_hardened(service):
    return (
        service.get("read_only") is True
        and "/tmp" in service.get("tmpfs", [])
        and service.get("cap_drop") == ["ALL"]
        and "no-new-privileges:true" in service.get("security_opt", [])
        and service.get("stop_grace_period") == "30s"
        and "privileged" not in service
    )


rule("services and ports", *difference({name: one.get("ports", []) for name, one in services.items()}, PORTS))
rule("every service has a health check", *(name for name, one in services.items() if not health_check(one)))
rule("every service is hardened", *(name for name, one in services.items() if not is_hardened(one)))
hosts = services["orchestrator"]["environment"].get("ALLOWED_HOSTS")
rule("the API is asked under its own names alone", *difference(hosts, "localhost,127.0.0.1,orchestrator"))
rule("workers can be scaled", *({"container_name", "hostname", "ports"} & services["worker"].keys()))

command = services["redis"]["command"]
rule("what Redis promises", *difference(dict(zip(command[1::2], command[2::2], strict=True)), REDIS_SETTINGS))
volumes = [volume.split(":")[0] for volume in services["redis"]["volumes"]]
rule("its data has a named volume", *difference(volumes, list(compose["volumes"])))

images = re.findall(r"^FROM (\S+)", dockerfile, re.M) + [one["image"] for one in services.values()]
rule("every image has a tag", *(image for image in images if not re.search(r":[^/:]*\d[^/:]*$", image)))
toolchain = re.search(r'channel = "(.+)"', Path("rust-toolchain.toml").read_text())[1]
rule("the builder is the toolchain", *difference(images[0], f"rust:{toolchain}-bookworm"))
manifests = sorted(re.findall(r"^COPY (\S+)/Cargo\.toml \1/$", dockerfile, re.M))
rule("the dependency layer knows every crate", *difference(manifests, members()))
users = re.findall(r"^USER (\S+)", dockerfile, re.M)
rule("the image is not root's", *difference(users, ["65532:65532"]))
entry = re.findall(r"^ENTRYPOINT (.+)", dockerfile, re.M)
rule("the image is the binary", *difference(entry, ['["/usr/local/bin/millstream"]']))

if len(sys.argv) > 1:
    called = list(roles())
    helps = (subprocess.run([sys.argv[1], *call, "--help"], capture_output=True, text=True) for call in called)
    text = subprocess.run([sys.argv[1], "--help"], check=True, capture_output=True, text=True).stdout
    known = re.findall(r"^  (\S+)", text, re.M)
    rule("every sub-command exists", *(" ".join(call) for call in called if call[0] not in known))
    rule("with these arguments", *(" ".join(call) for call, one in zip(called, helps) if one.returncode))

for breach in breaches:
    print(breach, file=sys.stderr)
sys.exit(bool(breaches))
