# How the lab rolls out, in place of pillar/traffic/rollout.sls: the same waves, soaks of seconds, and every kind of gate
# that a program judges; the testinfra suite, which takes its time, looks at the canaries alone. Prometheus and the host
# that probes are the lab's client.
traffic:
  rollout:
    waves:
      - {name: canary, one_per: class, gates: [{verify: {parts: [bird], time: 2m}}, metrics, probe]}
      - {name: most, percent: 75}
      - {name: all, match: all}
    soak: 4s
    interval: 4s
    inconclusive_rounds: 15
    gates:
      - metrics:
          prometheus: http://203.0.113.3:9090
          queries:
{%- raw %}
            - name: errors
              query: sum by (host) (increase(lab_origin_requests_total{code="500", host=~"{{ hosts }}"}[{{ window }}]))
              max: 0
            - {name: scraped, query: 'up{job="origin", host=~"{{ hosts }}"}', min: 1}
{%- endraw %}
      - probe: {from: client, http: "http://192.0.2.10/health", body: ok, time: 2s}
    budget: {failed_hosts: 0, unknown_hosts: 0}
    on_failure: roll_back_all
    pace: {silence: 30s, timeout: 2m}
