include:
  - traffic.staged
  - traffic.bird

xdp is as planned:
  xdp.applied:
    - require:
      - traffic: this host's plan is staged
      - bird: what is no longer announced is withdrawn
