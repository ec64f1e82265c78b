# Renders the plan of this host and proves it without touching traffic; then arms the dead-man.
# `timeout`: seconds until everything is undone, unless traffic.confirmed has succeeded.
this host's plan is staged:
  traffic.staged:
    - timeout: 180
