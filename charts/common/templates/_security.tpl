{{/* What the Pod Security level `restricted` asks for, and a read-only root on top. */}}

{{/* common.podSecurity (dict "user" 10001): the pod runs as that user and group. Volumes are
     given to the group, but not file by file at every start. */}}
{{- define "common.podSecurity" -}}
automountServiceAccountToken: false
# Kubernetes would add a variable for every Service of the namespace.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .user }}
  fsGroup: {{ .user }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "common.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}
