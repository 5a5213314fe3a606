{{/* The login, for whoever connects. */}}
{{- define "kafka.login" -}}
{{- if .Values.sasl.enabled }}
- name: SASL_USERNAME
  valueFrom:
    secretKeyRef:
      name: {{ .Values.sasl.existingSecret }}
      key: username
- name: SASL_PASSWORD
  valueFrom:
    secretKeyRef:
      name: {{ .Values.sasl.existingSecret }}
      key: password
{{- end }}
{{- end -}}

{{- define "kafka.mounts" -}}
- name: config
  mountPath: /etc/kafka-node
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- if .Values.tls.enabled }}
- name: tls
  mountPath: /etc/kafka-tls
  readOnly: true
{{- end }}
{{- end -}}

{{- define "kafka.volumes" -}}
- name: config
  configMap:
    name: {{ include "common.name" . }}
- name: tmp
  emptyDir:
    sizeLimit: 64Mi
{{- if .Values.tls.enabled }}
- name: tls
  secret:
    secretName: {{ .Values.tls.existingSecret }}
{{- end }}
{{- end -}}

{{/* How it is seen that a node answers. Over TLS only that it lets somebody in. */}}
{{- define "kafka.answers" -}}
{{- if .Values.tls.enabled -}}
tcpSocket:
  port: client
{{- else -}}
exec:
  command: [bash, /etc/kafka-node/answers.sh]
{{- end }}
timeoutSeconds: 5
{{- end -}}
