# Where the hosts are and what they are. Everything else chooses hosts by what is written here:
# match: {region: eu}, {pop: lhr1}, {role: edge}, {class: gen12}, {host: "edge*.lhr1"}.
traffic:
  fleet:
    regions:
      eu: {pops: {lhr1: {}, ams1: {}}}
      us: {pops: {iad1: {}}}

    hosts:                      # by minion id
      edge1.lhr1:
        pop: lhr1
        role: edge
        class: gen12            # hardware and topology class: hosts of one class can be compared with each other
        router_id: 10.0.0.1
        interfaces:
          uplink:               # the policy's name for it, the same on every host, whatever the device is called
            device: eth0
            addresses: [198.51.100.1/31, "2001:db8:ff:1::2/64"]
      edge2.lhr1:
        pop: lhr1
        role: edge
        class: gen12
        router_id: 10.0.0.2
        interfaces:
          uplink:
            device: eth0
            addresses: [198.51.100.3/31, "2001:db8:ff:2::2/64"]
      edge1.ams1:
        pop: ams1
        role: edge
        class: gen11
        router_id: 10.0.0.3
        interfaces:
          uplink:
            device: eth0
            addresses: [198.51.100.5/31, "2001:db8:ff:3::2/64"]
      edge1.iad1:
        pop: iad1
        role: edge
        class: gen12
        router_id: 10.0.0.4
        interfaces:
          uplink:
            device: eth0
            addresses: [198.51.100.7/31, "2001:db8:ff:4::2/64"]
