"""Writes docs/openapi.json as schemathesis is to read it: narrower by what only the running service knows.

usage: narrow.py DOCUMENT KINDS [credentials] [plain] > NARROWER

KINDS is what GET /kinds answers: the typed door takes these and answers 400 to all others, so they become an enumeration.
With `credentials` the service asks who you are, and going without is no way to call it. With `plain` a task is one that is
accepted whatever else is in it, and nobody waits long for it: what is to be looked at is where its answer leads.
"""

import json
import sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
kinds = [one["kind"] for one in json.loads(sys.argv[2])["kinds"]]
document["components"]["schemas"]["NewAssignment"]["properties"]["task_type"]["enum"] = kinds
# The document has a feed as the text that it is; the tool reads one message after the other.
for operation in (one for methods in document["paths"].values() for one in methods.values()):
    stream = operation["responses"].get("200", {}).get("content", {}).get("text/event-stream")
    if stream:
        text = {"type": "string"}
        stream["schema"] = {"type": "object", "required": ["data"], "properties": {"id": text, "event": text, "data": text}}
if "credentials" in sys.argv[3:]:
    document["security"] = [way for way in document["security"] if way]
if "plain" in sys.argv[3:]:
    for name in ("subtasks", "run_at", "deadline_seconds"):
        del document["components"]["schemas"]["NewTask"]["properties"][name]
    for operation in (one for methods in document["paths"].values() for one in methods.values()):
        for parameter in operation.get("parameters", []):
            if parameter["name"] == "Prefer":
                parameter.update(schema={"type": "string", "enum": ["wait=1"]}, example="wait=1")
json.dump(document, sys.stdout, indent=1)
