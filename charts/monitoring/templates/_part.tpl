{{/* monitoring.metadata (dict "root" . "part" "grafana"): the name and labels of one of the programs. */}}
{{- define "monitoring.metadata" -}}
name: {{ .part }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "common.labels" .root | nindent 2 }}
  app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "monitoring.selector" -}}
{{ include "common.selectorLabels" .root }}
app.kubernetes.io/component: {{ .part }}
{{- end -}}

{{- define "monitoring.service" -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "monitoring.metadata" . | nindent 2 }}
spec:
  selector:
    {{- include "monitoring.selector" . | nindent 4 }}
  ports:
    - name: http
      port: {{ .port }}
      targetPort: http
{{- end -}}
