include:
  - traffic.staged
  - traffic.tc

# Leaving comes first: a host stops attracting traffic before it stops being ready for it.
what is no longer announced is withdrawn:
  bird.withdrawn:
    - require:
      - traffic: this host's plan is staged

# Arriving comes last: sessions and announcements follow filter and shaping.
bird is as planned:
  bird.applied:
    - require:
      - tc: tc is as planned
