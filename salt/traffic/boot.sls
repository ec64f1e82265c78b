# A boot restores the confirmed generation before BIRD starts. This must stand before anything can be confirmed.
include:
  - traffic.staged

a boot restores the confirmed generation:
  traffic.restored_at_boot:
    - require:
      - traffic: this host's plan is staged
