# Renders the plan of this host and proves it without touching traffic; then arms the dead-man.
# `timeout`: seconds until everything is undone, unless traffic.confirmed has succeeded. Slow hosts set
# `tidegate: {timeout: 300}` in the minion's configuration or in pillar; it must exceed wait + settle by a good margin.
# A rollout's job gives its own `timeout`, and who it is, in pillar: see docs/transaction.md.
this host's plan is staged:
  traffic.staged:
    - timeout: {{ salt['config.get']('tidegate:timeout', 180) }}
    - owner: {{ salt['config.get']('tidegate:owner', none) | tojson }}
    - fence: {{ salt['config.get']('tidegate:fence', none) | tojson }}
    - again: {{ salt['config.get']('tidegate:again', false) | tojson }}
