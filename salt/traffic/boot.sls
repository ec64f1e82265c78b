# A boot restores the confirmed generation before BIRD starts. This must stand before anything can be confirmed.
include:
  - traffic.staged

/etc/systemd/system/tidegate-restore.service:
  file.managed:
    - source: salt://traffic/files/tidegate-restore.service
    - mode: '0644'
    - require:
      - traffic: this host's plan is staged

the confirmed generation is restored at boot:
  service.enabled:
    - name: tidegate-restore
    - require:
      - file: /etc/systemd/system/tidegate-restore.service
