"""Says how many of the document's links schemathesis has followed; fails if it has followed less than a third, or none of what
makes something.

usage: followed.py DOCUMENT REPORT

REPORT is its report of a run with the phase `stateful`, one JSON object a line. What it makes up by itself does not count.
"""

import json
import re
import sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
report = open(sys.argv[2], encoding="utf-8").read()

links = {
    f"{method.upper()} {path} -> [{status}] {name}"
    for path, methods in document["paths"].items()
    for method, operation in methods.items()
    for status, response in operation["responses"].items()
    for name in response.get("links", {})
}
followed = links & set(re.findall(r'"transition": ?\{"id": ?"([^"]+) -> [A-Z]+ /[^"]*"', report))
for made in ("POST /tasks", "POST /assign-task/", "POST /webhooks"):
    if not any(link.startswith(f"{made} -> ") for link in followed):
        sys.exit(f"no link of {made} was followed: the stateful phase did not run, or had no transitions")
if 3 * len(followed) < len(links):
    sys.exit(f"only {len(followed)} of {len(links)} links were followed; not {sorted(links - followed)}")
print(f"{len(followed)} of {len(links)} links followed")
