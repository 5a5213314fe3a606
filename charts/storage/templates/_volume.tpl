{{/* storage.volume (dict "root" . "namespace" … "claim" … "folder" … "size" … "accessModes" …) */}}
{{- define "storage.volume" -}}
apiVersion: v1
kind: PersistentVolume
metadata:
  name: contrail-{{ .folder }}
  labels:
    {{- include "common.labels" .root | nindent 4 }}
  annotations:
    helm.sh/resource-policy: keep
spec:
  capacity:
    storage: {{ .size }}
  accessModes: {{ .accessModes | toJson }}
  persistentVolumeReclaimPolicy: Retain
  storageClassName: {{ .root.Values.static.storageClass }}
  # Only this claim may have it.
  claimRef:
    apiVersion: v1
    kind: PersistentVolumeClaim
    namespace: {{ .namespace }}
    name: {{ .claim }}
  # Not hostPath: the kubelet gives a local volume to the group of the pod (fsGroup), so that no
  # container needs to be root.
  local:
    path: {{ .root.Values.static.dataPath }}/{{ .folder }}
  nodeAffinity:
    required:
      nodeSelectorTerms:
        - matchExpressions:
            {{- if .root.Values.static.node }}
            - key: kubernetes.io/hostname
              operator: In
              values: [{{ .root.Values.static.node | quote }}]
            {{- else }}
            - key: kubernetes.io/os
              operator: In
              values: [linux]
            {{- end }}
{{- end -}}
