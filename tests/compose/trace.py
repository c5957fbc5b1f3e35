"""Looks in Jaeger for one trace of `ShowOrder` with every hop, each below its caller.

    tests/compose/trace.py http://127.0.0.1:16686

Prints the trace; exit code 1 while there is none.
"""

import json
import sys
import urllib.request

# What must be there, as service, kind and method: each line below the one it is indented under.
HOPS = """
customers client shop.v1.Frontend/ShowOrder
  frontend server shop.v1.Frontend/ShowOrder
    frontend client shop.v1.Orders/Get
      orders server shop.v1.Orders/Get
        orders client shop.v1.Inventory/Look
          inventory server shop.v1.Inventory/Look
        orders client shop.v1.Payments/Find
          payments server shop.v1.Payments/Find
"""


def main(jaeger):
    query = "/api/traces?service=customers&operation=shop.v1.Frontend%2FShowOrder&limit=50"
    with urllib.request.urlopen(jaeger + query, timeout=5) as page:
        traces = json.load(page)["data"]
    for trace in traces:
        if HOPS.strip().splitlines() == tree(trace):
            print(f"trace {trace['traceID']}, {len(trace['spans'])} spans:")
            print(HOPS.strip("\n"))
            return
    seen = "\n".join(tree(traces[0])) if traces else "nothing"
    sys.exit(f"{len(traces)} traces of ShowOrder, none with every hop; for example:\n{seen}")


def tree(trace):
    """The trace as lines like those of HOPS; attempts are left out, their children moved up."""
    below = {}
    for span in sorted(trace["spans"], key=lambda span: span["startTime"]):
        below.setdefault(parent(span), []).append(span)
    return list(lines(trace, below, None, 0))


def lines(trace, below, above, depth):
    for span in below.get(above, []):
        name = span["operationName"]
        if name.endswith(" attempt"):
            yield from lines(trace, below, span["spanID"], depth)
            continue
        service = trace["processes"][span["processID"]]["serviceName"]
        yield f"{'  ' * depth}{service} {kind(span)} {name}"
        yield from lines(trace, below, span["spanID"], depth + 1)


def parent(span):
    return next((other["spanID"] for other in span["references"]), None)


def kind(span):
    return next((tag["value"] for tag in span["tags"] if tag["key"] == "span.kind"), "?")


if __name__ == "__main__":
    main(sys.argv[1])
