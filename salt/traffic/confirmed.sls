include:
  - traffic.boot
  - traffic.xdp
  - traffic.tc
  - traffic.bird

# Local health, then a round trip to the master through the new configuration; else everything is undone.
the change is proven:
  traffic.confirmed:
    - wait: 60
    - require:
      - service: the confirmed generation is restored at boot
      - xdp: xdp is as planned
      - tc: tc is as planned
      - bird: bird is as planned
