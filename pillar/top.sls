# Which minion gets which pillar. The policy itself (traffic/) is not here on purpose: minions never see it. The master's
# ext_pillar reads it, and hands each host its own plan under `traffic`.
base:
  "edge*.lhr1":
    - secrets.lhr1
