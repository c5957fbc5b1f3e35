"""Reads the control plane's status: who has joined, and what is an endpoint.

    tests/compose/mesh.py http://127.0.0.1:15014

Prints it; exit code 1 while somebody of docker-compose.yml is missing.
"""

import json
import sys
import urllib.request

# Live endpoints of each service.
SHOP = {"frontend": 1, "inventory": 1, "orders": 2, "payments": 1}
SIDECARS = ["customers", "frontend", "inventory", "orders", "orders", "payments"]


def main(control_plane):
    with urllib.request.urlopen(control_plane + "/status", timeout=5) as page:
        status = json.load(page)
    live = {service["name"]: alive(service) for service in status["services"]}
    sidecars = sorted(sidecar["service"] for sidecar in status["sidecars"])
    print(f"sidecars: {', '.join(sidecars)}; live endpoints: {live}")
    if (live, sidecars) != (SHOP, SIDECARS):
        sys.exit("somebody is missing")


def alive(service):
    return sum(endpoint["state"] == "live" for endpoint in service["endpoints"])


if __name__ == "__main__":
    main(sys.argv[1])
