# Whose packets go first when a link is full. Each class is sure of its guarantee, may borrow up to its ceiling, and spare
# rate is offered in the order of priority. Rates are of the sending direction; percentages are of the interface's rate.
traffic:
  shaping_profiles:
    edge:                       # written once, for every link of its kind
      classes:
        control:                # routing first: a full link must not cost us the sessions that could empty it
          priority: 0
          guarantee: 5%
          match:
            - {dscp: [cs6, cs7]}
            - {protocol: tcp, port: 179}
        management:             # then the way to repair things: SSH and Salt
          priority: 1
          guarantee: 5%
          match:
            - {protocol: tcp, source_port: 22}
            - {protocol: tcp, destination_port: 4505-4506}
        web:
          priority: 2
          guarantee: 60%
          match:
            - {source: web}
        bulk:
          priority: 3
          guarantee: 10%
          ceiling: 100%
          default: true         # and whatever no class matches

  shaping:                      # below the link's own rate, so that the queue is here, where we decide, and not there
    - {match: {pop: lhr1}, interface: uplink, profile: edge, rate: 20mbit}
    - {match: {pop: ams1}, interface: uplink, profile: edge, rate: 20mbit}
    - {match: {pop: iad1}, interface: uplink, profile: edge, rate: 20mbit}
