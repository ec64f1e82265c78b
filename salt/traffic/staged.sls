# Renders the plan of this host and proves it without touching traffic; then arms the dead-man.
# `timeout`: seconds until everything is undone, unless traffic.confirmed has succeeded. Slow hosts set
# `tidegate: {timeout: 300}` in the minion's configuration or in pillar; it must exceed wait + settle by a good margin.
this host's plan is staged:
  traffic.staged:
    - timeout: {{ salt['config.get']('tidegate:timeout', 180) }}
