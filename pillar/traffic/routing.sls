# Who announces which prefixes to which neighbors. Policy files are ordinary SLS files: Jinja works, as here, where
# every edge has one link to its upstream and a session of each family over it.
{%- set uplinks = {
  "edge1.lhr1": {"name": "lhr1-transit-1", "v4": "198.51.100.0", "v6": "2001:db8:ff:1::1", "asn": 64601},
  "edge2.lhr1": {"name": "lhr1-transit-2", "v4": "198.51.100.2", "v6": "2001:db8:ff:2::1", "asn": 64601},
  "edge1.ams1": {"name": "ams1-transit", "v4": "198.51.100.4", "v6": "2001:db8:ff:3::1", "asn": 64601},
  "edge1.iad1": {"name": "iad1-transit", "v4": "198.51.100.6", "v6": "2001:db8:ff:4::1", "asn": 64602},
} %}

traffic:
  routing:
    asn: 64500

    services:                   # prefixes that belong together and are healthy together
      web:
        prefixes: [192.0.2.0/24, "2001:db8:100::/48"]
        min_pops: 2             # never announced from fewer PoPs than this
        check:                  # every edge asks its own origin, and announces the service only while that answers
          {http: "http://127.0.0.1:8080/health", body: ok, interval: 1s, timeout: 1s, rise: 3, fall: 2}
        hold: 5s                # well for so long before it is announced again

    neighbors:
{%- for host, uplink in uplinks.items() %}
{%- for family in ("v4", "v6") %}
      {{ uplink.name }}-{{ family }}:
        match: {host: {{ host }}}
        address: "{{ uplink[family] }}"
        asn: {{ uplink.asn }}
        role: provider          # what it is to us; decides what may be announced to it and what is accepted from it
        description: "{{ host }} to AS{{ uplink.asn }}"
        hold_time: 30
        keepalive: 10
        import:
          accept: all           # the way home to the Salt master is among these routes
          max_prefix: {limit: 1000, action: block}
{%- if host.endswith(".lhr1") %}
        password: {secret: bgp/lhr1-transit}    # a name; the value is in the minion's own pillar (secrets/lhr1.sls)
{%- endif %}
{%- endfor %}
{%- endfor %}

    imports:                    # by role, over what Tidegate checks anyway: tidegate schema --form markdown
      provider:
        # Only for this example: its networks are those of documentation, its AS numbers private. On the Internet both
        # are bogons, and without these lines they are rejected.
        bogon_prefixes: accept
        bogon_asns: accept
        private_asns: accept
        ipv4_length: {min: 8, max: 32}
        ipv6_length: {min: 16, max: 128}

    announcements:
      # London and Ashburn announce the service as it is. Amsterdam adds our AS number once more, so that networks which
      # can reach London too prefer London, and still have Amsterdam when it is gone.
      - service: web
        match: {pop: [lhr1, iad1]}
        to: {role: [provider, peer]}
        communities: ["64500:100"]
      - service: web
        match: {pop: ams1}
        to: {role: [provider, peer]}
        communities: ["64500:100"]
        prepend: 1
