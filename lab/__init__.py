"""The lab: a fleet of edge hosts, routers, a Salt master and a client, in containers joined by veth cables."""
