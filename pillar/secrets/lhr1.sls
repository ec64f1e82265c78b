# What the policy calls {secret: bgp/lhr1-transit}: the names are in the policy, the values only here, and only the
# minions that top.sls names receive them. This is an example and so it is in clear; keep yours encrypted
# (`#!yaml|gpg`), or let pillar fetch them from Vault.
traffic_secrets:
  bgp/lhr1-transit: tide-lhr1-md5
