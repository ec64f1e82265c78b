"""Parts of plans, with what a test does not care about filled in."""


def backend(host, number, weight=100, draining=False):
    return {"host": host, "address": f"10.9.0.{number}", "weight": weight, "draining": draining}


def service(name="web", **changed):
    return {
        "name": name,
        "vips": ["192.0.2.10"],
        "ports": [[6, 80]],
        "encapsulation": "gue",
        "affinity": "flow",
        "backends": [backend("server1", 1)],
        "mtu": None,
        "check": None,
        "min_percent": 1,
        **changed,
    }


def served(name="web", **changed):
    return {"name": name, "vips": ["192.0.2.10"], "ports": [[6, 80]], "address": "10.9.0.1", **changed}


def section(*services, served=(), **outer):
    return {
        "services": list(services),
        "served": list(served),
        "outer": {"ipv4": None, "ipv6": None, **outer},
        "own": {"ipv4": "10.9.0.100"},
    }
