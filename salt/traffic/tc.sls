include:
  - traffic.xdp

tc is as planned:
  tc.applied:
    - require:
      - xdp: xdp is as planned
