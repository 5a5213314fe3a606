{{/* common.deployment (dict "root" . "strategy" "Recreate" "folders" LIST): one of Contrail's own
     programs. Each has its configuration file, its secrets as environment, and health at the port
     `http`; `ports` are further ones, (dict "name" "api" "port" 8081).
     `folders` are those of the data volume that it sees: (dict "name" "warehouse"
     "readOnly" true). */}}
{{- define "common.deployment" -}}
{{- $ := .root -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "common.metadata" $ | nindent 2 }}
spec:
  replicas: {{ $.Values.replicas | default 1 }}
  revisionHistoryLimit: 3
  strategy:
    type: {{ .strategy }}
    {{- if eq .strategy "RollingUpdate" }}
    rollingUpdate:
      maxSurge: 1
      maxUnavailable: 0
    {{- end }}
  selector:
    matchLabels:
      {{- include "common.selectorLabels" $ | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "common.podLabels" $ | nindent 8 }}
      annotations:
        # A changed configuration restarts the pods.
        checksum/config: {{ include "common.configText" $ | sha256sum }}
    spec:
      {{- include "common.podSecurity" (dict "user" 10001) | nindent 6 }}
      terminationGracePeriodSeconds: {{ $.Values.terminationGracePeriodSeconds }}
      containers:
        - name: {{ $.Chart.Name }}
          image: {{ include "common.image" $ | quote }}
          imagePullPolicy: {{ $.Values.image.pullPolicy }}
          args: [--config, /etc/contrail/contrail.toml]
          {{- include "common.environment" $ | nindent 10 }}
          ports:
            - name: http
              containerPort: 8080
            {{- range .ports }}
            - name: {{ .name }}
              containerPort: {{ .port }}
            {{- end }}
          {{- include "common.probes" (dict "port" "http" "live" "/healthz" "ready" "/readyz") | nindent 10 }}
          resources:
            {{- toYaml $.Values.resources | nindent 12 }}
          {{- include "common.containerSecurity" $ | nindent 10 }}
          volumeMounts:
            - name: config
              mountPath: /etc/contrail
              readOnly: true
            - name: tmp
              mountPath: /tmp
            {{- range .folders }}
            - name: data
              mountPath: /var/lib/contrail/{{ .name }}
              subPath: {{ .name }}
              {{- if .readOnly }}
              readOnly: true
              {{- end }}
            {{- end }}
            {{- if $.Values.kafkaCa }}
            - name: kafka-ca
              mountPath: /etc/contrail-kafka
              readOnly: true
            {{- end }}
      volumes:
        - name: config
          configMap:
            name: {{ include "common.name" $ }}
        - name: tmp
          emptyDir:
            sizeLimit: {{ $.Values.tmpSize }}
        {{- if .folders }}
        - name: data
          persistentVolumeClaim:
            claimName: {{ $.Values.dataClaim }}
        {{- end }}
        {{- with $.Values.kafkaCa }}
        - name: kafka-ca
          secret:
            secretName: {{ .existingSecret }}
            items:
              - key: {{ .key }}
                path: ca.crt
        {{- end }}
{{- end -}}

{{/* The names of all Secrets whose keys are the program's environment variables. */}}
{{- define "common.environment" -}}
{{- with .Values.environmentSecrets -}}
envFrom:
  {{- range . }}
  - secretRef:
      name: {{ .name }}
      {{- if .optional }}
      optional: true
      {{- end }}
  {{- end }}
{{- end -}}
{{- end -}}
