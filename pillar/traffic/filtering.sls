# What is dropped before the host's own network stack sees it. Rules are in order: the first that matches decides, and a
# packet that none matches passes. BGP, Salt, SSH and neighbour discovery of the host get through whatever stands here;
# `tidegate check` refuses a rule that would need that.
traffic:
  filtering:
    sets:
      bogons: {prefixes: [0.0.0.0/8, 127.0.0.0/8, 240.0.0.0/4, "100::/64"]}    # never a source on the Internet (RFC 6890)
      abusers: {prefixes: [203.0.113.128/25, "2001:db8:bad::/48"]}

    rules:
      - {name: bogons, match: {role: edge}, interface: uplink, source: bogons, action: drop}
      - {name: abusers, match: {role: edge}, interface: uplink, source: abusers, action: drop}
      # Answers that nobody here has asked for: reflected and amplified by open resolvers and time servers.
      - name: amplification
        match: {role: edge}
        interface: uplink
        destination: web        # a service's name stands for its prefixes
        protocol: udp
        source_port: [53, 123, 389, 1900, 11211]
        action: drop
