global:
  scrape_interval: {{ .Values.prometheus.interval }}
rule_files: [/etc/prometheus/rules.yaml]
scrape_configs:
  {{- range .Values.targets.services }}
  - job_name: {{ . }}
    dns_sd_configs:
      - names: [{{ . }}.{{ $.Values.targets.namespace }}.svc]
        type: A
        port: {{ $.Values.targets.port }}
        refresh_interval: 15s
    relabel_configs:
      - target_label: part_of
        replacement: contrail
  {{- end }}
