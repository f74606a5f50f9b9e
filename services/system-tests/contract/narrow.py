"""Writes docs/openapi.json as schemathesis is to read it: narrower by what only the running service knows.

usage: narrow.py DOCUMENT KINDS [credentials] > NARROWER

KINDS is what GET /kinds answers: the typed door takes these and answers 400 to all others, so they become an enumeration.
With `credentials` the service asks who you are, and going without is no way to call it.
"""

import json
import sys

document = json.load(open(sys.argv[1], encoding="utf-8"))
kinds = [one["kind"] for one in json.loads(sys.argv[2])["kinds"]]
document["components"]["schemas"]["NewAssignment"]["properties"]["task_type"]["enum"] = kinds
if "credentials" in sys.argv[3:]:
    document["security"] = [way for way in document["security"] if way]
json.dump(document, sys.stdout, indent=1)
