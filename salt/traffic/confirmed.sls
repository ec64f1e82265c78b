include:
  - traffic.boot
  - traffic.xdp
  - traffic.tc
  - traffic.bird

# Local health, then a round trip to the master through the new configuration; else everything is undone.
the change is proven:
  traffic.confirmed:
    - wait: 30      # seconds until both must begin to hold
    - settle: 10    # seconds for which they must then hold on end: routing answers late
    - require:
      - service: the confirmed generation is restored at boot
      - xdp: xdp is as planned
      - tc: tc is as planned
      - bird: bird is as planned
