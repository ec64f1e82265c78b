# Every minion that has a plan. A minion that the fleet does not list has none: `traffic` would only tell it so.
base:
  '*':
    - traffic
