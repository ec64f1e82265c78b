# In place of lab/rollout.sls: the canary is compared with the host beside it that does not have the release, by how long
# its answers take for a client. Two hosts are enough to find what is gross, and never enough to say that a release is
# harmless: where this is used for a good one, it ends with people being asked.
traffic:
  rollout:
    waves:
      - name: canary
        one_per: class
        soak: 1m
        gates:
          - metrics:
              prometheus: http://203.0.113.3:9090
{%- raw %}
              compare:
                - name: slow_answers        # those that took longer than a tenth of a second, of all answers
                  kind: counter
                  query: >-
                    sum by (host) (lab_client_answer_seconds_count{host=~"{{ hosts }}"})
                    - sum by (host) (lab_client_answer_seconds_bucket{host=~"{{ hosts }}", le="0.1"})
                  exposure: sum by (host) (lab_client_answer_seconds_count{host=~"{{ hosts }}"})
                  margin: 0.05
                  quiet: true
{%- endraw %}
              judge: {tick: 4s, warmup: 4s, before: 20s, behind: 2s, undecided: pause}
      - {name: all, match: all}
    soak: 4s
    interval: 4s
    gates: [health]
    budget: {failed_hosts: 0, unknown_hosts: 0}
    on_failure: roll_back_all
    pace: {silence: 30s, timeout: 2m}
