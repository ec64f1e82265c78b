# How a release reaches the fleet: in which waves, past which gates, and what stops it. Hosts get it wave by wave, and each
# host is in one wave only; `tidegate rollout plan` shows which. The same policy always makes the same waves. More in
# docs/waves.md, about gates in docs/gates.md.
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

    # A wave is followed by the next when its gates have been seen to pass for this long. Five seconds suit a fleet in
    # containers; where people use what you serve, give them minutes to notice: the default is 1m.
    soak: 5s
    interval: 2s                # between two looks of the gates

    # What judges every wave, and what was promoted before it, on every look. `health` asks every host whether it runs what
    # it should and every check of it is good; it judges even if it is not named. The others, each explained in
    # docs/gates.md:
    #   - verify                                               the testinfra suite, over Salt
    #   - metrics: {prometheus: "http://…", queries: […]}      figures within bounds, and, with `compare`, no worse with the
    #                                                          release than on hosts without it: judged for a soak of half an hour
    #   - probe: {from: [client1], http: "http://192.0.2.10/"} what is served, asked for from outside
    #   - approval                                             somebody says `tidegate rollout approve`
    # A wave may have gates and a soak of its own: {name: all, match: all, gates: [health, approval], soak: 10m}.
    gates: [health]

    # In their place, for a fleet that people use: canaries are compared with hosts like them that do not have the release,
    # for a soak of half an hour. It needs a few hosts of each class in every PoP; docs/judge.md says what margins mean, and
    # what cannot be seen. The names of metrics are those of your exporters; every series carries the label `host`.
    # {% raw %}
    # soak: 30m
    # interval: 15s
    # gates:
    #   - health
    #   - metrics:
    #       prometheus: http://prometheus.example.net:9090
    #       queries:                                  # bounds, for what must never be
    #         - {name: scraped, query: 'up{job="edge", host=~"{{ hosts }}"}', min: 1}
    #       compare:
    #         - name: errors                          # a total, as it is counted: resets have to be seen
    #           kind: counter
    #           query: sum by (host) (http_responses_total{class="5xx", host=~"{{ hosts }}"})
    #           exposure: sum by (host) (http_responses_total{host=~"{{ hosts }}"})
    #           margin: 0.1%                          # of the level without the release
    #           quiet: true                           # no error at all is a good sign, and not a broken counter
    #         - name: response_time
    #           kind: latency                         # compared as ratios
    #           query: histogram_quantile(0.9, sum by (host, le) (rate(http_seconds_bucket{host=~"{{ hosts }}"}[{{ window }}])))
    #           margin: 10%
    #           unit: s
    #         - name: sessions
    #           kind: gauge
    #           worse: lower
    #           query: sum by (host) (bird_protocol_up{proto="BGP", host=~"{{ hosts }}"})
    #           margin: 5%
    #       judge:
    #         tick: 1m
    #         warmup: 2m                              # a restart is felt, and harmless
    # {% endraw %}

    # What may go wrong before it stops. A host that did not answer is unknown, which is never success.
    budget:
      failed_hosts: 0           # or a percentage of the hosts that change: 1%
      unknown_hosts: 0
      withdrawals: {most: 50, within: 1m}     # announcements, per neighbor and prefix; a host that would be too many waits

    # What a stop does: the hosts of its wave go back to what they had. Or `pause` (people decide), or `roll_back_all`.
    on_failure: roll_back_wave

    # How `--emergency` is quicker: without this it has one host of every class, then the rest, and a quarter of the soak.
    # It is never without waves and never without a soak.
    emergency:
      soak: 2s

    # Times at which no wave begins; quotes, because YAML would read dates and times as something else.
    # freeze:
    #   - {name: holidays, from: "2026-12-24T16:00Z", until: "2026-12-27T08:00Z", why: few people are there}
    #   - {name: weekend, days: [sat, sun], from: "00:00", until: "00:00", zone: Europe/London, why: few people are there}

    # Who is told. Salt's event bus is told of everything; a webhook of these events, signed if it has a secret.
    # notify:
    #   - {webhook: "https://hooks.example.net/tidegate", events: [stopped, finished], secret: hooks}
