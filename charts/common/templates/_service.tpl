{{/* common.service (dict "root" . "headless" true): the Service of one of Contrail's own programs:
     health, metrics and what else it serves. A headless one leads to every pod by itself, which is
     how metrics of several are read. */}}
{{- define "common.service" -}}
{{- $ := .root -}}
apiVersion: v1
kind: Service
metadata:
  {{- include "common.metadata" $ | nindent 2 }}
spec:
  {{- if .headless }}
  clusterIP: None
  {{- end }}
  selector:
    {{- include "common.selectorLabels" $ | nindent 4 }}
  ports:
    - name: http
      port: 8080
      targetPort: http
{{- end -}}

{{/* common.disruptionBudget: one pod at a time may be taken away, where there are several. */}}
{{- define "common.disruptionBudget" -}}
{{- if gt (int .Values.replicas) 1 -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "common.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "common.selectorLabels" . | nindent 6 }}
{{- end -}}
{{- end -}}
