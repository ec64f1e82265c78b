# One generation, all or nothing. The requisites in these files are the order of the transaction:
# staged -> withdrawn -> xdp -> tc -> bird -> confirmed.
include:
  - traffic.boot
  - traffic.staged
  - traffic.xdp
  - traffic.tc
  - traffic.bird
  - traffic.confirmed
