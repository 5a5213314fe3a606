{{/* Pieces of NetworkPolicies. The namespaces deny everything but DNS; each chart opens its own
     arrows, at both ends. */}}

{{/* common.peer (dict "namespace" NAME "app" NAME): the pods of a chart in a namespace. */}}
{{- define "common.peer" -}}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ .namespace }}
  podSelector:
    matchLabels:
      app.kubernetes.io/name: {{ .app }}
{{- end -}}

{{/* Pods of `helm test`, and what scrapes metrics: they may reach the port `http`. */}}
{{- define "common.watchers" -}}
- podSelector:
    matchLabels:
      app.kubernetes.io/component: test
      app.kubernetes.io/instance: {{ .Release.Name }}
{{- range .Values.networkPolicy.metricsFrom }}
- namespaceSelector:
    matchLabels:
      kubernetes.io/metadata.name: {{ . }}
{{- end }}
{{- end -}}

{{/* common.egress (dict "to" LIST): LIST of peers from the values, each
     (dict "namespace" … "app" … "port" …) or (dict "cidr" … "except" LIST "port" …); without a port, any. */}}
{{- define "common.egress" -}}
{{- range .to }}
- to:
    {{- if .cidr }}
    - ipBlock:
        cidr: {{ .cidr }}
        {{- with .except }}
        except:
          {{- toYaml . | nindent 10 }}
        {{- end }}
    {{- else }}
    {{- include "common.peer" . | nindent 4 }}
    {{- end }}
  {{- with .port }}
  ports:
    - port: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* common.networkPolicy (dict "root" . "ingress" LIST): a program of ours: the given peers and
     the watchers may come in at its port 8080, and it may go where its values say. */}}
{{- define "common.networkPolicy" -}}
{{- $ := .root -}}
{{- if $.Values.networkPolicy.enabled -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "common.metadata" $ | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "common.selectorLabels" $ | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - from:
        {{- include "common.watchers" $ | nindent 8 }}
        {{- range .ingress }}
        {{- include "common.peer" . | nindent 8 }}
        {{- end }}
      ports:
        - port: http
  {{- with $.Values.networkPolicy.egress }}
  egress:
    {{- include "common.egress" (dict "to" .) | trim | nindent 4 }}
  {{- else }}
  egress: []
  {{- end }}
{{- end -}}
{{- end -}}
