{{/* The configuration file of a service, as TOML. Helm's own `toToml` is not used: it writes
     whole numbers as 3.0, which the services refuse. */}}

{{- define "common.toml.key" -}}
{{- if regexMatch "^[A-Za-z0-9_-]+$" . }}{{ . }}{{ else }}{{ . | toJson }}{{ end -}}
{{- end -}}

{{/* common.toml (dict "table" MAP "path" "a.b"): plain values first, then the tables in it. */}}
{{- define "common.toml" -}}
{{- $path := .path -}}
{{- range $key, $value := .table -}}
{{- if not (kindIs "map" $value) }}
{{ include "common.toml.key" $key }} = {{ $value | toJson }}
{{- end -}}
{{- end -}}
{{- range $key, $value := .table -}}
{{- if kindIs "map" $value -}}
{{- $inner := include "common.toml.key" $key -}}
{{- if $path }}{{ $inner = printf "%s.%s" $path $inner }}{{ end }}

[{{ $inner }}]
{{- include "common.toml" (dict "table" $value "path" $inner) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "common.configText" -}}
{{- include "common.toml" (dict "table" .Values.config "path" "") | trim -}}
{{- end -}}

{{- define "common.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "common.metadata" . | nindent 2 }}
data:
  contrail.toml: |
    {{- include "common.configText" . | nindent 4 }}
{{- end -}}
