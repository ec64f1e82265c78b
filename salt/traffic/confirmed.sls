include:
  - traffic.boot
  - traffic.xdp
  - traffic.tc
  - traffic.bird

# Local health, then a round trip to the master through the new configuration; else everything is undone.
# `wait`: seconds until both must begin to hold; `settle`: seconds for which they must then hold on end, because
# routing answers late. Both can be set as `tidegate: {wait: …, settle: …}` in the minion's configuration or in pillar.
# A rollout's job says `tidegate: {confirm: engine}` in pillar: then its engine makes the change permanent.
the change is proven:
  traffic.confirmed:
    - wait: {{ salt['config.get']('tidegate:wait', 30) }}
    - settle: {{ salt['config.get']('tidegate:settle', 10) }}
    - by: {{ salt['config.get']('tidegate:confirm', 'host') | tojson }}
    - owner: {{ salt['config.get']('tidegate:owner', none) | tojson }}
    - fence: {{ salt['config.get']('tidegate:fence', none) | tojson }}
    - require:
      - traffic: a boot restores the confirmed generation
      - xdp: xdp is as planned
      - tc: tc is as planned
      - bird: bird is as planned
