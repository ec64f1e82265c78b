# In which waves a release reaches the fleet. Hosts get it wave by wave, and each host is in one wave only;
# `tidegate rollout plan` shows which. The same policy always makes the same waves. More in docs/waves.md.
traffic:
  rollout:
    waves:
      # First one host of every class, so that nothing runs where its kind of hardware has not been tried. Of each class
      # it is a host that has another of its class beside it: the two are compared while only one has the release.
      - {name: canary, one_per: class}
      # Then until three of four hosts have it: a percentage is of the whole fleet, and the canaries count in.
      - {name: most, percent: 75}
      # Then the rest. "All" has to be said: a wave that does not say what it takes is an error, and so is a host in no wave.
      - {name: all, match: all}

      # Larger fleets have more to choose from; for example, after the canaries:
      #   - {name: pop, one_per: region, unit: pop}              a whole PoP in every region
      #   - {name: quiet, match: {region: us}, percent: 20}      a fifth of one region
      #   - {name: next, count: 3, unit: pop}                    three more whole PoPs
      #   - {name: last, hosts: [edge1.iad1, edge2.lhr1]}        these, in this wave and no other
